// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Address translation operations under way.

use crate::arch::fault::Cause;
use crate::arch::transaction::{BankAccess, Intent, Transaction};
use crate::host::emit::emit;
use crate::host::env::Host;
use crate::host::events::Event;

/// An operation of a context bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub(crate) struct AtsRequest {
    /// Value that was written: the address.
    pub(crate) value: u64,
    pub(crate) intent: Intent,
}

/// An operation that waits for software to decide about the stage 2 bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub(crate) struct Waiting {
    /// The stage 2 bank.
    pub(crate) stage2_bank: u8,
    /// It is the one that the stage 2 bank has recorded.
    pub(crate) recorded: bool,
    pub(crate) operation: AtsRequest,
}

impl AtsRequest {
    /// As a transaction of no stream.
    pub(crate) const fn transaction(self) -> Transaction {
        Transaction {
            stream_id: 0,
            address: self.value,
            intent: self.intent,
        }
    }

    pub(crate) fn bank_access(self, bank: u8) -> BankAccess {
        BankAccess {
            bank,
            intent: self.intent,
            transaction: self.transaction(),
        }
    }

    /// It does not come to its bank's tables.
    pub(crate) fn refused(self, host: &mut dyn Host, bank: u8, cause: Cause) {
        emit(host, || {
            Event::operated(self.transaction(), bank, false, Err(cause))
        });
    }
}
