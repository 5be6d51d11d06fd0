// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The walks of every format on tables that are built by hand: numbers of the architecture, not the crate's types.

mod attributes;
mod long;
mod nested;
mod permissions;
mod properties;
mod short;
mod update;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use crate::arch::fault::ContextCause;
use crate::spec::cb::Cb;
use crate::spec::gr1::Gr1;
use crate::translate::walk::{Leaf, Physical, Stage2Fault, Stages, WalkFault};
use crate::{BusError, Env, Intent, Line, Memory, Plan, Smmu};

const AF: u64 = 1 << 10;
const USER: u64 = 1 << 6;
/// AF, readable and writable, Normal write-back: a stage 2 page.
const STAGE2: u64 = AF | 3 << 6 | 0xf << 2;
const VA64: u32 = 1;
const READ: Intent = Intent {
    privileged: true,
    write: false,
    instruction: false,
};
const WRITE: Intent = Intent {
    privileged: true,
    write: true,
    instruction: false,
};

/// Walks that leave nothing in the TLB.
impl Smmu {
    fn probe(&self, env: &dyn Env, bank: u8, address: u64, intent: Intent) -> Result<Leaf, WalkFault> {
        let memory = Physical::read_only(env);
        self.translate_in(memory, bank, address, intent, Stages::All, &RefCell::default())
    }

    fn probe_stage1(&self, env: &dyn Env, bank: u8, address: u64, intent: Intent) -> Result<Leaf, WalkFault> {
        let memory = Physical::read_only(env);
        self.translate_in(memory, bank, address, intent, Stages::First, &RefCell::default())
    }

    fn access(&self, env: &dyn Env, bank: u8, address: u64, intent: Intent) -> Result<Leaf, WalkFault> {
        let memory = Physical::updated(env);
        self.translate_in(memory, bank, address, intent, Stages::All, &RefCell::default())
    }
}

/// Memory by words of eight bytes. What nobody wrote is zero; some pages do not answer.
#[derive(Default)]
struct Ram {
    words: RefCell<BTreeMap<u64, u64>>,
    dead: RefCell<BTreeSet<u64>>,
    reads: Cell<u32>,
    /// How many updates find another value.
    races: Cell<u32>,
}

impl Memory for Ram {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        self.reads.set(self.reads.get() + 1);
        if self.dead.borrow().contains(&(address >> 12)) {
            return Err(BusError);
        }
        let at = usize::try_from(address & 7).expect("seven");
        let word = self.get(address).to_le_bytes();
        data.copy_from_slice(&word[at..at + data.len()]);
        Ok(())
    }

    fn compare_exchange(&self, address: u64, old: u64, new: u64) -> Result<u64, BusError> {
        if self.races.get() > 0 {
            self.races.set(self.races.get() - 1);
            return Ok(!old);
        }
        let found = self.get(address);
        if found == old {
            self.set(address, new);
        }
        Ok(found)
    }
}

impl Env for Ram {
    fn now(&self) -> u64 {
        0
    }
    fn set_line(&mut self, _: Line, _: bool) {}
}

impl Ram {
    fn get(&self, address: u64) -> u64 {
        self.words.borrow().get(&(address >> 3)).copied().unwrap_or(0)
    }

    fn set(&self, address: u64, value: u64) {
        self.words.borrow_mut().insert(address >> 3, value);
    }

    fn set32(&self, address: u64, value: u32) {
        let shift = 8 * (address & 4);
        let others = self.get(address) & !(u64::from(u32::MAX) << shift);
        self.set(address, others | u64::from(value) << shift);
    }
}

/// Tables of long descriptors.
struct Tables {
    granule: u32,
    first: u32,
    root: u64,
    next: u64,
}

impl Tables {
    fn new(granule: u32, first: u32, root: u64) -> Self {
        Self {
            granule,
            first,
            root,
            next: root + (16 << granule),
        }
    }

    /// log2 of what an entry of a level covers.
    fn shift(&self, level: u32) -> u32 {
        self.granule + (self.granule - 3) * (3 - level)
    }

    /// The address of an entry; makes the tables above.
    fn entry(&mut self, ram: &Ram, input: u64, level: u32) -> u64 {
        let mut at = self.root + 8 * (input >> self.shift(self.first));
        for below in self.first + 1..=level {
            if ram.get(at) == 0 {
                ram.set(at, self.next | 3);
                self.next += 1 << self.granule;
            }
            let table = ram.get(at) & 0xffff_ffff_ffff >> self.granule << self.granule;
            at = table + 8 * (input >> self.shift(below) & ((1 << (self.granule - 3)) - 1));
        }
        at
    }

    fn map(&mut self, ram: &Ram, input: u64, output: u64, level: u32, attributes: u64) {
        let kind = if level == 3 { 3 } else { 1 };
        let at = self.entry(ram, input, level);
        ram.set(at, output | attributes | kind);
    }
}

/// An SMMU and its memory.
struct Machine {
    smmu: Smmu,
    ram: Ram,
}

impl Machine {
    fn new(more: &str) -> Self {
        let config = toml::from_str(&format!("preset = \"smmuv2-generic\"\n{more}")).expect("it parses");
        Self {
            smmu: Smmu::new(&config, Plan::default()).expect("it is valid"),
            ram: Ram::default(),
        }
    }

    fn set(&mut self, bank: u8, register: Cb, value: u64) {
        self.smmu.registers.set_bank(bank, register, value);
    }

    /// CBAR and CBA2R, and SCTLR.M.
    fn bank(&mut self, bank: u8, cbar: u32, cba2r: u32) {
        let gr1 = &mut self.smmu.registers.gr1;
        gr1.set(Gr1::Cbar, bank.into(), cbar.into());
        gr1.set(Gr1::Cba2r, bank.into(), cba2r.into());
        self.set(bank, Cb::Sctlr, 1);
    }

    /// Bank 1: stage 1 of AArch64, 48 bits, 4 KiB.
    fn stage1(more: &str) -> (Self, Tables) {
        let mut machine = Self::new(more);
        machine.bank(1, 1 << 16 | 0xf300, VA64);
        machine.set(1, Cb::Tcr, 1 << 23 | 16);
        machine.set(1, Cb::Tcr2, 5);
        machine.set(1, Cb::Ttbr0, 0x10_0000);
        machine.set(1, Cb::Mair0, 0xff);
        (machine, Tables::new(12, 0, 0x10_0000))
    }

    /// Bank 2: stage 2 of AArch64, 40 bits, 4 KiB, level 1 with two tables.
    fn stage2(more: &str) -> (Self, Tables) {
        let mut machine = Self::new(more);
        machine.bank(2, 0, VA64);
        machine.set(2, Cb::Tcr, 5 << 16 | 1 << 6 | 24);
        machine.set(2, Cb::Ttbr0, 0x80_0000);
        (machine, Tables::new(12, 1, 0x80_0000))
    }

    fn look(&self, bank: u8, address: u64, intent: Intent) -> Result<Leaf, WalkFault> {
        self.smmu.probe(&self.ram, bank, address, intent)
    }

    /// The output address of a read.
    fn at(&self, bank: u8, address: u64) -> Result<u64, WalkFault> {
        self.look(bank, address, READ).map(|leaf| leaf.address)
    }
}

fn fault(cause: ContextCause, level: u32) -> WalkFault {
    WalkFault::stage1(cause, level)
}

fn fault2(cause: ContextCause, level: u32, ipa: u64, stage1_walk: bool) -> WalkFault {
    WalkFault {
        stage2: Some(Stage2Fault { ipa, stage1_walk }),
        ..fault(cause, level)
    }
}
