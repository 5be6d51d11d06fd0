// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Stage 1 in bank 1, stage 2 in bank 2.

use super::{AF, Machine, READ, STAGE2, Tables, USER, VA64, WRITE, fault, fault2};
use crate::Intent;
use crate::arch::fault::ContextCause::{AccessFlag, AddressSize, ExternalOnWalk, Permission, Translation};
use crate::spec::cb::Cb;

/// Intermediate addresses from here on are mapped to themselves plus `MOVED`; stage 1 tables lie there.
const TABLES: u64 = 0x4000_0000;
const MOVED: u64 = 0x20_0000_0000;
const NESTED: u32 = 3 << 16 | 2 << 8;

/// Stage 1 tables behind stage 2: memory is written at physical addresses.
struct Nested {
    machine: Machine,
    stage1: Tables,
    stage2: Tables,
}

impl Nested {
    fn new() -> Self {
        let (mut machine, mut stage2) = Machine::stage2("");
        machine.bank(1, NESTED, VA64);
        machine.set(1, Cb::Tcr, 1 << 23 | 16);
        machine.set(1, Cb::Tcr2, 5);
        machine.set(1, Cb::Ttbr0, TABLES);
        machine.set(1, Cb::Mair0, 0x0077_04ff);
        stage2.map(&machine.ram, TABLES, TABLES + MOVED, 2, STAGE2);
        Self {
            machine,
            stage1: Tables::new(12, 0, TABLES).moved(MOVED),
            stage2,
        }
    }

    /// Maps a page at stage 1.
    fn map1(&mut self, input: u64, ipa: u64, attributes: u64) {
        self.stage1.map(&self.machine.ram, input, ipa, 3, attributes);
    }

    /// Intermediate address of the descriptor of a level at stage 1.
    fn entry1(&mut self, input: u64, level: u32) -> u64 {
        self.stage1.entry(&self.machine.ram, input, level) - MOVED
    }

    fn map2(&mut self, ipa: u64, output: u64, level: u32, attributes: u64) {
        self.stage2.map(&self.machine.ram, ipa, output, level, attributes);
    }
}

#[test]
fn both_stages() {
    let mut nested = Nested::new();
    nested.map1(0x7000_1000, 0x12_3456_7000, AF | USER);
    nested.map2(0x12_3456_7000, 0xabc_0000_1000, 3, STAGE2);
    let leaf = nested.machine.look(1, 0x7000_1234, WRITE).expect("mapped");
    assert_eq!((leaf.address, leaf.size), (0xabc_0000_1234, 0x1000));
    // A block of stage 2 around a page of stage 1, and a page of stage 2 in a block of stage 1.
    nested.map1(0x8000_1000, 0x30_0000_5000, AF);
    nested.map2(0x30_0000_0000, 0xdef_0000_0000, 1, STAGE2);
    let leaf = nested.machine.look(1, 0x8000_1004, READ).expect("mapped");
    assert_eq!((leaf.address, leaf.size), (0xdef_0000_5004, 0x1000));
    let entry = nested.entry1(0xc000_0000, 1);
    nested.machine.ram.set(entry + MOVED, 0x10_0000_0000 | AF | 1);
    nested.map2(0x10_3fff_f000, 0x77_0000_0000, 3, STAGE2);
    let leaf = nested.machine.look(1, 0xffff_f008, READ).expect("mapped");
    assert_eq!((leaf.address, leaf.size), (0x77_0000_0008, 0x1000));
    // Five reads of stage 1's four levels and the output, each behind three levels of stage 2.
    nested.machine.ram.take_reads();
    assert!(nested.machine.at(1, 0x7000_1000).is_ok());
    assert_eq!(nested.machine.ram.reads(), 4 * (2 + 1) + 3);
}

