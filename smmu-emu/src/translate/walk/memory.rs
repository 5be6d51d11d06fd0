// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Where descriptors are read: physical memory, or for stage 1 of a nested translation memory behind stage 2.

use crate::arch::fault::ContextCause;
use crate::arch::memory::{BusError, Memory};
use crate::arch::stage::Stage;
use crate::arch::transaction::Intent;
use crate::translate::regime::Stage2;
use crate::translate::walk::attributes::is_device;
use crate::translate::walk::kept::{Kept, second};
use crate::translate::walk::{Leaf, WalkFault};

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

/// Where a descriptor is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DescriptorRead {
    /// Whose table it is.
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

    /// The same for tables of stage 2.
    pub(crate) fn of_stage2(self) -> Self {
        Self {
            stage: Stage::Second,
            ..self
        }
    }

    /// The same, seen by a probe.
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

/// Memory behind stage 2: every address of a stage 1 table is an intermediate one.
#[derive(Clone, Copy)]
pub(crate) struct Through<'a, K> {
    /// The memory behind.
    pub(crate) memory: Physical<'a>,
    /// Stage 2.
    pub(crate) stage2: &'a Stage2,
    /// What is known of stage 2.
    pub(crate) kept: &'a K,
}

impl<K: Kept> Through<'_, K> {
    /// Where a stage 1 descriptor is. With SCTLR.PTW it must not be in Device memory: a permission fault of stage 2.
    fn locate(&self, ipa: u64, write: bool) -> Result<Leaf, WalkFault> {
        let intent = Intent {
            write,
            ..Intent::default()
        };
        let of_walk = |fault: WalkFault| fault.at_stage2(ipa, true);
        let leaf = second(self.stage2, &self.memory.of_stage2(), self.kept, ipa, intent).map_err(of_walk)?;
        let guarded = matches!(self.stage2, Stage2::On(tables) if tables.protected_walks);
        let device = guarded && is_device(leaf.attributes);
        if device || !leaf.permissions.allow(intent) {
            return Err(of_walk(WalkFault::stage1(ContextCause::Permission, leaf.level)));
        }
        Ok(leaf)
    }
}

impl<K: Kept> DescriptorMemory for Through<'_, K> {
    fn read(&self, address: u64, level: u32, descriptor: &mut [u8]) -> Result<(), WalkFault> {
        let leaf = self.locate(address, false)?;
        self.memory.read(leaf.address, level, descriptor)
    }

    fn update(&self, address: u64, level: u32, old: u64, new: u64) -> Result<bool, WalkFault> {
        let leaf = self.locate(address, true)?;
        self.memory.update(leaf.address, level, old, new)
    }
}
