// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The results of a walk: blocks, pages, the tables on the way, faults.

use arrayvec::ArrayVec;

use super::permissions::{Permissions, Restrictions};
use crate::arch::fault::ContextCause;

/// Destination of an address: one block or page of one stage, or of both together. Says nothing of the access that
/// asked, so that it can be kept for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Leaf {
    /// The output address.
    pub(crate) address: u64,
    /// Size in bytes of the block or page; of both stages the smaller one.
    pub(crate) size: u64,
    /// Level of the descriptor, 0 to 3: where a permission fault is reported. Of both stages that of stage 1.
    pub(crate) level: u32,
    /// Memory attributes in the form of a byte of MAIR.
    pub(crate) attributes: u8,
    /// Shareability: 0 none, 2 outer, 3 inner.
    pub(crate) shareability: u8,
    /// Accesses that it allows. With hardware update of the dirty state (`Config::hardware_update`) a write may allow
    /// more.
    pub(crate) permissions: Permissions,
    /// Not tagged with an ASID (nG = 0); always so in stage 2 and in hypervisor contexts.
    pub(crate) global: bool,
}

/// Reason for which a walk ends without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WalkFault {
    /// The fault.
    pub(crate) cause: ContextCause,
    /// Level of the descriptor that caused it; if none was read, 0 in AArch64 and 1 in AArch32.
    pub(crate) level: u32,
    /// The intermediate address at which stage 2 faulted, if that was the stage.
    pub(crate) stage2: Option<Stage2Fault>,
}

/// Part of a fault of stage 2 that one of stage 1 does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stage2Fault {
    /// The intermediate physical address.
    pub(crate) ipa: u64,
    /// It was that of a stage 1 descriptor (`FSYNR0.S1PTWF`).
    pub(crate) stage1_walk: bool,
}

impl WalkFault {
    /// A fault of stage 1.
    pub(crate) const fn stage1(cause: ContextCause, level: u32) -> Self {
        Self {
            cause,
            level,
            stage2: None,
        }
    }

    /// This fault as one of stage 2.
    pub(super) const fn at_stage2(self, ipa: u64, stage1_walk: bool) -> Self {
        Self {
            stage2: Some(Stage2Fault { ipa, stage1_walk }),
            ..self
        }
    }
}

/// A table that a walk passed, below the first one: all that is needed to start there again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct TableRef {
    /// Level of its descriptors: 1 to 3, or 2 in the short format.
    pub(crate) level: u32,
    /// Address of the table: a physical one, or an intermediate one if stage 1 is nested.
    pub(crate) address: u64,
    /// Permissions that the tables above take away.
    pub(crate) above: Restrictions,
    /// The first input address that it serves, canonical (`Stage1::canonical`).
    pub(crate) input: u64,
    /// log2 of the number of addresses that it serves.
    pub(crate) shift: u32,
}

impl TableRef {
    /// Whether a walk for this address, canonical, may start here.
    pub(crate) const fn serves(&self, address: u64) -> bool {
        (address ^ self.input) >> self.shift == 0
    }
}

/// The tables of one walk, top down: those from the first that was read to the one that held the leaf's descriptor,
/// without the start of the walk; of the last attempt, if a descriptor changed under the walk. At most three stand
/// below the first.
pub(crate) type Tables = ArrayVec<TableRef, 3>;