#[test]
fn faults_of_the_output_have_its_address() {
    let mut nested = Nested::new();
    nested.map1(0x1000, 0x12_3456_7000, AF | USER);
    let ipa = 0x12_3456_7abc;
    let at = |nested: &Nested, intent| nested.machine.look(1, 0x1abc, intent);
    assert_eq!(at(&nested, READ), Err(fault2(Translation, 1, ipa, false)));
    nested.map2(0x12_3456_7000, 0x5000, 3, STAGE2 & !AF);
    assert_eq!(at(&nested, READ), Err(fault2(AccessFlag, 3, ipa, false)));
    nested.map2(0x12_3456_7000, 0x5000, 3, STAGE2 & !(1 << 7));
    assert_eq!(at(&nested, WRITE), Err(fault2(Permission, 3, ipa, false)));
    assert!(at(&nested, READ).is_ok());
    // Stage 1's own faults come first, and its output has to fit stage 2's input.
    nested.map1(0x1000, 0x12_3456_7000, AF | 1 << 7);
    assert_eq!(at(&nested, WRITE), Err(fault(Permission, 3)));
    nested.map1(0x1000, 1 << 40, AF);
    assert_eq!(
        at(&nested, READ),
        Err(fault2(Translation, 0, 1 << 40 | 0xabc, false))
    );
    nested.machine.set(1, Cb::Tcr2, 2);
    assert_eq!(at(&nested, READ), Err(fault(AddressSize, 3)), "PASize of stage 1");
}

/// Behaviour 35: S1PTWF is a fault of stage 2 in a stage 1 walk, PTWF (an external fault) something else.
#[test]
fn faults_of_the_walk() {
    for level in 0..4_u32 {
        let mut nested = Nested::new();
        nested.map1(0x55_5555_5000, 0x4000_0000, AF);
        let entry = nested.entry1(0x55_5555_5000, level);
        let first = nested.entry1(0x55_5555_5000, 0);
        let at = |nested: &Nested| nested.machine.at(1, 0x55_5555_5000);
        assert!(at(&nested).is_ok());
        // The page of this table alone; the tables of other levels have their own.
        let page = entry & !0xfff;
        let others = nested.stage2.entry(&nested.machine.ram, TABLES, 2);
        nested.machine.ram.set(others, 0);
        for index in 0..512 {
            let ipa = TABLES + (index << 12);
            nested.map2(ipa, ipa + MOVED, 3, STAGE2);
        }
        assert!(at(&nested).is_ok());
        nested.map2(page, page + MOVED, 3, STAGE2 & !(1 << 6));
        assert_eq!(
            at(&nested),
            Err(fault2(Permission, 3, entry, true)),
            "not readable"
        );
        nested.map2(page, page + MOVED, 3, STAGE2 & !AF);
        assert_eq!(at(&nested), Err(fault2(AccessFlag, 3, entry, true)));
        let descriptor = nested.stage2.entry(&nested.machine.ram, page, 3);
        nested.machine.ram.set(descriptor, 0);
        assert_eq!(at(&nested), Err(fault2(Translation, 3, entry, true)));
        // Device memory, once protected.
        nested.map2(page, page + MOVED, 3, STAGE2 & !(0xf << 2));
        assert!(at(&nested).is_ok());
        nested.machine.set(2, Cb::Sctlr, 1 | 1 << 13);
        assert_eq!(at(&nested), Err(fault2(Permission, 3, entry, true)), "PTW");
        nested.map2(page, page + MOVED, 3, STAGE2);
        assert!(at(&nested).is_ok());
        // Memory that does not answer: stage 1's if the descriptor is stage 1's.
        nested.machine.ram.kill(page + MOVED);
        assert_eq!(at(&nested), Err(fault(ExternalOnWalk, level)));
        nested.machine.ram.kill(descriptor);
        assert_eq!(
            nested.machine.at(1, 0x55_5555_5000),
            Err(fault2(ExternalOnWalk, 3, first, true))
        );
    }
}

#[test]
fn one_stage_off() {
    let mut nested = Nested::new();
    nested.map1(0x1000, TABLES + 0x8000, AF);
    nested.machine.set(1, Cb::Sctlr, 0);
    assert_eq!(nested.machine.at(1, TABLES + 0x123), Ok(TABLES + MOVED + 0x123));
    assert_eq!(
        nested.machine.at(1, 0x1000),
        Err(fault2(Translation, 1, 0x1000, false))
    );
    // With stage 2 off the tables are where TTBR says.
    nested.machine.set(1, Cb::Sctlr, 1);
    nested.machine.set(2, Cb::Sctlr, 0);
    assert_eq!(nested.machine.at(1, 0x1000), Err(fault(Translation, 0)));
    nested.machine.set(1, Cb::Ttbr0, TABLES + MOVED);
    assert_eq!(
        nested.machine.at(1, 0x1000),
        Err(fault(Translation, 1)),
        "a table of IPAs"
    );
    nested.machine.set(1, Cb::Sctlr, 0);
    assert_eq!(nested.machine.at(1, 0x1000), Ok(0x1000));
    let beyond = 1 << 48;
    assert_eq!(nested.machine.at(1, beyond), Err(fault(AddressSize, 0)));
}

