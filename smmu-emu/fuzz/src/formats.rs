// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! As `differential`, for banks of every kind with tables of every format: stage 2 alone, nested, short descriptors,
//! sections and blocks as well as pages. Streams have 16-bit IDs and groups of the extended pages, which change too;
//! accesses go through a unit with translations of its own or directly, and through address translation operations.

use std::cell::RefCell;

use smmu_emu::testing::{High, Ram};
use smmu_emu::{Response, Transaction};

mod step;
mod tables;

use step::{Step, next};
use tables::{AllTables, Format, LONG, SHORT, STAGE2, address};

use super::input::Input;
use super::machine::{Machine, intent};
use super::pair::{self, World};
use super::rules::Names;

/// A context bank, and what its stream has. VMIDs differ where tables do.
struct Bank {
    format: Format,
    /// TYPE and CBNDX.
    cbar: u32,
    vmid: u32,
    aarch64: bool,
    /// The stream matching group: GR0 has three.
    group: u64,
}

const fn bank(format: Format, cbar: u32, vmid: u32, aarch64: bool, group: u64) -> Bank {
    Bank {
        format,
        cbar,
        vmid,
        aarch64,
        group,
    }
}

const BANKS: [Bank; 6] = [
    bank(Format::Stage2, 0, 1, true, 0),
    bank(Format::Stage2, 0, 2, false, 39),
    // Behind bank 0 and bank 1.
    bank(Format::Long, 3 << 16, 1, true, 17),
    bank(Format::Short, 3 << 16 | 1 << 8, 2, false, 2),
    // Stage 2 bypassed.
    bank(Format::Short, 1 << 16, 3, false, 38),
    bank(Format::Long, 1 << 16, 4, false, 1),
];

/// SCTLR.CFIE.
const CFIE: u32 = 1 << 6;

/// Runs one input.
pub fn run(data: &[u8]) {
    pair::run::<Formats>("formats", data, 4);
}

fn stream_id(stream: u8) -> u16 {
    0x8000 | u16::from(stream) << 4
}

struct Formats {
    machine: Machine,
    tables: AllTables,
    /// SCTLR.M of each bank.
    on: [bool; 6],
}

/// Outcome of an access, FSR and FSYNR0 of every bank, sGFSR; or PAR.
type Outcome = (Option<Response>, Vec<u32>, u64);

impl World for Formats {
    type Step = Step;
    type Outcome = Option<Outcome>;

