// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! An SMMU whose software invalidates what it changes cannot be told from one without a TLB.

use proptest::collection::vec;
use proptest::prelude::*;
use smmu_emu::{Env, Intent, Response, Transaction};

use crate::bench::{Bench, Cb, Gr0, Gr1};
use crate::tables::Tables;

/// What happens next. Pages are numbers of `address`.
#[derive(Clone, Debug)]
enum Step {
    Access {
        stream: u8,
        page: u8,
        write: bool,
        privileged: bool,
    },
    /// Software changes a page, and invalidates it in way `how`.
    Change { page: u8, descriptor: u8, how: u8 },
    /// Software takes a table of level 3 away or puts it back, and invalidates in way `how`.
    Table { page: u8, how: u8 },
    /// Software gives a bank another ASID.
    Asid { bank: u8, asid: u8 },
    /// Software turns a bank off or on.
    Toggle { bank: u8 },
    /// An invalidation that nothing asks for.
    Idle { how: u8 },
}

/// Four tables of level 3 with four pages each.
fn address(page: u8) -> u64 {
    let (table, index) = (u64::from(page / 4 % 4), u64::from(page % 4));
    (if table == 3 { 1 << 38 } else { table << 21 }) | index << 12
}

fn step() -> impl Strategy<Value = Step> {
    let access = (0..4_u8, 0..16_u8, any::<bool>(), any::<bool>());
    prop_oneof![
        8 => access.prop_map(|(stream, page, write, privileged)| Step::Access { stream, page, write, privileged }),
        4 => (0..16_u8, any::<u8>(), 0..6_u8).prop_map(|(page, descriptor, how)| Step::Change { page, descriptor, how }),
        1 => (0..16_u8, 0..6_u8).prop_map(|(page, how)| Step::Table { page, how }),
        1 => (0..4_u8, 0..3_u8).prop_map(|(bank, asid)| Step::Asid { bank, asid }),
        1 => (0..4_u8).prop_map(|bank| Step::Toggle { bank }),
        1 => (0..6_u8).prop_map(|how| Step::Idle { how }),
    ]
}

/// Banks 0 to 2 have VMID 1, bank 3 has VMID 2; all share one set of tables.
struct World {
    bench: Bench,
    tables: Tables,
}

impl World {
    fn new(tlb: &str) -> Self {
        let mut bench = Bench::new(&format!("preset = \"smmuv2-generic\"\n{tlb}"));
        let mut tables = Tables::new(&mut bench.host, 12, 48);
        for page in 0..16 {
            tables.map(
                &mut bench.host,
                address(page),
                0x1000 * u64::from(page),
                3,
                Tables::USER_RW,
            );
        }
        for bank in 0..4_u8 {
            let n = u64::from(bank);
            bench.w(Gr1(0x800 + 4 * n), 1);
            bench.w(Gr1(4 * n), 1 << 16 | if bank == 3 { 2 } else { 1 });
            bench.w(Cb(n, 0x10), 5);
            bench.w(Cb(n, 0x30), tables.tcr());
            bench.w64(Cb(n, 0x20), tables.root() | n << 48);
            bench.w(Cb(n, 0x00), 1);
            bench.w(Gr0(0x800 + 4 * n), 1 << 31 | u32::from(bank));
            bench.w(Gr0(0xc00 + 4 * n), bank.into());
        }
        bench.w(Gr0(0x00), 0);
        Self { bench, tables }
    }

    /// Invalidates an address for every VMID, in one of the ways that software has.
    fn invalidate(&mut self, page: u8, how: u8, last_level: bool) {
        let by_address = address(page) >> 12;
        for (bank, vmid) in [(0, 1), (3, 2)] {
            match how {
                0 if last_level => self.bench.w64(Cb(bank, 0x628), by_address),
                0 | 1 => self.bench.w64(Cb(bank, 0x608), by_address),
                2 => self.bench.w(Cb(bank, 0x618), 0),
                3 => self.bench.w(Gr0(0x64), vmid),
                4 => self.bench.w(Gr0(0xb8), vmid),
                // Each ASID by address, which also takes the global entry.
                _ => (0..4).for_each(|asid| self.bench.w64(Cb(bank, 0x600), by_address | asid << 48)),
            }
        }
        self.bench.w(Gr0(0x70), 0);
        assert_eq!(self.bench.r(Gr0(0x74)), 0);
    }

    fn run(&mut self, step: &Step) -> (Option<Response>, u32) {
        match *step {
            Step::Access {
                stream,
                page,
                write,
                privileged,
            } => {
                let transaction = Transaction {
                    stream_id: stream.into(),
                    address: address(page) + 0x123,
                    intent: Intent {
                        privileged,
                        write,
                        instruction: false,
                    },
                };
                let response = self.bench.transact(transaction);
                let bank = u64::from(stream);
                let faults = self.bench.r(Cb(bank, 0x58));
                self.bench.w(Cb(bank, 0x58), u32::MAX);
                return (Some(response), faults);
            }
            Step::Change {
                page,
                descriptor,
                how,
            } => {
                let bits = u64::from(descriptor);
                // Valid three times of four; nG, AF, AP and the address by the other bits.
                let attributes = (bits & 1) << 11 | u64::from(bits & 6 != 0) << 10 | (bits >> 3 & 3) << 6;
                let value = if bits & 0x60 == 0 {
                    0
                } else {
                    bits << 24 | attributes | 3
                };
                let entry = self.tables.entry(&mut self.bench.host, address(page), 3);
                self.bench.host.write64(entry, value);
                self.invalidate(page, how, true);
            }
            Step::Table { page, how } => {
                let entry = self.tables.entry(&mut self.bench.host, address(page), 2);
                let mut word = [0; 8];
                self.bench.host.read_memory(entry, &mut word).expect("a table");
                self.bench.host.write64(entry, u64::from_le_bytes(word) ^ 1);
                // The pages below it were reached through it.
                for below in page / 4 * 4..page / 4 * 4 + 4 {
                    self.invalidate(below, how, false);
                }
            }
            Step::Asid { bank, asid } => {
                let ttbr = self.tables.root() | u64::from(asid) << 48;
                self.bench.w64(Cb(bank.into(), 0x20), ttbr);
            }
            Step::Toggle { bank } => {
                let sctlr = self.bench.r(Cb(bank.into(), 0x00));
                self.bench.w(Cb(bank.into(), 0x00), sctlr ^ 1);
            }
            Step::Idle { how } => self.invalidate(0, how, false),
        }
        (None, 0)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Behaviours 44 to 46.
    #[test]
    fn software_that_invalidates_does_not_see_the_tlb(
        steps in vec(step(), 1..120),
        tlb in prop_oneof![
            Just("tlb = \"normal\""),
            Just("tlb = \"strict-stale\""),
            Just("tlb = \"normal\"\ntlb_entries = 3"),
        ],
    ) {
        let (mut oracle, mut subject) = (World::new("tlb = \"off\""), World::new(tlb));
        for (number, step) in steps.iter().enumerate() {
            prop_assert_eq!(oracle.run(step), subject.run(step), "step {}: {:?}", number, step);
        }
    }
}
