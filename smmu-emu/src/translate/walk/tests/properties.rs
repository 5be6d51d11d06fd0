// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Properties that hold for any registers and any memory.

use proptest::prelude::*;

use super::{AF, Machine, READ, STAGE2, USER};
use crate::Intent;
use crate::spec::cb::Cb;
use crate::spec::gr1::Gr1;
use crate::translate::regime;
use crate::translate::walk::stages::{stage1, stage2};
use crate::translate::walk::{Physical, Tables as Passed};

/// Four levels of stage 1, each read behind four of stage 2, then the output through four.
const MOST_READS: u32 = 4 * (4 + 1) + 4;

fn intent() -> impl Strategy<Value = Intent> {
    any::<(bool, bool, bool)>().prop_map(|(privileged, write, instruction)| Intent {
        privileged,
        write,
        instruction,
    })
}

/// Registers that mean something: noise, or what a driver writes.
fn words(typical: &'static [u64]) -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), proptest::sample::select(typical)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_walk_ends(
        features in any::<bool>(),
        cbar in prop_oneof![Just(0_u64), Just(0x1_f300), Just(0x3_0200), any::<u64>()],
        va64 in any::<[bool; 2]>(),
        registers in proptest::collection::vec((
            words(&[1, 3, 7, 0x11]),
            words(&[0x19, 16, 0x8000_0000, 0x5_0058, 0x5_0098]),
            words(&[5, 0xf05]),
            words(&[0x1000]),
            words(&[0x2000]),
        ), 2),
        pages in proptest::collection::vec(any::<u64>(), 1..24),
        addresses in proptest::collection::vec((prop_oneof![any::<u64>(), 0..1_u64 << 32], intent()), 1..12),
    ) {
        let mut machine = Machine::new(&format!("context_banks = 3\nhardware_update = {features}\n\
                                                 hierarchy_disable = {features}"));
        for (bank, (sctlr, tcr, tcr2, ttbr0, ttbr1)) in (1..).zip(registers) {
            machine.set(bank, Cb::Sctlr, sctlr);
            machine.set(bank, Cb::Tcr, tcr);
            machine.set(bank, Cb::Tcr2, tcr2);
            machine.set(bank, Cb::Ttbr0, ttbr0);
            machine.set(bank, Cb::Ttbr1, ttbr1);
            let gr1 = &mut machine.registers.gr1;
            gr1.set(Gr1::Cba2r, bank.into(), va64[usize::from(bank) - 1].into());
        }
        machine.registers.gr1.set(Gr1::Cbar, 1, cbar);
        // Tables that lead to each other, all over memory: every table is one of sixteen pages.
        struct Noise(Vec<u64>, std::cell::Cell<u32>);
        impl crate::Memory for Noise {
            fn read(&self, address: u64, data: &mut [u8]) -> Result<(), crate::BusError> {
                self.1.set(self.1.get() + 1);
                let index = usize::try_from(address >> 3).unwrap_or(0) % self.0.len();
                let word = self.0[index];
                // Half of the words are tables.
                let word = if word >> 62 == 0 { word } else { word & 0xf_f000 | 0x443 };
                let at = usize::try_from(address & 7).unwrap_or(0);
                data.copy_from_slice(&word.to_le_bytes()[at..at + data.len()]);
                Ok(())
            }
            fn compare_exchange(&self, _: u64, old: u64, new: u64) -> Result<u64, crate::BusError> {
                Ok(if new.is_multiple_of(3) { old } else { new })
            }
        }
        let noise = Noise(pages, std::cell::Cell::new(0));
        for (address, intent) in addresses {
            for bank in [1, 2, 0, 255] {
                noise.1.set(0);
                let found = machine.probe(&noise, bank, address, intent);
                prop_assert!(noise.1.get() <= MOST_READS, "{} reads", noise.1.get());
                if let Ok(leaf) = found {
                    prop_assert!(leaf.address >> 48 == 0 && leaf.size.is_power_of_two());
                    prop_assert!(leaf.permissions.allow(intent));
                }
                // Updates are attempted four times at most, in each of the walks.
                noise.1.set(0);
                let _ = machine.access(&noise, bank, address, intent);
                prop_assert!(noise.1.get() <= 4 * 5 * MOST_READS, "{} reads", noise.1.get());
            }
        }
    }

    #[test]
    fn a_walk_may_start_at_any_table_of_an_earlier_one(
        granule in 0..3_usize,
        tagged in any::<bool>(),
        limits in any::<[u64; 3]>(),
        offset in any::<u64>(),
        upper in any::<bool>(),
    ) {
        let (tg0, tg1, shift) = [(0_u64, 2_u64, 12), (2, 1, 14), (1, 3, 16)][granule];
        let (mut machine, _) = Machine::stage1("");
        machine.set(1, Cb::Tcr, tg1 << 30 | 16 << 16 | tg0 << 14 | 16);
        machine.set(1, Cb::Tcr2, 5 | if tagged { 3 << 5 } else { 0 });
        machine.set(1, Cb::Ttbr1, 0x10_0000);
        let mut tables = super::Tables::new(shift, if shift == 16 { 1 } else { 0 }, 0x10_0000);
        let input = 0x1234_5678_0000;
        tables.map(&machine.ram, input, 0x5_0000, 3, AF | USER);
        for (level, limit) in (tables.first_level()..3).zip(limits) {
            let at = tables.entry(&machine.ram, input, level);
            machine.ram.set(at, machine.ram.get(at) | limit & 0xf << 59);
        }
        let regime = regime::decode(&machine.registers, &machine.geometry, 1);
        let regime = regime.stage1.expect("stage 1");
        let memory = Physical::read_only(&machine.ram);
        let address = input | offset & 0xfff | if upper { 0xffff << 48 } else { 0 };
        let asked = if tagged { address ^ 0xa5 << 56 } else { address };
        let mut walked = Passed::default();
        let whole = stage1(&regime, &memory, asked, READ, None, &mut walked).expect("mapped");
        prop_assert_eq!(regime.canonical(asked), address);
        let passed = walked.as_slice();
        prop_assert_eq!(passed.len(), 3 - tables.first_level() as usize);
        for (index, table) in passed.iter().enumerate() {
            prop_assert!(table.serves(address));
            prop_assert!(!table.serves(address ^ 1 << table.shift));
            prop_assert_eq!(table.input >> table.shift << table.shift, table.input);
            machine.ram.take_reads();
            let mut rest = Passed::default();
            let part = stage1(&regime, &memory, asked, READ, Some(table), &mut rest);
            prop_assert_eq!(part.expect("mapped"), whole);
            prop_assert_eq!(rest.as_slice(), &passed[index + 1..]);
            prop_assert_eq!(machine.ram.reads(), 4 - table.level);
        }
    }
}

