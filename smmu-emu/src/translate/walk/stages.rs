// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! One stage of a context bank: off, or walked in the format of its tables.

use super::attributes::Attributes;
use super::leaf::{Leaf, TableRef, Tables, WalkFault};
use super::memory::DescriptorMemory;
use super::permissions::Permissions;
use super::{long, short};
use crate::arch::fault::ContextCause;
use crate::arch::transaction::Intent;
use crate::translate::regime::{Off, Stage1, Stage2};

/// Walks stage 1 of a bank for `address`, which is complete: sign extension has been done. `from` is a table that
/// serves it, of an earlier walk of the same regime; `tables` takes up those that this one passes.
///
/// # Errors
/// The first fault in the architecture's order: translation, address size, access flag. Permissions come after them,
/// and depend on the access ([`Permissions::allow`]); `intent` only decides what hardware updates.
pub(super) fn stage1<M: DescriptorMemory>(
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
pub(super) fn stage2<M: DescriptorMemory>(
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
