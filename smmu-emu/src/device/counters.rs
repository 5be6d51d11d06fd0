// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Counts of the accesses that the TBUs translate on their own.

use crate::arch::transaction::Transaction;
use crate::host::emit::emit;
use crate::host::env::Host;
use crate::host::events::Event;

/// Counts of a unit, or of all units of an SMMU together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Counters {
    /// Read accesses that a unit translated on its own.
    pub read_hits: u64,
    /// Write accesses that a unit translated on its own.
    pub write_hits: u64,
}

impl Counters {
    #[inline]
    pub(crate) fn count(&mut self, transaction: &Transaction) {
        if transaction.intent.write {
            self.write_hits += 1;
        } else {
            self.read_hits += 1;
        }
    }

    /// Takes over what a unit has counted, at the transaction that makes it ask.
    pub(crate) fn drain(&mut self, host: &mut dyn Host, transaction: &Transaction, unit: &mut Self) {
        let Self {
            read_hits,
            write_hits,
        } = core::mem::take(unit);
        if read_hits | write_hits != 0 {
            emit(host, || Event::TbuHits {
                stream_id: transaction.stream_id,
                reads: read_hits,
                writes: write_hits,
            });
        }
        self.read_hits += read_hits;
        self.write_hits += write_hits;
    }
}
