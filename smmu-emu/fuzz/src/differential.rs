// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! An SMMU whose software invalidates what it changes cannot be told from one without a TLB.

use smmu_emu::{Response, Transaction};

use super::input::Input;
use super::machine::{BASE, Machine, Outside, intent};

/// What happens next. Pages are numbers of `address`, `how` the way in which software invalidates.
#[derive(Clone, Copy)]
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

/// Stage 1, which all banks share: one table for each level but the last, which has four.
const LAST: [u64; 4] = [0x4000, 0x5000, 0x6000, 0x7000];
/// The tables of level 2 that they hang in, and where.
const ABOVE: [u64; 4] = [0x2000, 0x2008, 0x2010, 0x3000];
/// Stage 2 of bank 4: levels 1 to 3.
const STAGE2: [u64; 3] = [0x8000, 0x9000, 0xa000];
const WORDS: usize = 11 * 512;
/// The bank that is nested, and the one behind it; both have VMID 2.
const NESTED: u64 = 3;
const SECOND: u64 = 4;

/// Four tables of level 3 with four pages each.
fn address(page: u8) -> u64 {
    let (table, index) = (u64::from(page / 4 % 4), u64::from(page % 4));
    (if table == 3 { 1 << 38 } else { table << 21 }) | index << 12
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(choice) = input.u8() else { return };
    let tlb = match choice % 3 {
        0 => "tlb = \"normal\"",
        1 => "tlb = \"strict-stale\"",
        _ => "tlb = \"normal\"\ntlb_entries = 3",
    };
    let (mut oracle, mut subject) = (World::new("tlb = \"off\""), World::new(tlb));
    while let Some(step) = next(&mut input) {
        assert_eq!(oracle.run(step), subject.run(step));
    }
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
struct World(Machine);

impl World {
    fn new(tlb: &str) -> Self {
        let config = format!(
            "preset = \"smmuv2-generic\"\ncontext_banks = 5\nstream_match_groups = 4\nhardware_update = false\n{tlb}"
        );
        let mut machine = Machine::new(&config, "", Outside::new(vec![0; WORDS], false));
        let memory = &machine.outside;
        memory.set_word(BASE, (BASE + 0x1000) | 3);
        memory.set_word(BASE + 0x1000, (BASE + 0x2000) | 3);
        // 256 GiB.
        memory.set_word(BASE + 0x1800, (BASE + 0x3000) | 3);
        for (above, table) in ABOVE.into_iter().zip(LAST) {
            memory.set_word(BASE + above, (BASE + table) | 3);
        }
        for page in 0..16 {
            memory.set_word(entry(page), u64::from(page) << 12 | 1 << 10 | 1 << 6 | 3);
            // AF, S2AP, MemAttr.
            memory.set_word(
                BASE + STAGE2[2] + 8 * u64::from(page),
                (0x10_0000 + (u64::from(page) << 12)) | 0x7fc | 3,
            );
        }
        // The tables of stage 1 are in the gigabyte that maps to itself.
        memory.set_word(BASE + STAGE2[0] + 16, 0x8000_0000 | 0x7fc | 1);
        memory.set_word(BASE + STAGE2[0], (BASE + STAGE2[1]) | 3);
        memory.set_word(BASE + STAGE2[1], (BASE + STAGE2[2]) | 3);
        let gr1 = machine.at(1, 0);
        for bank in 0..5_u64 {
            let cbar = match bank {
                NESTED => 3 << 16 | 4 << 8 | 2,
                SECOND => 2,
                _ => 1 << 16 | 1,
            };
            machine.w(gr1 + 0x800 + 4 * bank, 1);
            machine.w(gr1 + 4 * bank, cbar);
            let (tcr2, tcr, ttbr, sctlr) = (
                machine.bank(bank, 0x10),
                machine.bank(bank, 0x30),
                machine.bank(bank, 0x20),
                machine.bank(bank, 0),
            );
            if bank == SECOND {
                // PASize 48 bits, from level 1, 39 bits of input.
                machine.w(tcr, 5 << 16 | 1 << 6 | 25);
                machine.w64(ttbr, BASE + STAGE2[0]);
            } else {
                machine.w(tcr2, 5);
                machine.w(tcr, 1 << 23 | 16);
                machine.w64(ttbr, BASE | bank << 48);
                let stream = u32::try_from(bank).unwrap_or(0);
                machine.w(0x800 + 4 * bank, 1 << 31 | stream);
                machine.w(0xc00 + 4 * bank, stream);
            }
            machine.w(sctlr, 1);
        }
        machine.w(0, 0);
        for stream_id in 0..4 {
            let first = Transaction {
                stream_id,
                ..Transaction::default()
            };
            let looked = machine.smmu.lock().translate(&machine.outside, &first);
            assert!(looked.is_ok(), "stream {stream_id}: {looked:?}");
        }
        Self(machine)
    }

    fn run(&mut self, step: Step) -> Option<(Response, [u32; 2])> {
        match step {
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
                let response = self.0.transact(&transaction);
                let faults = [u64::from(stream), SECOND].map(|bank| {
                    let fsr = self.0.bank(bank, 0x58);
                    let value = self.0.r(fsr);
                    self.0.w(fsr, u32::MAX);
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
                let to = (bits & 0xf) << 12 | attributes | 3;
                let value = if bits & 0x60 == 0 { 0 } else { to };
                self.0.outside.set_word(entry(page), value);
                self.invalidate(page, how, true);
            }
            Step::Table { page, how } => {
                let above = BASE + ABOVE[usize::from(page / 4)];
                let word = self.0.outside.word(above);
                self.0.outside.set_word(above, word ^ 1);
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
                let to = (bits & 0xf) << 20 | (bits >> 4 & 3) << 6 | 0x43c | 3;
                let value = if bits & 0xc0 == 0 { 0 } else { to };
                self.0
                    .outside
                    .set_word(BASE + STAGE2[2] + 8 * u64::from(page), value);
                self.invalidate_stage2(page, how);
            }
            Step::Asid { bank, asid } => {
                let ttbr = self.0.bank(bank.into(), 0x20);
                self.0.w64(ttbr, BASE | u64::from(asid) << 48);
            }
            Step::Toggle { bank } => {
                let sctlr = self.0.bank(bank.into(), 0);
                let value = self.0.r(sctlr) ^ 1;
                self.0.w(sctlr, value);
            }
            Step::Idle { page, how } => {
                self.invalidate(page, how, false);
                self.invalidate_stage2(page, how);
            }
        }
        None
    }

    /// Invalidates an address of stage 1 for every VMID, in one of the ways that software has.
    fn invalidate(&mut self, page: u8, how: u8, last_level: bool) {
        let by_address = address(page) >> 12;
        for (bank, vmid) in [(0, 1), (NESTED, 2)] {
            let at = |register| self.0.bank(bank, register);
            let (va, vaa, vaal, all) = (at(0x600), at(0x608), at(0x628), at(0x618));
            match how % 6 {
                0 if last_level => self.0.w64(vaal, by_address),
                0 | 1 => self.0.w64(vaa, by_address),
                2 => self.0.w(all, 0),
                3 => self.0.w(0x64, vmid),
                4 => self.0.w(0xb8, vmid),
                // Each ASID by address, which also takes the global entry.
                _ => (0..4).for_each(|asid| self.0.w64(va, by_address | asid << 48)),
            }
        }
        self.sync();
    }

    /// The same for a page of stage 2, and for what stage 1 and it made together.
    fn invalidate_stage2(&mut self, page: u8, how: u8) {
        let (ipa, last) = (self.0.bank(SECOND, 0x630), self.0.bank(SECOND, 0x638));
        match how % 4 {
            0 => self.0.w64(ipa, page.into()),
            1 => self.0.w64(last, page.into()),
            2 => self.0.w(0x64, 2),
            _ => self.0.w(0x68, 0),
        }
        if how % 4 < 2 {
            self.0.w(0xb8, 2);
        }
        self.sync();
    }

    fn sync(&mut self) {
        self.0.w(0x70, 0);
        assert_eq!(self.0.r(0x74), 0);
    }
}

/// Where the descriptor of a page of stage 1 is.
fn entry(page: u8) -> u64 {
    BASE + LAST[usize::from(page / 4 % 4)] + 8 * u64::from(page % 4)
}
