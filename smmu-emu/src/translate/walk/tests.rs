// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The walks of every format on tables that are built by hand: numbers of the architecture, not the crate's types.

mod attributes;
mod long;
mod nested;
mod permissions;
mod properties;
mod short;
mod update;

use crate::arch::fault::ContextCause;
use crate::arch::stage::Stage;
use crate::registers::file::Registers;
use crate::spec::cb::Cb;
use crate::spec::gr1::Gr1;
use crate::testing::{Ram, Tables};
use crate::translate::decoded::Decoded;
use crate::translate::translator::Translator;
use crate::translate::walk::leaf::Stage2Fault;
use crate::translate::walk::{Leaf, Physical, Stages, TableRef, Tables as Passed, WalkCache, WalkFault};
use crate::{Config, Geometry, Intent, Memory};

const AF: u64 = Tables::AF;
const USER: u64 = Tables::USER;
const STAGE2: u64 = Tables::STAGE2;
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

/// A cache that holds nothing.
struct NoCache;

impl WalkCache for NoCache {
    fn is_enabled(&self) -> bool {
        false
    }
    fn leaf(&self, _: Stage, _: u64) -> Option<Leaf> {
        None
    }
    fn table(&self, _: Stage, _: u64) -> Option<TableRef> {
        None
    }
    fn fill(&self, _: Stage, _: u64, _: &Leaf, _: &Passed) {}
}

/// Registers and memory.
struct Machine {
    geometry: Geometry,
    registers: Registers,
    ram: Ram,
}

impl Machine {
    fn new(more: &str) -> Self {
        let config: Config =
            toml::from_str(&format!("preset = \"smmuv2-generic\"\n{more}")).expect("it parses");
        let geometry = config.validate().expect("it is valid");
        Self {
            registers: Registers::new(&geometry),
            geometry,
            ram: Ram::zeroed(),
        }
    }

    fn translate(
        &self,
        memory: Physical<'_>,
        bank: u8,
        address: u64,
        intent: Intent,
        stages: Stages,
    ) -> Result<Leaf, WalkFault> {
        let bank = &Decoded::of(&self.registers, &self.geometry, bank, 0);
        let cache = &NoCache;
        Translator { bank, cache, memory }.address(address, intent, stages)
    }

    fn probe(&self, memory: &dyn Memory, bank: u8, address: u64, intent: Intent) -> Result<Leaf, WalkFault> {
        self.translate(Physical::read_only(memory), bank, address, intent, Stages::All)
    }

    fn probe_stage1(&self, bank: u8, address: u64, intent: Intent) -> Result<Leaf, WalkFault> {
        let memory = Physical::read_only(&self.ram);
        self.translate(memory, bank, address, intent, Stages::First)
    }

    fn access(&self, memory: &dyn Memory, bank: u8, address: u64, intent: Intent) -> Result<Leaf, WalkFault> {
        self.translate(Physical::updated(memory), bank, address, intent, Stages::All)
    }

    fn set(&mut self, bank: u8, register: Cb, value: u64) {
        self.registers.set_bank(bank, register, value);
    }

    /// CBAR and CBA2R, and SCTLR.M.
    fn bank(&mut self, bank: u8, cbar: u32, cba2r: u32) {
        let gr1 = &mut self.registers.gr1;
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
        self.probe(&self.ram, bank, address, intent)
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