    fn new(tlb: &str) -> Self {
        let config = format!(
            "preset = \"smmuv2-generic\"\ncontext_banks = 6\nstream_match_groups = 3\n\
             extended_stream_match_groups = 40\nhardware_update = false\n\
             extended_stream_ids = true\n{tlb}"
        );
        let ram = Ram::new();
        let mut world = Self {
            tables: AllTables::new(&ram),
            machine: Machine::new(&config, ram),
            on: [true; 6],
        };
        // EXSMRGENABLE.
        world.machine.w("sCR2", 1 << 31);
        for number in 0..6 {
            world.configure(number);
        }
        // SMCFCFG, USFCFG, EXIDENABLE, GFIE.
        world.machine.w("sCR0", 1 << 21 | 1 << 10 | 1 << 3 | 1 << 2);
        for stream in 0..6 {
            let first = Transaction {
                stream_id: stream_id(stream),
                ..Transaction::default()
            };
            let looked = world.machine.smmu.lock().translate(&world.machine.host, &first);
            assert!(looked.is_ok(), "stream {stream}: {looked:?}");
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
        self.machine.w("sGFSR", u32::MAX);
        for bank in 0..6 {
            self.machine.w(("CBn_FSR", bank), u32::MAX);
        }
    }

    fn with_names<R>(&self, with: impl FnOnce(Names<'_>) -> R) -> R {
        let ram = self.machine.host.memory.clone();
        let tables = RefCell::new(self.tables.clone());
        let format = |n: u8| match n >> 6 {
            0 => Format::Long,
            1 => Format::Short,
            _ => Format::Stage2,
        };
        with(Names {
            address: &|n| address(n % 16),
            stream: &|n| stream_id(n % 6),
            descriptor: &|n| {
                let above = u32::from(n >> 4 & 3);
                tables.borrow_mut().descriptor(&ram, format(n), n % 16, above)
            },
        })
    }

    fn run(&mut self, step: &Step) -> Option<Outcome> {
        let machine = &mut self.machine;
        match *step {
            Step::Access {
                stream,
                page,
                intent: bits,
                through_tbu,
            } => {
                let transaction = Transaction {
                    stream_id: stream_id(stream) | u16::from(page & 3),
                    address: address(page) + 0x120,
                    intent: intent(bits),
                };
                let response = if through_tbu {
                    machine.transact_through_tbu(&transaction)
                } else {
                    machine.transact(&transaction)
                };
                return Some((Some(response), self.faults(), 0));
            }
            Step::Operation { bank, page, which } => {
                let operations = ["CBn_ATS1PR", "CBn_ATS1PW", "CBn_ATS1UR", "CBn_ATS1UW"];
                let bank = u64::from(bank);
                machine.w64((operations[usize::from(which)], bank), address(page));
                let (high, low) = (machine.r(High(("CBn_PAR", bank))), machine.r(("CBn_PAR", bank)));
                let par = u64::from(high) << 32 | u64::from(low);
                return Some((None, self.faults(), par));
            }
            Step::Leaf {
                format,
                page,
                descriptor,
                how,
            } => {
                self.tables.leaf(&machine.host.memory, format, page, descriptor);
                self.invalidate(format, page, how, true);
            }
            Step::Above {
                format,
                page,
                descriptor,
                how,
            } => {
                self.tables.above(&machine.host.memory, format, page, descriptor);
                for below in page / 4 * 4..page / 4 * 4 + 4 {
                    self.invalidate(format, below, how, false);
                }
            }
            Step::Asid { bank, asid } => self.asid(bank, asid),
            Step::Stream { stream, choice } => self.stream(stream, choice),
            Step::Mask { stream, choice } => self.mask(stream, choice),
            Step::Toggle { bank } => {
                let on = &mut self.on[usize::from(bank)];
                *on = !*on;
                machine.w(("CBn_SCTLR", bank.into()), CFIE | u32::from(*on));
            }
        }
        None
    }
}

impl Formats {
    fn configure(&mut self, number: u8) {
        let Bank {
            format,
            cbar,
            vmid,
            aarch64,
            ..
        } = BANKS[usize::from(number)];
        let bank = u64::from(number);
        self.machine.w(("CBA2Rn", bank), aarch64.into());
        self.machine.w(("CBARn", bank), cbar | vmid);
        // 32 bits of input, from level 1 on, as much output as there is.
        let value = match (format, aarch64) {
            (Format::Long, true) => 1 << 23 | 32,
            (Format::Long, false) => 1 << 31,
            (Format::Stage2, true) => 5 << 16 | 1 << 6 | 32,
            (Format::Stage2, false) => 1 << 6,
            (Format::Short, _) => 0,
        };
        if format != Format::Stage2 {
            self.machine.w(("CBn_TCR2", bank), 5);
        }
        self.machine.w(("CBn_TCR", bank), value);
        self.asid(number, 1);
        self.machine.w(("CBn_SCTLR", bank), CFIE | 1);
        self.stream(number, 0);
        self.mask(number, 0);
    }

    fn asid(&mut self, number: u8, asid: u8) {
        let bank = u64::from(number);
        match BANKS[usize::from(number)].format {
            Format::Stage2 => self.machine.w64(("CBn_TTBR0", bank), STAGE2),
            Format::Long => self
                .machine
                .w64(("CBn_TTBR0", bank), LONG | u64::from(asid) << 48),
            Format::Short => {
                self.machine
                    .w(("CBn_TTBR0", bank), u32::try_from(SHORT).unwrap_or(0));
                self.machine.w(("CBn_CONTEXTIDR", bank), asid.into());
            }
        }
    }

    /// Writes a register of a stream's group, in GR0 if it is there and in the extended pages otherwise.
    fn set_group(&mut self, stream: u8, gr0: &str, extended: &str, value: u32) {
        let group = BANKS[usize::from(stream)].group;
        self.machine
            .w((if group < 3 { gr0 } else { extended }, group), value);
    }

    fn stream(&mut self, stream: u8, choice: u8) {
        let value = match choice % 8 {
            // Bypass and fault; the next bank.
            5 => 1 << 16,
            6 => 2 << 16,
            7 => u32::from(stream + 1) % 6,
            _ => stream.into(),
        };
        // EXIDVALID.
        self.set_group(stream, "S2CRn", "EXS2CRn", 1 << 10 | value);
    }

    fn mask(&mut self, stream: u8, choice: u8) {
        let mask = if choice % 8 == 7 { 0x1f } else { 0xf };
        let value = mask << 16 | u32::from(stream_id(stream));
        self.set_group(stream, "SMRn", "EXSMRn", value);
    }

    /// Reads and clears what is recorded.
    fn faults(&mut self) -> Vec<u32> {
        let machine = &mut self.machine;
        let mut all = vec![machine.r("sGFSR")];
        machine.w("sGFSR", u32::MAX);
        for bank in 0..6 {
            let fsr = machine.r(("CBn_FSR", bank));
            // What an earlier fault left is no part of this one.
            let fsynr0 = if fsr & 0x1fe == 0 {
                0
            } else {
                machine.r(("CBn_FSYNR0", bank))
            };
            all.extend([fsr, fsynr0]);
            machine.w(("CBn_FSR", bank), u32::MAX);
        }
        all
    }

    /// Invalidates an address in every bank that has the tables, in one of the ways that software has.
    fn invalidate(&mut self, format: Format, page: u8, how: u8, last_level: bool) {
        for (number, bank) in (0..).zip(&BANKS).filter(|(_, bank)| bank.format == format) {
            let machine = &mut self.machine;
            if format == Format::Stage2 {
                match how % 4 {
                    0 if last_level => {
                        by_address(machine, ("CBn_TLBIIPAS2L", number), bank, address(page) >> 12)
                    }
                    0 | 1 => by_address(machine, ("CBn_TLBIIPAS2", number), bank, address(page) >> 12),
                    2 => machine.w("TLBIVMID", bank.vmid),
                    _ => machine.w("TLBIALLNSNH", 0),
                }
                // What both stages made together may outlive an operation by address.
                if how % 4 < 2 {
                    machine.w("TLBIVMIDS1", bank.vmid);
                }
                continue;
            }
            let (value, shift) = if bank.aarch64 {
                (address(page) >> 12, 48)
            } else {
                (address(page), 0)
            };
            match how % 6 {
                0 if last_level => by_address(machine, ("CBn_TLBIVAAL", number), bank, value),
                0 | 1 => by_address(machine, ("CBn_TLBIVAA", number), bank, value),
                2 => machine.w(("CBn_TLBIALL", number), 0),
                3 => machine.w("TLBIVMID", bank.vmid),
                4 => machine.w("TLBIVMIDS1", bank.vmid),
                // Each ASID by address, which also takes what is global.
                _ => {
                    let register = if last_level && how & 8 != 0 {
                        "CBn_TLBIVAL"
                    } else {
                        "CBn_TLBIVA"
                    };
                    (0..3).for_each(|asid| {
                        by_address(machine, (register, number), bank, value | asid << shift)
                    });
                }
            }
        }
        self.machine.sync();
    }
}

/// AArch32 software writes the low half.
fn by_address(machine: &mut Machine, register: (&str, u64), bank: &Bank, value: u64) {
    if bank.aarch64 {
        machine.w64(register, value);
    } else {
        machine.w(register, u32::try_from(value).unwrap_or(0));
    }
}
