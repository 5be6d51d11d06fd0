// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Accesses of DMA devices that reach no memory: refused by the SMMU, or met by none behind it.

use std::fmt;
use std::time::Duration;

use serde_json::json;
use smmu_emu::events::{Event as Traced, NoMemory, Outcome};
use smmu_emu::fault::Cause;
use smmu_emu::{Origin, Transaction};

use super::events::{Event, fired_limit};
use super::log_limit::LogLimit;

#[cfg(test)]
mod tests;

/// An access that the SMMU did not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedAccess {
    transaction: Transaction,
    cause: Cause,
}

impl RefusedAccess {
    /// The access that an event of the model tells of, if it is one of a client and was refused.
    #[must_use]
    pub fn of(event: &Traced) -> Option<Self> {
        let Traced::Translation(translated) = event else {
            return None;
        };
        match (translated.origin, translated.outcome) {
            (Origin::Client, Outcome::Refused { cause, .. }) => Some(Self {
                transaction: translated.transaction,
                cause,
            }),
            _ => None,
        }
    }
}

impl fmt::Display for RefusedAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transaction, cause } = self;
        write!(
            f,
            "the SMMU refused a {} of stream {:#x} at {:#x}: ",
            kind(transaction),
            transaction.stream_id,
            transaction.address
        )?;
        match cause {
            Cause::Global(cause) => write!(f, "{cause:?}"),
            Cause::Context { cause, level } => write!(f, "{cause:?} fault at level {level}"),
            Cause::Blocked => f.write_str("its context bank holds an earlier fault"),
            Cause::Waiting => f.write_str("a transaction is stalled in its context bank"),
            Cause::Ended => f.write_str("it was stalled, and was terminated"),
        }
    }
}

/// Name of the access in the trace.
const fn kind(transaction: &Transaction) -> &'static str {
    match (transaction.intent.write, transaction.intent.instruction) {
        (true, _) => "write",
        (false, true) => "fetch",
        (false, false) => "read",
    }
}

/// The accesses of one SMMU that met no memory, bounded in number where they are told of.
#[derive(Debug)]
pub struct NoMemoryLimit {
    log: LogLimit,
    events: LogLimit,
}

impl Default for NoMemoryLimit {
    fn default() -> Self {
        Self {
            log: LogLimit::default(),
            events: fired_limit(),
        }
    }
}

impl NoMemoryLimit {
    /// Logs an access at `ns` of the run, unless there were too many.
    pub fn log(&self, ns: u64, smmu: &str, met: &NoMemory) {
        if self.log.pass_at(Duration::from_nanos(ns)).is_none() {
            return;
        }
        let NoMemory {
            transaction, address, ..
        } = met;
        tracing::warn!(
            smmu,
            "a {} of stream {:#x} at {:#x} left the SMMU for {address:#x}, where no memory is: a bus error",
            kind(transaction),
            transaction.stream_id,
            transaction.address,
        );
    }

    /// The event of an access at `ns` of the run, unless there were too many in its second.
    pub fn event(&self, ns: u64, smmu: &str, met: &NoMemory) -> Option<Event> {
        let NoMemory {
            transaction, address, ..
        } = met;
        let suppressed = self.events.pass_at(Duration::from_nanos(ns))?;
        let data = json!({
            "smmu": smmu, "stream": transaction.stream_id, "address": transaction.address, "access": kind(transaction),
            "to": address, "suppressed": suppressed,
        });
        Some(Event::new("NO_MEMORY", data))
    }
}
