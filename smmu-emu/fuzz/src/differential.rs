// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! An SMMU whose software invalidates what it changes cannot be told from one without a TLB.

use smmu_emu::testing::{Ram, Tables};
use smmu_emu::{Response, Transaction};

use super::input::Input;
use super::machine::{BASE, Machine, intent};
use super::pair::{self, World};
use super::rules::Names;

/// Next step. Pages are numbers of `address`, `how` the way in which software invalidates.
enum Step {
    Access {
        stream: u8,
        page: u8,
        intent: u8,
    },
    /// A page of stage 1.
    Page {
        page: u8,
        descriptor: u8,
        how: u8,
    },
    /// A table of the last level goes away or comes back.
    Table {
        page: u8,
        how: u8,
    },
    /// A page of stage 2.
    Stage2 {
        page: u8,
        descriptor: u8,
        how: u8,
    },
    Asid {
        bank: u8,
        asid: u8,
    },
    /// A bank goes off or on.
    Toggle {
        bank: u8,
    },
    /// An invalidation that nothing asks for.
    Idle {
        page: u8,
        how: u8,
    },
}

/// Root of stage 1, which all banks share, and of stage 2 of bank 4.
const STAGE1: u64 = BASE;
const STAGE2: u64 = BASE + 0x10_0000;
/// The bank that is nested, and the one behind it; both have VMID 2.
const NESTED: u64 = 3;
const SECOND: u64 = 4;

/// Four tables of level 3 with four pages each.
fn address(page: u8) -> u64 {
    let (table, index) = (u64::from(page / 4 % 4), u64::from(page % 4));
    (if table == 3 { 1 << 38 } else { table << 21 }) | index << 12
}

/// SCTLR.CFIE.
const CFIE: u32 = 1 << 6;

/// Runs one input.
pub fn run(data: &[u8]) {
    pair::run::<Differential>("differential", data, 3);
}

fn next(input: &mut Input<'_>) -> Option<Step> {
    let (kind, page) = (input.u8()?, input.u8()? % 16);
    let how = kind >> 4;
    Some(match kind & 15 {
        0..=6 => Step::Access {
            stream: how & 3,
            page,
            intent: kind >> 6,
        },
        7..=9 => Step::Page {
            page,
            how,
            descriptor: input.u8()?,
        },
        10 => Step::Table { page, how },
        11 | 12 => Step::Stage2 {
            page,
            how,
            descriptor: input.u8()?,
        },
        13 => Step::Asid {
            bank: how & 3,
            asid: page % 3,
        },
        14 => Step::Toggle { bank: how % 5 },
        _ => Step::Idle { page, how },
    })
}

/// Banks 0 to 2 have VMID 1.
struct Differential {
    machine: Machine,
    stage1: Tables,
    stage2: Tables,
    /// SCTLR.M of each bank.
    on: [bool; 5],
}

impl World for Differential {
    type Step = Step;
    type Outcome = Option<(Response, [u32; 2])>;

    fn new(tlb: &str) -> Self {
        let config = format!(
            "preset = \"smmuv2-generic\"\ncontext_banks = 5\nstream_match_groups = 4\nhardware_update = false\n{tlb}"
        );
        let mut world = Self {
            machine: Machine::new(&config, Ram::new()),
            stage1: Tables::new(12, 0, STAGE1),
            stage2: Tables::new(12, 1, STAGE2),
            on: [true; 5],
        };
        world.fill();
        for bank in 0..5 {
            world.configure(bank);
        }
        let machine = &mut world.machine;
        machine.w("sCR0", 0);
        for stream_id in 0..4 {
            let first = Transaction {
                stream_id,
                ..Transaction::default()
            };
            let looked = machine.smmu.lock().translate(&machine.host, &first);
            assert!(looked.is_ok(), "stream {stream_id}: {looked:?}");
        }
        world
    }

    fn next(input: &mut Input<'_>) -> Option<Step> {
        next(input)
    }

    fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    fn clear_faults(&mut self) {
        for bank in 0..5 {
            self.machine.w(("CBn_FSR", bank), u32::MAX);
        }
    }