/// AArch32 under stage 2 of AArch64 and of AArch32.
#[test]
fn narrower_stage1() {
    for cba2r in [0, VA64] {
        let mut nested = Nested::new();
        nested.machine.bank(2, 0, cba2r);
        nested.machine.bank(1, NESTED, 0);
        nested.machine.set(1, Cb::Tcr, 0);
        // A short section whose page stage 2 maps.
        nested.machine.ram.set32(TABLES + MOVED + 4, 0x0120_0c02);
        nested.map2(0x0123_4000, 0x9000, 3, STAGE2);
        nested
            .machine
            .set(2, Cb::Tcr, 5 << 16 | 1 << 6 | if cba2r == 0 { 8 } else { 24 });
        let leaf = nested.machine.look(1, 0x0013_4567, WRITE).expect("mapped");
        assert_eq!((leaf.address, leaf.size), (0x9567, 0x1000));
        assert_eq!(
            nested.machine.at(1, 0x0010_0000),
            Err(fault2(Translation, 3, 0x0120_0000, false))
        );
    }
}

#[test]
fn attributes_of_both() {
    let mut nested = Nested::new();
    let type_of = |nested: &Nested| {
        let leaf = nested.machine.look(1, 0x1000, READ).expect("mapped");
        (leaf.attributes, leaf.shareability)
    };
    // Stage 1: AttrIndx 0 is write-back, 1 Device-nGnRE, 2 transient write-back. Stage 2: MemAttr.
    for (index, memattr, expected) in [
        (0, 0xf, 0xff),
        (0, 0xa, 0xbb),
        (0, 0x5, 0x44),
        (0, 0x0, 0x00),
        (0, 0x2, 0x08),
        (1, 0xf, 0x04),
        (1, 0x0, 0x00),
        (1, 0x3, 0x04),
        (2, 0xf, 0x77),
        (2, 0xa, 0xbb),
        (2, 0x5, 0x44),
    ] {
        nested.map1(0x1000, 0x12_0000_0000, AF | index << 2);
        nested.map2(0x12_0000_0000, 0, 3, AF | 3 << 6 | memattr << 2);
        let shareability = if expected & 0xf0 == 0 || expected == 0x44 {
            2
        } else {
            0
        };
        assert_eq!(type_of(&nested), (expected, shareability), "{index} {memattr:#x}");
    }
    // 0 none, 2 outer, 3 inner: the wider one.
    for (one, two, expected) in [(0, 0, 0), (0, 3, 3), (3, 0, 3), (3, 2, 2), (2, 3, 2), (0, 2, 2)] {
        nested.map1(0x1000, 0x12_0000_0000, AF | one << 8);
        nested.map2(0x12_0000_0000, 0, 3, STAGE2 | two << 8);
        assert_eq!(type_of(&nested).1, expected, "{one} {two}");
    }
    // Stage 1 off leaves stage 2's type.
    nested.machine.set(1, Cb::Sctlr, 0);
    nested.map2(0x1000, 0, 3, AF | 3 << 6 | 0xa << 2 | 3 << 8);
    assert_eq!(type_of(&nested), (0xbb, 3));
}

/// `ATS1*` ends with stage 1, whose walk still goes through stage 2.
#[test]
fn stage1_alone() {
    let mut nested = Nested::new();
    nested.map1(0x1000, 0x12_3456_7000, AF);
    let first = nested.entry1(0x1000, 0);
    let ask = |nested: &Nested| {
        let intent = Intent {
            privileged: true,
            ..Intent::default()
        };
        let leaf = nested.machine.probe_stage1(1, 0x1000, intent);
        leaf.map(|leaf| leaf.address)
    };
    assert_eq!(ask(&nested), Ok(0x12_3456_7000));
    let table = nested.stage2.entry(&nested.machine.ram, TABLES, 2);
    nested.machine.ram.set(table, 0);
    assert_eq!(ask(&nested), Err(fault2(Translation, 2, first, true)));
}
