// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The register block: what software sees of the engine, and what it asks for.
//!
//! It never waits for the engine, which may be in the middle of an access that an SMMU holds back. Software sees the
//! threads as the engine last [published](Registers::publish) them; events and interrupts live here.

use arbitrary_int::u2;
use smmu_emu::regs::AccessRule;

use super::config::Config;
use super::engine::{Engine, View};
use super::events::EventRegisters;
use super::spec::{DBGCMD_EXECUTE, Register, find};

/// Action that a write asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// The engine has something to look at.
    pub wake: bool,
    /// An interrupt output went high.
    pub interrupt: bool,
}

/// The register block.
#[derive(Clone, Debug)]
pub struct Registers {
    config: Config,
    /// `INTEN` and what belongs to it.
    pub events: EventRegisters,
    view: View,
    debug_instruction: [u32; 2],
    /// The instruction that waits for the engine.
    debug: Option<[u32; 2]>,
    /// `DBGSTATUS`: the engine has not done it.
    debug_busy: bool,
    lock_up_only_interrupts: bool,
}

impl Registers {
    /// The block after reset.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            view: Engine::new(config.clone()).view(),
            config,
            events: EventRegisters::default(),
            debug_instruction: [0; 2],
            debug: None,
            debug_busy: false,
            lock_up_only_interrupts: false,
        }
    }

    /// Puts the block into its state after reset.
    pub fn reset(&mut self) {
        *self = Self::new(self.config.clone());
    }

    /// `WD.wd_irq_only`.
    #[must_use]
    pub fn lock_up_only_interrupts(&self) -> bool {
        self.lock_up_only_interrupts
    }

    /// The debug instruction that the engine is to execute. `DBGSTATUS` is busy until it [publishes](Self::publish) the
    /// outcome.
    pub fn take_debug(&mut self) -> Option<[u32; 2]> {
        self.debug.take()
    }

    /// Shows software what became of the threads.
    pub fn publish(&mut self, view: View) {
        self.view = view;
        self.debug_busy = self.debug.is_some();
    }

    /// Reads the block. Registers have 32 bits: other widths, and offsets without a register, read as zero.
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        let value = find(offset)
            .filter(|(row, _)| data.len() == 4 && row.access != AccessRule::Wo)
            .map_or(0, |(row, index)| self.value(row.register, index as usize));
        data.fill(0);
        for (byte, from) in data.iter_mut().zip(value.to_le_bytes()) {
            *byte = from;
        }
    }

    fn value(&self, register: Register, index: usize) -> u32 {
        let view = &self.view;
        let channel = view.channels.get(index).unwrap_or(&view.channels[0]);
        if is_of_a_channel(register) && index >= self.config.channels() {
            return 0;
        }
        match register {
            Register::Dsr => view.manager_status.raw_value(),
            // It has executed nothing but debug instructions.
            Register::Dpc => 0,
            Register::Inten => self.events.interrupts(),
            Register::IntEventRis => self.events.active(),
            Register::Intmis => self.events.outputs(),
            Register::Fsrd => u32::from(!view.manager_faults.is_empty()),
            Register::Fsrc => (view.channels.iter().enumerate())
                .map(|(n, channel)| u32::from(!channel.faults.is_empty()) << n)
                .sum(),
            Register::Ftrd => view.manager_faults.bits(),
            Register::Ftr => channel.faults.bits(),
            Register::Csr => channel.status.raw_value(),
            Register::Cpc => channel.pc,
            Register::Sar => channel.source,
            Register::Dar => channel.destination,
            Register::Ccr => channel.control,
            Register::Lc0 => channel.counters[0].into(),
            Register::Lc1 => channel.counters[1].into(),
            Register::Dbgstatus => self.debug_busy.into(),
            Register::Wd => self.lock_up_only_interrupts.into(),
            Register::Intclr | Register::Dbgcmd | Register::Dbginst0 | Register::Dbginst1 => 0,
            Register::Cr0
            | Register::Cr1
            | Register::Cr2
            | Register::Cr3
            | Register::Cr4
            | Register::Crd
            | Register::PeriphId
            | Register::PcellId => self.config.identification(register, index),
        }
    }

    /// Writes the block. What is not a whole register that can be written is ignored.
    pub fn write(&mut self, offset: u64, data: &[u8]) -> Effect {
        let Ok(value) = <[u8; 4]>::try_from(data).map(u32::from_le_bytes) else {
            return Effect::default();
        };
        let Some((row, _)) = find(offset).filter(|(row, _)| row.access != AccessRule::Ro) else {
            return Effect::default();
        };
        let outputs = self.events.outputs();
        let wake = self.store(row.register, value & row.write);
        Effect {
            wake,
            interrupt: self.events.outputs() & !outputs != 0,
        }
    }

    /// Stores what may be written. Returns whether the engine has to look.
    fn store(&mut self, register: Register, value: u32) -> bool {
        match register {
            Register::Inten => self.events.set_interrupts(value & self.config.event_bits()),
            Register::Intclr => self.events.clear(value),
            Register::Dbginst0 => self.debug_instruction[0] = value,
            Register::Dbginst1 => self.debug_instruction[1] = value,
            Register::Wd => self.lock_up_only_interrupts = value != 0,
            // A second one while one is under way is lost.
            Register::Dbgcmd if u2::extract_u32(value, 0) == DBGCMD_EXECUTE && !self.debug_busy => {
                self.debug = Some(self.debug_instruction);
                self.debug_busy = true;
            }
            _ => {}
        }
        matches!(register, Register::Inten | Register::Dbgcmd | Register::Wd)
    }
}

fn is_of_a_channel(register: Register) -> bool {
    use Register::{Ccr, Cpc, Csr, Dar, Ftr, Lc0, Lc1, Sar};
    matches!(register, Ftr | Csr | Cpc | Sar | Dar | Ccr | Lc0 | Lc1)
}

#[cfg(test)]
mod tests;
