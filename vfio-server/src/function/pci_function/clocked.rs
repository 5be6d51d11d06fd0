// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The clock controller before the registers of a function.

use serde_json::json;
use smmu_emu::Frame;

use super::{Function, config_space};
use crate::config::ClockConfig;
use crate::dma::BLOCK_SIZE;
use crate::function::clock::{Change, ClockController};
use crate::function::marks::MARKS_SIZE;
use crate::host::events::Event;

impl Function {
    /// Puts a clock controller before the registers, or takes it away, before a client is there.
    pub fn set_clock(&mut self, clock: Option<ClockConfig>) {
        self.clock = clock.map(ClockController::new);
        self.config = config_space(self.register_space, self.blocks_size(), &self.host);
    }

    /// The clock controller.
    #[must_use]
    pub fn clock(&self) -> Option<&ClockController> {
        self.clock.as_ref()
    }

    /// Changes the clock controller, if there is one.
    pub fn change_clock(&mut self, change: Change) -> Option<()> {
        let now = self.host.run().now();
        let loses = self.clock.as_mut()?.change(now, change);
        self.lose_registers(loses);
        Some(())
    }

    /// Whether an access reaches the SMMU's registers. With the clock off it does not, and counts as a violation.
    pub(super) fn is_clocked(&mut self, offset: u64, write: bool) -> bool {
        let Some(clock) = &mut self.clock else {
            return true;
        };
        let (reaches, tell) = clock.admit(self.host.run().now());
        if tell {
            let (smmu, count) = (self.host.name(), clock.violations());
            let name = self.smmu.lock().name_at(offset);
            let register = match name {
                Some((Frame::Context(bank), name, _)) => format!("{name} of bank {bank}"),
                Some((_, name, 0)) => name.to_owned(),
                Some((_, name, index)) => format!("{name} {index}"),
                None => format!("offset {offset:#x}"),
            };
            let access = if write { "a write" } else { "a read" };
            tracing::warn!(smmu, count, "{access} of {register} without the SMMU's clock");
            self.host.run().emit(|| {
                let (register, index) = name.map(|(_, name, index)| (name, index)).unzip();
                let data = json!({
                    "smmu": smmu, "offset": offset, "register": register, "index": index, "write": write,
                    "count": count,
                });
                Event::new("CLOCK_VIOLATION", data)
            });
        }
        reaches
    }

    /// The offset in the clock controller's block, of an offset in BAR2.
    pub(super) fn in_clock(&self, offset: u64) -> Option<u64> {
        self.clock.as_ref()?;
        let blocks = self.dma_devices.all().iter();
        let first = blocks.fold(MARKS_SIZE, |at, _| at + BLOCK_SIZE);
        offset.checked_sub(first).filter(|offset| *offset < BLOCK_SIZE)
    }

    /// Reads the clock controller's block.
    pub(super) fn read_clock(&self, offset: u64, data: &mut [u8]) {
        if let Some(clock) = &self.clock {
            clock.read(self.host.run().now(), offset, data);
        }
    }

    /// Writes the clock controller's block.
    pub(super) fn write_clock(&mut self, offset: u64, data: &[u8]) {
        let now = self.host.run().now();
        let loses = self
            .clock
            .as_mut()
            .is_some_and(|clock| clock.write(now, offset, data));
        self.lose_registers(loses);
    }

    /// Starts the SMMU again if it has lost its registers with its power.
    fn lose_registers(&mut self, loses: bool) {
        if loses {
            self.restart_smmu("power");
        }
    }
}
