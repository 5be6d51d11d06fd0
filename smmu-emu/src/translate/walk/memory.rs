// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Memory of descriptors: physical memory.

use crate::arch::fault::ContextCause;
use crate::arch::memory::{BusError, Memory};
use crate::arch::stage::Stage;
use crate::translate::walk::WalkFault;

/// The memory that a walk reads.
pub(crate) trait DescriptorMemory {
    /// Reads a descriptor of a table of `level`.
    ///
    /// # Errors
    /// The fault that the access takes.
    fn read(&self, address: u64, level: u32, descriptor: &mut [u8]) -> Result<(), WalkFault>;

    /// Replaces a descriptor of eight bytes; `false` if it is no longer `old`.
    ///
    /// # Errors
    /// The fault that the access takes.
    fn update(&self, address: u64, level: u32, old: u64, new: u64) -> Result<bool, WalkFault>;
}

/// Place of a descriptor that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DescriptorRead {
    /// Stage of the table.
    pub(crate) stage: Stage,
    /// The table's level.
    pub(crate) level: u32,
    /// Physical address.
    pub(crate) address: u64,
}

/// Sees every descriptor that a translation reads.
pub(crate) trait Probe {
    /// One was read; the walk goes on with what the probe leaves of it.
    ///
    /// # Errors
    /// [`BusError`] if memory is not to have answered.
    fn read(&self, read: &DescriptorRead, descriptor: &mut [u8]) -> Result<(), BusError>;
}

/// Physical memory.
#[derive(Clone, Copy)]
pub(crate) struct Physical<'a> {
    memory: &'a dyn Memory,
    updates: bool,
    stage: Stage,
    probe: Option<&'a dyn Probe>,
}

impl<'a> Physical<'a> {
    /// Memory for a walk without side effects: an update only seems to be made.
    pub(crate) fn read_only(memory: &'a dyn Memory) -> Self {
        Self::new(memory, false)
    }

    /// Memory for the walk of an access, in which hardware may set access flags and dirty states.
    pub(crate) fn updated(memory: &'a dyn Memory) -> Self {
        Self::new(memory, true)
    }

    fn new(memory: &'a dyn Memory, updates: bool) -> Self {
        Self {
            memory,
            updates,
            stage: Stage::First,
            probe: None,
        }
    }

    /// This memory for tables of stage 2.
    pub(crate) fn of_stage2(self) -> Self {
        Self {
            stage: Stage::Second,
            ..self
        }
    }

    /// This memory, seen by a probe.
    pub(crate) fn probed(self, probe: &'a dyn Probe) -> Self {
        Self {
            probe: Some(probe),
            ..self
        }
    }
}

impl DescriptorMemory for Physical<'_> {
    fn read(&self, address: u64, level: u32, descriptor: &mut [u8]) -> Result<(), WalkFault> {
        let mut answer = self.memory.read(address, descriptor);
        if let (Ok(()), Some(probe)) = (answer, self.probe) {
            let stage = self.stage;
            let read = DescriptorRead {
                stage,
                level,
                address,
            };
            answer = probe.read(&read, descriptor);
        }
        answer.map_err(|_| WalkFault::stage1(ContextCause::ExternalOnWalk, level))
    }

    fn update(&self, address: u64, level: u32, old: u64, new: u64) -> Result<bool, WalkFault> {
        if !self.updates {
            return Ok(true);
        }
        let answer = self.memory.compare_exchange(address, old, new);
        let found = answer.map_err(|_| WalkFault::stage1(ContextCause::ExternalOnWalk, level))?;
        Ok(found == old)
    }
}