#[test]
fn stage2_and_short_walks_start_anywhere_too() {
    let (machine, mut tables) = Machine::stage2("");
    let ipa = 0xab_cdef_0000;
    tables.map(&machine.ram, ipa, 0x5000, 3, STAGE2);
    let regime = regime::decode(&machine.registers, &machine.geometry, 2).stage2;
    let memory = Physical::read_only(&machine.ram);
    let mut passed = Passed::default();
    let whole = stage2(&regime, &memory, ipa, READ, None, &mut passed).expect("mapped");
    assert_eq!(passed.as_slice().len(), 2);
    for table in passed.as_slice() {
        let part = stage2(&regime, &memory, ipa, READ, Some(table), &mut Passed::default());
        assert_eq!(part.expect("mapped"), whole);
    }
    let mut machine = Machine::new("");
    machine.bank(1, 1 << 16, 0);
    machine.ram.set32(4 * 0x123, 0x8001 | 1 << 2);
    machine.ram.set32(0x8000 + 4 * 0x45, 0x9002 | 3 << 4);
    let regime = regime::decode(&machine.registers, &machine.geometry, 1);
    let regime = regime.stage1.expect("stage 1");
    let memory = Physical::read_only(&machine.ram);
    let mut passed = Passed::default();
    let whole = stage1(&regime, &memory, 0x1234_5678, READ, None, &mut passed).expect("mapped");
    let [table] = passed.as_slice() else {
        panic!("one table")
    };
    assert_eq!(
        (table.level, table.address, table.input, table.shift),
        (2, 0x8000, 0x1230_0000, 20)
    );
    let part = stage1(
        &regime,
        &memory,
        0x1234_5678,
        READ,
        Some(table),
        &mut Passed::default(),
    );
    assert_eq!(part.expect("mapped"), whole, "PXN of the table included");
}
