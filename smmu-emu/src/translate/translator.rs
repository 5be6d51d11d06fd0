// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The translation of addresses in a context bank: a function of its registers, the TLB, and the tables in memory.

use crate::arch::fault::{ContextCause, ContextFault, NestedFault};
use crate::arch::transaction::{BankAccess, Intent, Translation};
use crate::translate::decoded::Decoded;
use crate::translate::regime;
use crate::translate::walk::{self, Leaf, Physical, Stages, WalkCache, WalkFault};

/// Translator of one context bank. It changes nothing but what hardware updates in the tables; its walks go to the
/// cache.
#[derive(Clone, Copy)]
pub(crate) struct Translator<'a, C> {
    /// Registers of the bank.
    pub(crate) bank: &'a Decoded,
    /// Earlier walks.
    pub(crate) cache: &'a C,
    /// Memory with the tables.
    pub(crate) memory: Physical<'a>,
}

impl<C: WalkCache> Translator<'_, C> {
    /// Translates an access of a client, through all stages of the bank.
    ///
    /// # Errors
    /// The first fault in the architecture's order.
    #[inline]
    pub(crate) fn access(self, access: &BankAccess) -> Result<Translation, WalkFault> {
        let address = access.transaction.address;
        // Stage 2 takes the intermediate address as it is, and so does a bank that is off or of AArch32.
        let address = match self.bank.sign {
            Some(sign) => regime::extended(address, sign),
            None => Some(address),
        };
        let address = address.ok_or(WalkFault::stage1(ContextCause::Translation, 0))?;
        let leaf = self.address(address, access.intent, Stages::All)?;
        // Blocks and pages are powers of two.
        let length = leaf.size - (leaf.address & (leaf.size - 1));
        Ok(Translation {
            address: leaf.address,
            length,
            attributes: leaf.attributes,
            bank: Some(access.bank),
        })
    }

    /// Translates a complete address: there is no sign extension.
    ///
    /// # Errors
    /// As [`Self::access`].
    pub(crate) fn address(self, address: u64, intent: Intent, stages: Stages) -> Result<Leaf, WalkFault> {
        walk::translate(
            &self.bank.regime,
            self.memory,
            self.cache,
            address,
            intent,
            stages,
        )
    }
}

/// The context fault of an access whose walk faulted: stage 2 of a nested translation faults in its own bank.
pub(crate) fn context_fault(access: &BankAccess, stage2_bank: Option<u8>, fault: WalkFault) -> ContextFault {
    let stage2 = stage2_bank.zip(fault.stage2);
    let nested = stage2.map(|(_, stage2)| NestedFault {
        stage1_bank: access.bank,
        ipa: stage2.ipa,
        stage1_walk: stage2.stage1_walk,
    });
    ContextFault {
        bank: stage2.map_or(access.bank, |(bank, _)| bank),
        cause: fault.cause,
        level: fault.level,
        nested,
        intent: access.intent,
        transaction: access.transaction,
    }
}
