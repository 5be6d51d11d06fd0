// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Events of an SMMU, told to a host that traces ([`Host::traces`](crate::Host::traces)).
//!
//! An event is told when it has taken effect, in the order in which that happens: what a register write causes comes
//! before the write. Nothing is put together for a host that does not trace.
//!
//! A translation that a [`Tbu`] makes on its own takes no lock and is not told, or tracing would change the time that
//! it is to show. A unit counts such accesses, and [`Event::TbuHits`] tells how many there were when it next asks the
//! SMMU.
//!
//! [`Tbu`]: crate::Tbu

use crate::arch::fault::{Cause, Fault};
use crate::arch::frame::Access;
use crate::arch::line::Line;
use crate::arch::response::Response;
use crate::arch::transaction::{Origin, Transaction, Translation};
use crate::host::injected::Injected;
pub use crate::spec::form::Form;

/// One thing that happened. There will be more of them: who tells of events leaves out those that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Software accessed a register.
    Access(Accessed),
    /// A client's access, or an address translation operation, was answered.
    Translation(Translated),
    /// A unit has translated accesses of this stream on its own since it last asked.
    TbuHits {
        /// The stream whose access made the unit ask; the counts are of all its streams.
        stream_id: u16,
        /// Reads.
        reads: u64,
        /// Writes.
        writes: u64,
    },
    /// A client's access left the SMMU and met no memory.
    NoMemory(NoMemory),
    /// A fault was recorded.
    Fault(Recorded),
    /// An interrupt line changed, or is high and asks for another edge.
    Line {
        /// The line.
        line: Line,
        /// Its level.
        level: bool,
    },
    /// A rule of the plan hit an operation.
    Injected(Injected),
    /// The SMMU was reset.
    Reset,
}

/// A register access and what it did to the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accessed {
    /// The access.
    pub access: Access,
    /// It covered the whole register.
    pub whole: bool,
    /// Of a write: the register before and after. `None` for reads, where no register is, and for event counters.
    pub change: Option<Change>,
    /// Of a register of a context bank: what its fields depend on.
    pub form: Option<Form>,
}

/// The whole register as a read without side effects finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Before the write.
    pub before: u64,
    /// After it.
    pub after: u64,
}

/// An access that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Translated {
    /// Requester of the translation.
    pub origin: Origin,
    /// The access. Of an operation the address as software wrote it, and no stream.
    pub transaction: Transaction,
    /// The context bank of the access; `None` if it came to none.
    pub bank: Option<u8>,
    /// Tables were walked: the TLB did not have all of it.
    pub walked: bool,
    /// The answer.
    pub outcome: Outcome,
}

impl Translated {
    /// An access that came to no context bank.
    #[must_use]
    pub const fn new(origin: Origin, transaction: Transaction, outcome: Outcome) -> Self {
        Self {
            origin,
            transaction,
            bank: None,
            walked: false,
            outcome,
        }
    }
}

/// An access that left the SMMU, translated or in bypass, and met no memory: a bus error of the interconnect, which the
/// SMMU does not record (§2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoMemory {
    /// The access.
    pub transaction: Transaction,
    /// Physical address at which no memory answered.
    pub address: u64,
}

impl NoMemory {
    /// An access that met no memory at a physical address.
    #[must_use]
    pub const fn new(transaction: Transaction, address: u64) -> Self {
        Self { transaction, address }
    }
}

/// The answer to an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The address that it leads to; of an operation, the result.
    Translated {
        /// Physical address; an intermediate one for an operation of stage 1 alone.
        address: u64,
    },
    /// It was not translated.
    Refused {
        /// Reason.
        cause: Cause,
        /// Answer that the requester sees.
        end: End,
    },
}

/// Answer that a requester sees instead of a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A bus error.
    Abort,
    /// A read of zero, a write that is dropped.
    Ignore,
    /// Nothing yet: it waits for software.
    Stall,
    /// Of an operation: a fault in `CBn_PAR` or `GPAR`.
    Reported,
}

/// A fault that was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// The fault: a global one or one of a context bank.
    pub fault: Fault,
    /// Requester of the access that took it.
    pub origin: Origin,
    /// One was recorded before: of this one only MULTI shows.
    pub multiple: bool,
    /// The transaction is stalled (SS).
    pub stalled: bool,
}

impl Event {
    /// A client's access was answered.
    pub(crate) fn answered(
        transaction: &Transaction,
        bank: Option<u8>,
        walked: bool,
        result: Result<&Translation, Cause>,
        response: &Response,
    ) -> Self {
        let end = match response {
            Response::Abort => End::Abort,
            Response::Stall(_) => End::Stall,
            Response::Proceed(_) | Response::Ignore => End::Ignore,
        };
        let outcome = match result {
            Ok(translation) => Outcome::Translated {
                address: translation.address,
            },
            Err(cause) => Outcome::Refused { cause, end },
        };
        Self::Translation(Translated {
            origin: Origin::Client,
            transaction: *transaction,
            bank,
            walked,
            outcome,
        })
    }

    /// An address translation operation was answered.
    pub(crate) const fn operated(
        transaction: Transaction,
        bank: u8,
        walked: bool,
        result: Result<u64, Cause>,
    ) -> Self {
        let outcome = match result {
            Ok(address) => Outcome::Translated { address },
            Err(cause) => Outcome::Refused {
                cause,
                end: match cause {
                    Cause::Waiting => End::Stall,
                    Cause::Global(_) | Cause::Context { .. } | Cause::Blocked | Cause::Ended => End::Reported,
                },
            },
        };
        Self::Translation(Translated {
            origin: Origin::Operation,
            transaction,
            bank: Some(bank),
            walked,
            outcome,
        })
    }
}
