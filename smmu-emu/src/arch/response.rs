// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The answer of the SMMU to a transaction, which may be that it waits.

use super::transaction::{BankAccess, Transaction, Translation};

/// Answer to a client's transaction.
#[derive(Debug, PartialEq, Eq)]
pub enum Response {
    /// The access goes to memory.
    Proceed(Translation),
    /// The access ends with a bus error.
    Abort,
    /// The access seems to succeed: a read returns zero, a write is dropped (RAZ/WI).
    Ignore,
    /// The access waits for software; ask [`Smmu::resume`](crate::Smmu::resume).
    Stall(Stall),
}

impl Response {
    /// Answer to a transaction that ends with a fault: an abort if the fault's enable bit says so.
    pub(crate) const fn for_fault(abort: bool) -> Self {
        if abort { Self::Abort } else { Self::Ignore }
    }
}

/// A transaction that waits for software, and can be resumed once: [`Smmu::resume`](crate::Smmu::resume) takes it, and
/// gives it back while there is no decision. Dropping it forgets the transaction, not what the registers say of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Stall(
    // In a box: a response is copied at every access, and stalls are rare.
    pub(crate) Box<StalledAccess>,
);

/// The access of a stall.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StalledAccess {
    /// The bank that it waits for.
    pub(crate) bank: u8,
    /// Number of the stall, in the order in which they began.
    pub(crate) id: u64,
    /// The restored state to which it belongs.
    pub(crate) era: u64,
    pub(crate) access: BankAccess,
}

impl Stall {
    /// The context bank whose RESUME decides.
    #[must_use]
    pub const fn bank(&self) -> u8 {
        self.0.bank
    }

    /// The transaction, as it arrived.
    #[must_use]
    pub const fn transaction(&self) -> &Transaction {
        &self.0.access.transaction
    }
}
