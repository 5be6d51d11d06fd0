// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Results of earlier walks, as far as a walk may take from them.

use crate::arch::fault::ContextCause;
use crate::arch::stage::Stage;
use crate::arch::transaction::Intent;
use crate::translate::regime::{ShortStage1, Stage1, Stage2};
use crate::translate::walk::stages::{stage1, stage2};
use crate::translate::walk::{DescriptorMemory, Leaf, TableRef, Tables, WalkFault};

/// Blocks, pages and tables of earlier walks of the same translation regime. A stage that is off does not look here.
pub(crate) trait WalkCache {
    /// Whether there is a cache at all.
    fn is_enabled(&self) -> bool;
    /// The block or page of a canonical address.
    fn leaf(&self, stage: Stage, address: u64) -> Option<Leaf>;
    /// The last table that is known on the way to it.
    fn table(&self, stage: Stage, address: u64) -> Option<TableRef>;
    /// A walk begins.
    fn walk_begins(&self) {}
    /// A walk ended well.
    fn fill(&self, stage: Stage, address: u64, leaf: &Leaf, tables: &Tables);
}

/// [`stage1`], from what is kept or else by a walk.
pub(super) fn stage1_cached<M: DescriptorMemory, K: WalkCache>(
    regime: &Stage1,
    memory: &M,
    cache: &K,
    address: u64,
    intent: Intent,
) -> Result<Leaf, WalkFault> {
    let canonical = regime.canonical(address);
    let walk =
        |from: Option<&TableRef>, tables: &mut Tables| stage1(regime, memory, address, intent, from, tables);
    match regime {
        Stage1::Off(_) => walk(None, &mut Tables::default()),
        Stage1::Long(long) => {
            check_input(canonical, long.limits.last_input, long.limits.fault_level)?;
            let again = long.limits.update_dirty && intent.write;
            cached_or(cache, Stage::First, canonical, again.then_some(intent), walk)
        }
        Stage1::Short(_) => {
            check_input(canonical, ShortStage1::LAST_INPUT, 1)?;
            cached_or(cache, Stage::First, canonical, None, walk)
        }
    }
}

/// [`stage2`], from what is kept or else by a walk.
pub(super) fn stage2_cached<M: DescriptorMemory, K: WalkCache>(
    regime: &Stage2,
    memory: &M,
    cache: &K,
    ipa: u64,
    intent: Intent,
) -> Result<Leaf, WalkFault> {
    let walk =
        |from: Option<&TableRef>, tables: &mut Tables| stage2(regime, memory, ipa, intent, from, tables);
    match regime {
        Stage2::Bypassed(_) | Stage2::Off(_) => walk(None, &mut Tables::default()),
        Stage2::On(tables) => {
            check_input(ipa, tables.limits.last_input, tables.limits.fault_level)?;
            let again = tables.limits.update_dirty && intent.write;
            cached_or(cache, Stage::Second, ipa, again.then_some(intent), walk)
        }
    }
}

/// An address that the format does not have is none that the TLB may know: its entries may be those of another format.
fn check_input(address: u64, last: u64, level: u32) -> Result<(), WalkFault> {
    if address <= last {
        Ok(())
    } else {
        Err(WalkFault::stage1(ContextCause::Translation, level))
    }
}

/// Only for a write that hardware may make possible (HD, `updating`) a leaf that denies it does not answer: a walk has
/// to.
fn cached_or<K: WalkCache>(
    cache: &K,
    stage: Stage,
    address: u64,
    updating: Option<Intent>,
    walk: impl Fn(Option<&TableRef>, &mut Tables) -> Result<Leaf, WalkFault>,
) -> Result<Leaf, WalkFault> {
    let mut tables = Tables::default();
    if !cache.is_enabled() {
        cache.walk_begins();
        return walk(None, &mut tables);
    }
    let answers = |leaf: &Leaf| updating.is_none_or(|intent| leaf.permissions.allow(intent));
    if let Some(leaf) = cache.leaf(stage, address).filter(answers) {
        return Ok(leaf);
    }
    cache.walk_begins();
    let leaf = walk(cache.table(stage, address).as_ref(), &mut tables)?;
    cache.fill(stage, address, &leaf, &tables);
    Ok(leaf)
}
