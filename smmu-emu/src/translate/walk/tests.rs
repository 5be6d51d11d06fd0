// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The walks of every format on tables that are built by hand: numbers of the architecture, not the crate's types.

mod attributes;
mod long;
mod nested;
mod permissions;
mod properties;
mod short;
mod update;

use std::cell::RefCell;

use crate::arch::fault::ContextCause;
use crate::spec::cb::Cb;
use crate::spec::gr1::Gr1;
use crate::testing::{Ram, Tables};
use crate::translate::walk::leaf::Stage2Fault;
use crate::translate::walk::{Leaf, Physical, Stages, WalkFault};
use crate::{Intent, Memory, Plan, Smmu};

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

/// Walks that leave nothing in the TLB.
impl Smmu {
    fn probe(&self, memory: &dyn Memory, bank: u8, address: u64, intent: Intent) -> Result<Leaf, WalkFault> {
        let memory = Physical::read_only(memory);
        self.translate_in(memory, bank, address, intent, Stages::All, &RefCell::default())
    }

    fn probe_stage1(
        &self,
        memory: &dyn Memory,
        bank: u8,
        address: u64,
        intent: Intent,
    ) -> Result<Leaf, WalkFault> {
        let memory = Physical::read_only(memory);
        self.translate_in(memory, bank, address, intent, Stages::First, &RefCell::default())
    }

    fn access(&self, memory: &dyn Memory, bank: u8, address: u64, intent: Intent) -> Result<Leaf, WalkFault> {
        let memory = Physical::updated(memory);
        self.translate_in(memory, bank, address, intent, Stages::All, &RefCell::default())
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
            ram: Ram::zeroed(),
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
