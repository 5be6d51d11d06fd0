// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Cost of a device's reads through the SMMU, and of the same reads of plain guest memory: `cargo bench -p smmu-emu
//! --bench view`. Their ratio, measured in turns: `--bench ratios`. The thread is pinned to the first core that the
//! process may use.

mod common;

use std::hint::black_box;

use common::{READS, at_page, machine, pin};
use criterion::{BenchmarkId, Criterion};
use smmu_emu::{Intent, Tbu, View};
use vm_memory::{Bytes, GuestAddress};

fn main() {
    pin(false);
    let mut criterion = Criterion::default().configure_from_args();
    let (smmu, host) = machine();
    let (memory, mut env) = (host.memory.0.clone(), host);
    let mut tbu = Tbu::new(&smmu);
    for (name, address, length) in READS {
        let mut group = criterion.benchmark_group(name);
        let mut into = vec![0; length];
        group.bench_function(BenchmarkId::from_parameter("plain"), |bencher| {
            let from = GuestAddress(at_page(0) + address);
            bencher.iter(|| memory.read_slice(black_box(&mut into), black_box(from)));
        });
        // The view stands while it is measured, as for a request of several reads.
        let view = View::new(&mut tbu, &mut env, &memory, 0, Intent::default());
        view.read_slice(&mut into, GuestAddress(address))
            .expect("it is mapped");
        group.bench_function(BenchmarkId::from_parameter("view"), |bencher| {
            bencher.iter(|| view.read_slice(black_box(&mut into), black_box(GuestAddress(address))));
        });
        group.finish();
    }
    criterion.final_summary();
}
