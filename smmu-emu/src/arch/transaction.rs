// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Transactions: the accesses of clients, as they arrive at the SMMU and leave it (IHI 0062D §1.6).

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

/// Kind of an access that a client makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Intent {
    /// Privileged rather than unprivileged (PNU).
    pub privileged: bool,
    /// Write rather than read (WNR).
    pub write: bool,
    /// Instruction fetch rather than data (IND); reads only.
    pub instruction: bool,
}

/// One access of a client, as it arrives at the SMMU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Transaction {
    /// Stream ID. Bits that the implementation does not have are ignored.
    pub stream_id: u16,
    /// Bus address, of which as many bits count as the bus has (`IDR2.UBS`).
    pub address: u64,
    /// Kind of the access.
    pub intent: Intent,
}

/// Destination of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Physical address.
    pub address: u64,
    /// Bytes from the address on for which the same translation holds.
    pub length: u64,
    /// Memory attributes, a byte of MAIR; 0 where neither tables nor registers choose any.
    pub attributes: u8,
    /// The context bank that translated it; `None` for bypass.
    pub bank: Option<u8>,
}

/// A transaction in its context bank: what the state machine of the bank starts with, and starts again with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BankAccess {
    /// The bank that S2CR names.
    pub(crate) bank: u8,
    /// The access after S2CR's overrides.
    pub(crate) intent: Intent,
    /// The transaction as it arrived.
    pub(crate) transaction: Transaction,
}

/// Bits of a bus address at most (IDR2.UBS = 5).
pub(crate) const BUS_BITS: u32 = 49;

/// Requester of a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client's transaction.
    Client,
    /// An address translation operation: it has no stream (`sGFSYNR0.ATS`, `FSYNR0.ATOF`).
    Operation,
}
