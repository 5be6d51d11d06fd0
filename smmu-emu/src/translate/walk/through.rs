// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Memory behind stage 2, for the tables of stage 1 of a nested translation.

use super::attributes::is_device;
use super::cached::{WalkCache, stage2_cached};
use super::leaf::{Leaf, WalkFault};
use super::memory::{DescriptorMemory, Physical};
use crate::arch::fault::ContextCause;
use crate::arch::transaction::Intent;
use crate::translate::regime::Stage2;

/// Memory behind stage 2: every address of a stage 1 table is an intermediate one.
#[derive(Clone, Copy)]
pub(crate) struct Through<'a, K> {
    /// The memory behind.
    pub(crate) memory: Physical<'a>,
    /// Stage 2.
    pub(crate) stage2: &'a Stage2,
    /// Known translations of stage 2.
    pub(crate) cache: &'a K,
}

impl<K: WalkCache> Through<'_, K> {
    /// Finds a stage 1 descriptor. With SCTLR.PTW it must not be in Device memory: a permission fault of stage 2.
    fn locate(&self, ipa: u64, write: bool) -> Result<Leaf, WalkFault> {
        let intent = Intent {
            write,
            ..Intent::default()
        };
        let of_walk = |fault: WalkFault| fault.at_stage2(ipa, true);
        let leaf =
            stage2_cached(self.stage2, &self.memory.of_stage2(), self.cache, ipa, intent).map_err(of_walk)?;
        let guarded = matches!(self.stage2, Stage2::On(tables) if tables.protected_walks);
        let device = guarded && is_device(leaf.attributes);
        if device || !leaf.permissions.allow(intent) {
            return Err(of_walk(WalkFault::stage1(ContextCause::Permission, leaf.level)));
        }
        Ok(leaf)
    }
}

impl<K: WalkCache> DescriptorMemory for Through<'_, K> {
    fn read(&self, address: u64, level: u32, descriptor: &mut [u8]) -> Result<(), WalkFault> {
        let leaf = self.locate(address, false)?;
        self.memory.read(leaf.address, level, descriptor)
    }

    fn update(&self, address: u64, level: u32, old: u64, new: u64) -> Result<bool, WalkFault> {
        let leaf = self.locate(address, true)?;
        self.memory.update(leaf.address, level, old, new)
    }
}
