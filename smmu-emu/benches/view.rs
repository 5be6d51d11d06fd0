// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What a device's reads cost through the SMMU, against the same reads of plain guest memory: `cargo bench -p smmu-emu --bench
//! view`.
//!
//! The two are measured in turns, so that what else the machine does meets both alike; the ratio is that of the minima, and the
//! median stands beside it.

mod common;

use std::hint::black_box;

use common::{at_page, compare, machine};
use smmu_emu::{Intent, Tbu, View};
use vm_memory::{Bytes, GuestAddress};

fn main() {
    common::pin(false);
    let (smmu, ram) = machine();
    let (memory, mut env) = (ram.memory().clone(), ram);
    let mut tbu = Tbu::new(&smmu);
    for (name, offset, length) in [
        ("4 KiB, across two pages", 0x800, 0x1000),
        ("4 KiB, one page", 0, 0x1000),
        ("64 KiB, 17 pages", 0x800, 0x1_0000),
        ("16 bytes", 0x800, 16),
    ] {
        let mut into = vec![0; length];
        let mut other = vec![0; length];
        let view = View::new(&mut tbu, &mut env, &memory, 0, Intent::default());
        compare(
            name,
            || {
                let at = GuestAddress(at_page(0) + offset);
                memory
                    .read_slice(black_box(&mut into), black_box(at))
                    .expect("memory");
            },
            || {
                view.read_slice(black_box(&mut other), black_box(GuestAddress(offset)))
                    .expect("mapped");
            },
        );
    }
}
