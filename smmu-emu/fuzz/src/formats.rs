// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! As `differential`, for banks of every kind with tables of every format: stage 2 alone, nested, short descriptors, sections
//! and blocks as well as pages. Streams have 16-bit IDs and groups of the extended pages, which change too; accesses go through
//! a unit with translations of its own or directly, and through address translation operations.

use smmu_emu::{Response, Transaction};

mod step;
mod tables;

use step::{Step, next};
use tables::{Format, LONG, SHORT, STAGE2, Tables, WORDS, address};

use super::input::Input;
use super::machine::{BASE, Machine, Outside, intent};

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

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(choice) = input.u8() else { return };
    let tlb = match choice % 3 {
        0 => "tlb = \"normal\"",
        1 => "tlb = \"strict-stale\"",
        _ => "tlb = \"normal\"\ntlb_entries = 4",
    };
    let (mut oracle, mut subject) = (World::new("tlb = \"off\""), World::new(tlb));
    while let Some(step) = next(&mut input) {
        assert_eq!(oracle.run(&step), subject.run(&step));
    }
}

fn stream_id(stream: u8) -> u16 {
    0x8000 | u16::from(stream) << 4
}

struct World(Machine);

/// What an access does, FSR and FSYNR0 of every bank, sGFSR; or PAR.
type Outcome = (Option<Response>, Vec<u32>, u64);

impl World {
    fn new(tlb: &str) -> Self {
        let config = format!(
            "preset = \"smmuv2-generic\"\ncontext_banks = 6\nstream_match_groups = 3\nextended_stream_match_groups = 40\nhardware_update = false\n\
             extended_stream_ids = true\n{tlb}"
        );
        let mut world = Self(Machine::new(&config, "", Outside::new(vec![0; WORDS], false)));
        for base in [BASE + LONG, BASE + STAGE2] {
            world.0.outside.set_word(base, (base + 0x1000) | 3);
            world.0.outside.set_word(base + 24, (base + 0x2000) | 3);
        }
        // The tables of stage 1 are in the gigabyte that stage 2 maps to itself.
        world
            .0
            .outside
            .set_word(BASE + STAGE2 + 16, 0x8000_0000 | 0x7fc | 1);
        // Not global; readable and writable.
        for (format, descriptor) in [
            (Format::Long, 0xea),
            (Format::Stage2, 0xfa),
            (Format::Short, 0xf2),
        ] {
            for page in 0..16 {
                world.tables().table(format, page);
                world.tables().leaf(format, page, descriptor);
            }
        }
        // sCR2.EXSMRGENABLE.
        world.0.w(0x8, 1 << 31);
        for number in 0..6 {
            world.configure(number);
        }
        // SMCFCFG, USFCFG, EXIDENABLE.
        world.0.w(0, 1 << 21 | 1 << 10 | 1 << 3);
        for stream in 0..6 {
            let first = Transaction {
                stream_id: stream_id(stream),
                ..Transaction::default()
            };
            let looked = world.0.smmu.lock().translate(&world.0.outside, &first);
            assert!(looked.is_ok(), "stream {stream}: {looked:?}");
        }
        world
    }

