// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `CBn_PAR` and `GPAR`: how the result of an address translation operation reads (IHI 0062D §16).

use arbitrary_int::traits::Integer;
use arbitrary_int::{u2, u3, u20, u36};

use crate::spec::bank::Format;
use crate::spec::par::{ParFault, ParShort, ParSuccess};
use crate::translate::walk::{Leaf, WalkFault};

/// Size of a supersection.
const SUPERSECTION: u64 = 1 << 24;

/// PAR of an operation that found a mapping.
pub(crate) fn success(leaf: &Leaf, format: Format) -> u64 {
    match format {
        Format::Short => short(leaf),
        Format::Long | Format::AArch64 => ParSuccess::ZERO
            .with_attr(leaf.attributes)
            .with_pa(u36::masked_new(leaf.address >> 12))
            .with_one(true)
            .with_sh(u2::masked_new(leaf.shareability))
            .raw_value(),
    }
}

/// PAR of an operation that faulted. `terminated`: a fault of stage 2 has ended an operation of the bank (ATOT).
pub(crate) fn fault(fault: WalkFault, format: Format, terminated: bool) -> u64 {
    let faults = ParFault::ZERO
        .with_stage(fault.stage2.is_some())
        .with_plvl(u2::masked_new(fault.level))
        .with_atot(terminated)
        .with_format(u2::masked_new(format as u8))
        .with_f(true);
    faults.raw_value() | u64::from(fault.cause.bit().bits())
}

fn short(leaf: &Leaf) -> u64 {
    let supersection = leaf.size == SUPERSECTION;
    let pa = if supersection {
        leaf.address >> 24 << 12 & 0xf_f000 | leaf.address >> 32 << 4 & 0xff0
    } else {
        leaf.address >> 12
    };
    let (outer, inner) = (leaf.attributes >> 4, leaf.attributes & 0xf);
    // Device memory stands in `inner` alone.
    let (outer, inner) = match (outer, inner) {
        (0, 0) => (0, 1),
        (0, _) => (0, 3),
        _ => (cacheability(outer), INNER[usize::from(cacheability(inner))]),
    };
    ParShort::ZERO
        .with_pa(u20::masked_new(pa))
        .with_nos(leaf.shareability == 3)
        .with_sh(leaf.shareability != 0)
        .with_inner(u3::masked_new(inner))
        .with_outer(u2::masked_new(outer))
        .with_ss(supersection)
        .raw_value()
}

/// The inner encoding of what the outer one counts from 0 to 3.
const INNER: [u8; 4] = [0, 5, 6, 7];

/// A nibble of MAIR as the outer field encodes it.
const fn cacheability(nibble: u8) -> u8 {
    match (nibble >> 2, nibble & 1) {
        (1, 0) if nibble == 0b0100 => 0,
        (0 | 2, _) => 2,
        (_, 1) => 1,
        _ => 3,
    }
}
