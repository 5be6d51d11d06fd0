// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The table walks, below a context bank: from an address to a [`Leaf`].
//!
//! | file | holds |
//! | --- | --- |
//! | `long`, `short` | one stage, of long and of short descriptors |
//! | `memory` | where descriptors are read, behind stage 2 if there is one |
//! | `kept` | what a walk may take from earlier ones |
//! | `nested` | both stages of a bank together |
//! | `permissions`, `attributes` | what a leaf says of accesses and of memory types |
//!
//! [`stage1`] and [`stage2`] walk one stage, and are what a cache of walks calls: they start from the table of an earlier
//! walk if they are given one, and hand back those that they passed. A table serves every address of its range for as
//! long as software does not invalidate it; whoever keeps one looks it up with [`TableRef::serves`], by the address that
//! [`Stage1::canonical`] makes of the input.

mod attributes;
mod kept;
mod long;
mod memory;
mod nested;
mod permissions;
mod short;
#[cfg(test)]
mod tests;

pub(crate) use attributes::Attributes;
pub(crate) use kept::Kept;
pub(crate) use memory::{DescriptorMemory, DescriptorRead, Physical, Probe};
pub(crate) use nested::{Stages, translate};
pub(crate) use permissions::{Permissions, Restrictions, Rules};

use arrayvec::ArrayVec;

use crate::arch::fault::ContextCause;
use crate::arch::transaction::Intent;
use crate::translate::regime::{Off, Stage1, Stage2};

/// Where an address leads: one block or page of one stage, or of both together. Says nothing of the access that asked,
/// so that it can be kept for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// The output address.
    pub(crate) address: u64,
    /// Size in bytes of the block or page; of both stages the smaller one.
    pub(crate) size: u64,
    /// Level of the descriptor, 0 to 3: where a permission fault is reported. Of both stages that of stage 1.
    pub(crate) level: u32,
    /// DescriptorMemory attributes in the form of a byte of MAIR.
    pub(crate) attributes: u8,
    /// Shareability: 0 none, 2 outer, 3 inner.
    pub(crate) shareability: u8,
    /// What it allows. With hardware update of the dirty state (`Config::hardware_update`) a write may allow more.
    pub(crate) permissions: Permissions,
    /// Not tagged with an ASID (nG = 0); always so in stage 2 and in hypervisor contexts.
    pub(crate) global: bool,
}

/// Why a walk ends without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WalkFault {
    /// The fault.
    pub(crate) cause: ContextCause,
    /// Level of the descriptor that caused it; if none was read, 0 in AArch64 and 1 in AArch32.
    pub(crate) level: u32,
    /// The intermediate address at which stage 2 faulted, if that was the stage.
    pub(crate) stage2: Option<Stage2Fault>,
}

/// What a fault of stage 2 has beyond one of stage 1.
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

    /// The same as a fault of stage 2.
    const fn at_stage2(self, ipa: u64, stage1_walk: bool) -> Self {
        Self {
            stage2: Some(Stage2Fault { ipa, stage1_walk }),
            ..self
        }
    }
}

/// A table that a walk passed, below the first one: all that is needed to start there again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableRef {
    /// Level of its descriptors: 1 to 3, or 2 in the short format.
    pub(crate) level: u32,
    /// Where it is: a physical address, or an intermediate one if stage 1 is nested.
    pub(crate) address: u64,
    /// What the tables above take away.
    pub(crate) above: Restrictions,
    /// The first input address that it serves, canonical ([`Stage1::canonical`]).
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

/// The tables of one walk, top down: those from the first that was read to the one that held the leaf's descriptor, without
/// the start of the walk; of the last attempt, if a descriptor changed under the walk. At most three stand below the first.
pub(crate) type Tables = ArrayVec<TableRef, 3>;

/// Walks stage 1 of a bank for `address`, which is complete: sign extension has been done. `from` is a table that
/// serves it, of an earlier walk of the same regime; `tables` takes up those that this one passes.
///
/// # Errors
/// The first fault in the architecture's order: translation, address size, access flag. Permissions come after them, and
/// depend on the access ([`Permissions::allow`]); `intent` only decides what hardware updates.
pub(crate) fn stage1<M: DescriptorMemory>(
    regime: &Stage1,
    memory: &M,
    address: u64,
    intent: Intent,
    from: Option<&TableRef>,
    tables: &mut Tables,
) -> Result<Leaf, WalkFault> {
    let address = regime.canonical(address);
    match regime {
        Stage1::Off(off) => off.pass(address),
        Stage1::Long(long) => long::stage1(long, memory, address, intent, from, tables),
        Stage1::Short(short) => short::stage1(short, memory, address, from, tables),
    }
}

/// Walks stage 2 for an intermediate address. A fault is told as one of stage 1: the caller knows whose address it was.
///
/// # Errors
/// As [`stage1`].
pub(crate) fn stage2<M: DescriptorMemory>(
    regime: &Stage2,
    memory: &M,
    ipa: u64,
    intent: Intent,
    from: Option<&TableRef>,
    tables: &mut Tables,
) -> Result<Leaf, WalkFault> {
    match regime {
        Stage2::Bypassed(_) => Off::BYPASS.pass(ipa),
        Stage2::Off(off) => off.pass(ipa),
        Stage2::On(on) => long::stage2(on, memory, ipa, intent, from, tables),
    }
}

impl Off {
    /// SCTLR.M = 0: the address passes if it fits, into the format's input and then into the output.
    fn pass(&self, address: u64) -> Result<Leaf, WalkFault> {
        let beyond = |bits: u32| bits < u64::BITS && address >> bits != 0;
        if beyond(self.input_bits) {
            return Err(WalkFault::stage1(ContextCause::Translation, 1));
        }
        if beyond(self.output_bits) {
            return Err(WalkFault::stage1(ContextCause::AddressSize, 0));
        }
        let attributes = self.attributes.unwrap_or(Attributes {
            mair: 0,
            shareability: 0,
        });
        Ok(Leaf {
            address,
            size: 1 << self.output_bits.min(self.input_bits).min(u64::BITS - 1),
            level: 0,
            attributes: attributes.mair,
            shareability: attributes.shareability,
            permissions: Permissions::all(),
            global: true,
        })
    }
}
