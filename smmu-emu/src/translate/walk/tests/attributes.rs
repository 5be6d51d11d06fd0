// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Memory types of one stage, and of stage 2 where CBAR bypasses it.

use super::{AF, Machine, READ, STAGE2, VA64};
use crate::spec::cb::Cb;

fn type_of(machine: &Machine, bank: u8, address: u64) -> (u8, u8) {
    let leaf = machine.look(bank, address, READ).expect("mapped");
    (leaf.attributes, leaf.shareability)
}

#[test]
fn mair() {
    let (mut machine, mut tables) = Machine::stage1("");
    machine.set(1, Cb::Mair0, 0x44bb_0400);
    machine.set(1, Cb::Mair1, 0xfff4_0c08);
    for (index, mair) in (0_u64..).zip([0x00, 0x04, 0xbb, 0x44, 0x08, 0x0c, 0xf4, 0xff]) {
        for shareability in [0_u8, 2, 3] {
            tables.map(
                &machine.ram,
                0x1000,
                0x5000,
                3,
                AF | index << 2 | u64::from(shareability) << 8,
            );
            let expected = match mair {
                0xbb | 0xf4 | 0xff => shareability,
                _ => 2,
            };
            assert_eq!(type_of(&machine, 1, 0x1000), (mair, expected));
        }
    }
}

#[test]
fn memattr_of_stage2() {
    let (machine, mut tables) = Machine::stage2("");
    for (memattr, expected) in [
        (0x0, (0x00, 2)),
        (0x1, (0x04, 2)),
        (0x2, (0x08, 2)),
        (0x3, (0x0c, 2)),
        (0x5, (0x44, 2)),
        (0x6, (0x4b, 3)),
        (0x9, (0xb4, 3)),
        (0xa, (0xbb, 3)),
        (0xf, (0xff, 3)),
    ] {
        tables.map(
            &machine.ram,
            0x1000,
            0x5000,
            3,
            STAGE2 & !(0xf << 2) | memattr << 2 | 3 << 8,
        );
        assert_eq!(type_of(&machine, 2, 0x1000), expected, "{memattr:#x}");
    }
}

/// Behaviour 54: Linux writes the weakest, which changes nothing.
#[test]
fn bypassed_stage2() {
    let (mut machine, mut tables) = Machine::stage1("");
    machine.set(1, Cb::Mair0, 0x04ff);
    for (memattr, bpshcfg, index, expected) in [
        (0xf, 3, 0, (0xff, 0)),
        (0xf, 3, 1, (0x04, 2)),
        (0xf, 2, 0, (0xff, 3)),
        (0xf, 1, 0, (0xff, 2)),
        (0x5, 3, 0, (0x44, 2)),
        (0x0, 3, 0, (0x00, 2)),
        (0x2, 3, 1, (0x04, 2)),
    ] {
        machine.bank(1, 1 << 16 | memattr << 12 | bpshcfg << 8, VA64);
        tables.map(&machine.ram, 0x1000, 0x5000, 3, AF | index << 2);
        assert_eq!(
            type_of(&machine, 1, 0x1000),
            expected,
            "{memattr:#x} {bpshcfg} {index}"
        );
    }
}

#[test]
fn translation_off_with_a_memory_type() {
    for cbar in [1 << 16 | 0xf300, 0] {
        let mut machine = Machine::new("");
        machine.bank(1, cbar, VA64);
        for (mtcfg, memattr, shcfg, expected) in [
            (1, 0xf, 2, (0xff, 3)),
            (1, 0xa, 3, (0xbb, 0)),
            (1, 0x1, 0, (0x04, 2)),
        ] {
            machine.set(1, Cb::Sctlr, shcfg << 22 | mtcfg << 20 | memattr << 16);
            assert_eq!(type_of(&machine, 1, 0x1000), expected);
        }
    }
}

/// TEX, C and B of a section, without remapping.
#[test]
fn short_descriptors() {
    let mut machine = Machine::new("");
    machine.bank(1, 1 << 16 | 0xf300, 0);
    for (tex, cb, mair) in [
        (0, 0, 0x00),
        (0, 1, 0x04),
        (0, 2, 0xaa),
        (0, 3, 0xee),
        (1, 0, 0x44),
        (1, 3, 0xff),
        (2, 0, 0x04),
        (4, 0, 0x44),
        (4, 1, 0x4f),
        (5, 2, 0xfa),
        (6, 3, 0xae),
        (7, 0, 0xe4),
    ] {
        for s in [0_u8, 1] {
            machine
                .ram
                .set32(0, 2 | 3 << 10 | tex << 12 | cb << 2 | u32::from(s) << 16);
            let normal = mair & 0xf0 != 0 && mair != 0x44;
            let shareability = if normal { 3 * s } else { 2 };
            assert_eq!(type_of(&machine, 1, 0), (mair, shareability), "{tex} {cb} {s}");
        }
    }
    // Those of pages stand elsewhere.
    machine.ram.set32(0, 0x1001);
    machine.ram.set32(0x1000, 2 | 3 << 4 | 1 << 6 | 3 << 2);
    machine.ram.set32(0x1004, 1 | 3 << 4 | 1 << 12 | 3 << 2);
    assert_eq!(
        (type_of(&machine, 1, 0).0, type_of(&machine, 1, 0x1000).0),
        (0xff, 0xff)
    );
}

/// TRE: PRRR and NMRR by TEX\[0\], C and B. The values are those that Linux used for its kernel.
#[test]
fn remapped() {
    let mut machine = Machine::new("");
    machine.bank(1, 1 << 16 | 0xf300, 0);
    machine.set(1, Cb::Sctlr, 1 | 1 << 1);
    // TR0..7: SO, N, N, N, D, N, 0, N; DS1, NS1; NOS for all but 7.
    machine.set(1, Cb::Mair0, 0x7f0a_89a8);
    // IR and OR: 2 is WT, 3 WB, 1 WBWA.
    machine.set(1, Cb::Mair1, 0x40e0_40e0);
    for (n, mair) in [
        (0, 0x00),
        (1, 0x44),
        (2, 0xaa),
        (3, 0xee),
        (4, 0x00),
        (5, 0x44),
        (7, 0xff),
    ] {
        let tr = 0x89a8_u32 >> (2 * n) & 3;
        for s in [0, 1] {
            machine
                .ram
                .set32(0, 2 | 3 << 10 | (n >> 2) << 12 | (n & 3) << 2 | s << 16);
            let expected = match tr {
                0 => (0x00, 2),
                1 => (0x04, 2),
                _ if mair == 0x44 => (mair, 2),
                _ if s == 0 => (mair, 0),
                _ => (mair, if n == 7 { 2 } else { 3 }),
            };
            assert_eq!(type_of(&machine, 1, 0), expected, "{n} {s}");
        }
    }
}
