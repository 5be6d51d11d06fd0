// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Random tables of AArch32 short descriptors.

use fastrand::Rng;

use super::layout::SLOT;
use super::shape::Shape;
use super::tables::{bits, once_in, stage1_pointer};

/// Appends a slot of tables of this level; levels 0 and 3 have none and are zero.
pub(super) fn fill(memory: &mut Vec<u8>, rng: &mut Rng, shape: Shape, level: u32) {
    for _ in 0..SLOT / 4 {
        let descriptor = match level {
            1 => first(rng, shape),
            2 => second(rng),
            _ => 0,
        };
        memory.extend(if shape.big_endian {
            descriptor.to_be_bytes()
        } else {
            descriptor.to_le_bytes()
        });
    }
}

#[expect(clippy::cast_possible_truncation, reason = "addresses of 32 bits")]
fn first(rng: &mut Rng, shape: Shape) -> u32 {
    let random = rng.u32(..);
    match rng.u32(0..32) {
        // Bits 1 and 0: nothing.
        0 => random & !3,
        // A section or a supersection (bit 18), with PXN in bit 0; bits 14 to 12 and 16 are TEX and S.
        1..=9 => {
            let descriptor = usable(rng, random, 10, 15) | 2;
            if once_in(rng, 3) {
                descriptor | 1 << 18
            } else {
                descriptor & !(1 << 18)
            }
        }
        // A table: bit 2 is PXN, bit 3 NS, bit 4 must be zero.
        _ => {
            let table = stage1_pointer(rng, shape, 2, 32) as u32 | (bits(rng, 6) as u32) << 10;
            table | random & 0x3ec | 1
        }
    }
}

fn second(rng: &mut Rng) -> u32 {
    let random = rng.u32(..);
    match rng.u32(0..32) {
        0 => random & !3,
        // Large pages.
        1..=8 => usable(rng, random & !3, 4, 9) | 1,
        // Small pages, with XN in bit 0.
        _ => usable(rng, random, 4, 9) | 2,
    }
}

/// Most of the time AP allows something: AP\[1:0\] at `low`, AP\[2\] at `high`.
fn usable(rng: &mut Rng, descriptor: u32, low: u32, high: u32) -> u32 {
    if once_in(rng, 3) {
        descriptor
    } else {
        descriptor & !(1 << high) | 3 << low
    }
}