    fn with_names<R>(&self, with: impl FnOnce(Names<'_>) -> R) -> R {
        let (ram, mut stage1, mut stage2) = (
            self.machine.host.memory.clone(),
            self.stage1.clone(),
            self.stage2.clone(),
        );
        let at = |n: u8| {
            let page = n % 16;
            let (input, level) = (address(page), u32::from(n >> 4 & 3));
            if n >= 0x40 {
                stage1.entry(&ram, input, level)
            } else {
                stage2.entry(&ram, page_of(page), level.max(1))
            }
        };
        let at = std::cell::RefCell::new(at);
        with(Names {
            address: &|n| address(n % 16),
            stream: &|n| (n % 4).into(),
            descriptor: &|n| (at.borrow_mut())(n),
        })
    }

    fn run(&mut self, step: &Step) -> Self::Outcome {
        let machine = &mut self.machine;
        match *step {
            Step::Access {
                stream,
                page,
                intent: bits,
            } => {
                let transaction = Transaction {
                    stream_id: stream.into(),
                    address: address(page) + 0x120,
                    intent: intent(bits),
                };
                let response = machine.transact(&transaction);
                let faults = [u64::from(stream), SECOND].map(|bank| {
                    let value = machine.r(("CBn_FSR", bank));
                    machine.w(("CBn_FSR", bank), u32::MAX);
                    value
                });
                return Some((response, faults));
            }
            Step::Page {
                page,
                descriptor,
                how,
            } => {
                let bits = u64::from(descriptor);
                // nG, AF, AP and the address by the bits.
                let attributes = (bits & 1) << 11 | u64::from(bits & 6 != 0) << 10 | (bits >> 3 & 3) << 6;
                let value = (bits & 0xf) << 12 | attributes | 3;
                let entry = self.stage1.entry(&machine.host.memory, address(page), 3);
                self.stage1.set(
                    &machine.host.memory,
                    entry,
                    if bits & 0x60 == 0 { 0 } else { value },
                );
                self.invalidate(page, how, true);
            }
            Step::Table { page, how } => {
                let memory = &machine.host.memory;
                let above = self.stage1.entry(memory, address(page), 2);
                memory.set(above, memory.get(above) ^ 1);
                // The pages below it were reached through it.
                for below in page / 4 * 4..page / 4 * 4 + 4 {
                    self.invalidate(below, how, false);
                }
            }
            Step::Stage2 {
                page,
                descriptor,
                how,
            } => {
                let bits = u64::from(descriptor);
                let value = (bits & 0xf) << 20 | (bits >> 4 & 3) << 6 | 0x43c | 3;
                let entry = self.stage2.entry(&machine.host.memory, page_of(page), 3);
                self.stage2.set(
                    &machine.host.memory,
                    entry,
                    if bits & 0xc0 == 0 { 0 } else { value },
                );
                self.invalidate_stage2(page, how);
            }
            Step::Asid { bank, asid } => {
                machine.w64(("CBn_TTBR0", bank.into()), STAGE1 | u64::from(asid) << 48);
            }
            Step::Toggle { bank } => {
                let on = &mut self.on[usize::from(bank)];
                *on = !*on;
                machine.w(("CBn_SCTLR", bank.into()), CFIE | u32::from(*on));
            }
            Step::Idle { page, how } => {
                self.invalidate(page, how, false);
                self.invalidate_stage2(page, how);
            }
        }
        None
    }
}

impl Differential {
    fn fill(&mut self) {
        let Self {
            machine,
            stage1,
            stage2,
            ..
        } = self;
        let memory = &machine.host.memory;
        for page in 0..16 {
            stage1.map(memory, address(page), page_of(page), 3, Tables::USER_RW);
            // S2AP, MemAttr.
            stage2.map(memory, page_of(page), 0x10_0000 + page_of(page), 3, 0x7fc);
        }
        // The tables of stage 1 are in the gigabyte that maps to itself.
        stage2.map(memory, 0x8000_0000, 0x8000_0000, 1, 0x7fc);
    }

    fn configure(&mut self, bank: u64) {
        let machine = &mut self.machine;
        let cbar = match bank {
            NESTED => 3 << 16 | 4 << 8 | 2,
            SECOND => 2,
            _ => 1 << 16 | 1,
        };
        machine.w(("CBA2Rn", bank), 1);
        machine.w(("CBARn", bank), cbar);
        if bank == SECOND {
            // PASize 48 bits, from level 1, 39 bits of input.
            machine.w(("CBn_TCR", bank), 5 << 16 | 1 << 6 | 25);
            machine.w64(("CBn_TTBR0", bank), STAGE2);
        } else {
            machine.w(("CBn_TCR2", bank), 5);
            machine.w(("CBn_TCR", bank), 1 << 23 | 16);
            machine.w64(("CBn_TTBR0", bank), STAGE1 | bank << 48);
            let stream = u32::try_from(bank).unwrap_or(0);
            machine.w(("SMRn", bank), 1 << 31 | stream);
            machine.w(("S2CRn", bank), stream);
        }
        machine.w(("CBn_SCTLR", bank), CFIE | 1);
    }

    /// Invalidates an address of stage 1 for every VMID, in one of the ways that software has.
    fn invalidate(&mut self, page: u8, how: u8, last_level: bool) {
        let machine = &mut self.machine;
        let by_address = address(page) >> 12;
        for (bank, vmid) in [(0, 1), (NESTED, 2)] {
            match how % 6 {
                0 if last_level => machine.w64(("CBn_TLBIVAAL", bank), by_address),
                0 | 1 => machine.w64(("CBn_TLBIVAA", bank), by_address),
                2 => machine.w(("CBn_TLBIALL", bank), 0),
                3 => machine.w("TLBIVMID", vmid),
                4 => machine.w("TLBIVMIDS1", vmid),
                // Each ASID by address, which also takes the global entry.
                _ => (0..4).for_each(|asid| machine.w64(("CBn_TLBIVA", bank), by_address | asid << 48)),
            }
        }
        machine.sync();
    }

    /// Invalidates a page of stage 2, and what stage 1 and it made together.
    fn invalidate_stage2(&mut self, page: u8, how: u8) {
        let machine = &mut self.machine;
        match how % 4 {
            0 => machine.w64(("CBn_TLBIIPAS2", SECOND), page.into()),
            1 => machine.w64(("CBn_TLBIIPAS2L", SECOND), page.into()),
            2 => machine.w("TLBIVMID", 2),
            _ => machine.w("TLBIALLNSNH", 0),
        }
        if how % 4 < 2 {
            machine.w("TLBIVMIDS1", 2);
        }
        machine.sync();
    }
}

/// The intermediate address of a page.
fn page_of(page: u8) -> u64 {
    u64::from(page) << 12
}
