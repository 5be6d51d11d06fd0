// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Both stages of a bank together.

use crate::arch::fault::ContextCause;
use crate::arch::transaction::Intent;
use crate::translate::regime::{BankRegime, Stage1, Stage2};
use crate::translate::walk::cached::{WalkCache, stage1_cached, stage2_cached};
use crate::translate::walk::through::Through;
use crate::translate::walk::{Attributes, Leaf, Physical, WalkFault};

/// Stages that an address goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stages {
    /// All that the bank has, as for a transaction.
    All,
    /// Stage 1 alone, as for `ATS1*` and `GATS1*`: the result is an intermediate address if there is a stage 2, through
    /// which the walk itself still goes.
    First,
}

/// Translates an address in a bank, with what `kept` holds of earlier walks. The permission check of each stage follows
/// its walk.
///
/// # Errors
/// The first fault; those of stage 2 have [`WalkFault::stage2`].
#[inline]
pub(crate) fn translate<K: WalkCache>(
    regime: &BankRegime,
    memory: Physical<'_>,
    cache: &K,
    address: u64,
    intent: Intent,
    stages: Stages,
) -> Result<Leaf, WalkFault> {
    let of_stage1 = match (&regime.stage1, &regime.stage2) {
        (None, _) => None,
        (Some(stage), Stage2::Bypassed(_)) => Some(stage1_cached(stage, &memory, cache, address, intent)?),
        (Some(stage), stage2) => {
            let behind = Through {
                memory,
                stage2,
                cache,
            };
            Some(stage1_cached(stage, &behind, cache, address, intent)?)
        }
    };
    if let Some(leaf) = &of_stage1 {
        check(leaf, intent)?;
        if stages == Stages::First {
            return Ok(*leaf);
        }
        // Bypass changes no address: only the memory type.
        if let Stage2::Bypassed(_) = regime.stage2 {
            return Ok(combined(regime, leaf, leaf));
        }
    }
    let ipa = of_stage1.map_or(address, |leaf| leaf.address);
    let at_stage2 = |fault: WalkFault| fault.at_stage2(ipa, false);
    let of_stage2 =
        stage2_cached(&regime.stage2, &memory.of_stage2(), cache, ipa, intent).map_err(at_stage2)?;
    check(&of_stage2, intent).map_err(at_stage2)?;
    Ok(of_stage1.map_or(of_stage2, |leaf| combined(regime, &leaf, &of_stage2)))
}

fn check(leaf: &Leaf, intent: Intent) -> Result<(), WalkFault> {
    if leaf.permissions.allow(intent) {
        Ok(())
    } else {
        Err(WalkFault::stage1(ContextCause::Permission, leaf.level))
    }
}

/// One leaf for both stages. A stage that is off and names no memory type leaves the other's.
#[inline]
fn combined(regime: &BankRegime, first: &Leaf, second: &Leaf) -> Leaf {
    let of = |leaf: &Leaf| Attributes {
        mair: leaf.attributes,
        shareability: leaf.shareability,
    };
    let stage1 = match &regime.stage1 {
        None => None,
        Some(Stage1::Off(off)) => off.attributes,
        Some(Stage1::Long(_) | Stage1::Short(_)) => Some(of(first)),
    };
    let stage2 = match &regime.stage2 {
        Stage2::Bypassed(attributes) => *attributes,
        Stage2::Off(off) => off.attributes,
        Stage2::On(_) => Some(of(second)),
    };
    let attributes = match (stage1, stage2) {
        (Some(stage1), Some(stage2)) => stage1.combined(stage2),
        (Some(one), None) => one,
        (None, Some(stage2)) => Attributes::WEAKEST.combined(stage2),
        (None, None) => of(first),
    };
    Leaf {
        address: second.address,
        size: first.size.min(second.size),
        level: first.level,
        attributes: attributes.mair,
        shareability: attributes.shareability,
        permissions: first.permissions & second.permissions,
        global: first.global,
    }
}