    fn tables(&self) -> Tables<'_> {
        Tables(&self.0.outside)
    }

    fn configure(&mut self, number: u8) {
        let Bank {
            format,
            cbar,
            vmid,
            aarch64,
            ..
        } = BANKS[usize::from(number)];
        let gr1 = self.0.at(1, 0);
        let at = u64::from(number);
        self.0.w(gr1 + 0x800 + 4 * at, aarch64.into());
        self.0.w(gr1 + 4 * at, cbar | vmid);
        let register = |register| self.0.bank(at, register);
        let (tcr2, tcr, sctlr) = (register(0x10), register(0x30), register(0));
        // 32 bits of input, from level 1 on, as much output as there is.
        let value = match (format, aarch64) {
            (Format::Long, true) => 1 << 23 | 32,
            (Format::Long, false) => 1 << 31,
            (Format::Stage2, true) => 5 << 16 | 1 << 6 | 32,
            (Format::Stage2, false) => 1 << 6,
            (Format::Short, _) => 0,
        };
        if format != Format::Stage2 {
            self.0.w(tcr2, 5);
        }
        self.0.w(tcr, value);
        self.asid(number, 1);
        self.0.w(sctlr, 1);
        self.stream(number, 0);
        self.mask(number, 0);
    }

    fn asid(&mut self, number: u8, asid: u8) {
        let (ttbr, contextidr) = (self.0.bank(number.into(), 0x20), self.0.bank(number.into(), 0x34));
        match BANKS[usize::from(number)].format {
            Format::Stage2 => self.0.w64(ttbr, BASE + STAGE2),
            Format::Long => self.0.w64(ttbr, (BASE + LONG) | u64::from(asid) << 48),
            Format::Short => {
                self.0.w(ttbr, u32::try_from(BASE + SHORT).unwrap_or(0));
                self.0.w(contextidr, asid.into());
            }
        }
    }

    /// Register of a stream's group, in GR0 if it is there and in the extended pages otherwise.
    fn group(&self, stream: u8, gr0: u64, page: u64) -> u64 {
        match BANKS[usize::from(stream)].group {
            group @ 0..=2 => gr0 + 4 * group,
            group => self.0.at(page, 4 * group),
        }
    }

    fn stream(&mut self, stream: u8, choice: u8) {
        let at = self.group(stream, 0xc00, 7);
        let value = match choice % 8 {
            // Bypass and fault; the next bank.
            5 => 1 << 16,
            6 => 2 << 16,
            7 => u32::from(stream + 1) % 6,
            _ => stream.into(),
        };
        // EXIDVALID.
        self.0.w(at, 1 << 10 | value);
    }

    fn mask(&mut self, stream: u8, choice: u8) {
        let at = self.group(stream, 0x800, 6);
        let mask = if choice % 8 == 7 { 0x1f } else { 0xf };
        self.0.w(at, mask << 16 | u32::from(stream_id(stream)));
    }

    fn run(&mut self, step: &Step) -> Option<Outcome> {
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
                    self.0.transact_through_tbu(&transaction)
                } else {
                    self.0.transact(&transaction)
                };
                return Some((Some(response), self.faults(), 0));
            }
            Step::Operation { bank, page, which } => {
                let at = |register| self.0.bank(bank.into(), register);
                let (operation, low, high) = (at(0x800 + 8 * u64::from(which)), at(0x50), at(0x54));
                self.0.w64(operation, address(page));
                let par = u64::from(self.0.r(high)) << 32 | u64::from(self.0.r(low));
                return Some((None, self.faults(), par));
            }
            Step::Leaf {
                format,
                page,
                descriptor,
                how,
            } => {
                self.tables().leaf(format, page, descriptor);
                self.invalidate(format, page, how, true);
            }
            Step::Above {
                format,
                page,
                descriptor,
                how,
            } => {
                self.tables().above(format, page, descriptor);
                for below in page / 4 * 4..page / 4 * 4 + 4 {
                    self.invalidate(format, below, how, false);
                }
            }
            Step::Asid { bank, asid } => self.asid(bank, asid),
            Step::Stream { stream, choice } => self.stream(stream, choice),
            Step::Mask { stream, choice } => self.mask(stream, choice),
            Step::Toggle { bank } => {
                let sctlr = self.0.bank(bank.into(), 0);
                let value = self.0.r(sctlr) ^ 1;
                self.0.w(sctlr, value);
            }
        }
        None
    }

    /// Reads and clears what is recorded.
    fn faults(&mut self) -> Vec<u32> {
        let mut all = vec![self.0.r(0x48)];
        self.0.w(0x48, u32::MAX);
        for bank in 0..6 {
            let (status, syndrome) = (self.0.bank(bank, 0x58), self.0.bank(bank, 0x68));
            let fsr = self.0.r(status);
            // What an earlier fault left is no part of this one.
            let fsynr0 = if fsr & 0x1fe == 0 { 0 } else { self.0.r(syndrome) };
            all.extend([fsr, fsynr0]);
            self.0.w(status, u32::MAX);
        }
        all
    }

    /// Invalidates an address in every bank that has the tables, in one of the ways that software has.
    fn invalidate(&mut self, format: Format, page: u8, how: u8, last_level: bool) {
        for (number, bank) in (0..).zip(&BANKS).filter(|(_, bank)| bank.format == format) {
            let at = |register| self.0.bank(number, register);
            if format == Format::Stage2 {
                let (ipa, last) = (at(0x630), at(0x638));
                match how % 4 {
                    0 if last_level => self.by_address(last, bank, address(page) >> 12),
                    0 | 1 => self.by_address(ipa, bank, address(page) >> 12),
                    2 => self.0.w(0x64, bank.vmid),
                    _ => self.0.w(0x68, 0),
                }
                // What both stages made together may outlive an operation by address.
                if how % 4 < 2 {
                    self.0.w(0xb8, bank.vmid);
                }
                continue;
            }
            let (va, val, vaa, vaal, all) = (at(0x600), at(0x620), at(0x608), at(0x628), at(0x618));
            let (value, shift) = if bank.aarch64 {
                (address(page) >> 12, 48)
            } else {
                (address(page), 0)
            };
            match how % 6 {
                0 if last_level => self.by_address(vaal, bank, value),
                0 | 1 => self.by_address(vaa, bank, value),
                2 => self.0.w(all, 0),
                3 => self.0.w(0x64, bank.vmid),
                4 => self.0.w(0xb8, bank.vmid),
                // Each ASID by address, which also takes what is global.
                _ => {
                    let register = if last_level && how & 8 != 0 { val } else { va };
                    (0..3).for_each(|asid| self.by_address(register, bank, value | asid << shift));
                }
            }
        }
        self.0.w(0x70, 0);
        assert_eq!(self.0.r(0x74), 0);
    }

    /// AArch32 software writes the low half.
    fn by_address(&mut self, register: u64, bank: &Bank, value: u64) {
        if bank.aarch64 {
            self.0.w64(register, value);
        } else {
            self.0.w(register, u32::try_from(value).unwrap_or(0));
        }
    }
}
