// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Faults: what can go wrong with a transaction, and how it shows in the registers.
//!
//! | fault | condition | bits | IHI 0062D |
//! | --- | --- | --- | --- |
//! | [`GlobalCause::UnidentifiedStream`] | no group matches the stream ID, `sCR0.USFCFG` = 1 | sGFSR.USF | §2.4.2 |
//! | [`GlobalCause::StreamMatchConflict`] | several do, `sCR0.SMCFCFG` = 1 | sGFSR.SMCF | §2.4.2 |
//! | [`GlobalCause::UnimplementedBank`] | S2CR or CBAR names a bank that does not exist | sGFSR.UCBF | §3.8.4 |
//! | [`GlobalCause::InvalidContext`] | S2CR.TYPE is fault or reserved; CBAR.TYPE cannot be used | sGFSR.ICF | §3.8.4 |
//! | [`ContextCause::Translation`] | nothing mapped, address out of range, walks disabled | FSR.TF | §3.5 |
//! | [`ContextCause::AddressSize`] | TTBR, table or output beyond the output size | FSR.ASF | Tables 3-3, 3-4 |
//! | [`ContextCause::AccessFlag`] | AF clear, `SCTLR.AFFD` = 0 | FSR.AFF | §3.5 |
//! | [`ContextCause::Permission`] | the mapping or a table above it forbids the access | FSR.PF | §3.5 |
//! | [`ContextCause::ExternalOnWalk`] | memory does not answer a walk | FSR.EF, FSYNR0.PTWF | §3.5 |
//! | [`Fault::Blocked`] | a fault is recorded, `SCTLR.HUPCF` = 0 | none | §3.7.3 |
//! | [`Fault::Waiting`] | a transaction is stalled, `SCTLR.HUPCF` = 0 | none | §3.7.3 |

use super::transaction::{Intent, Transaction};

/// Reason for which a transaction is not translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Before any context bank.
    Global(GlobalFault),
    /// In a context bank.
    Context(ContextFault),
    /// A context bank still holds an earlier fault and ends the transaction; nothing is recorded.
    Blocked {
        /// The bank.
        bank: u8,
    },
    /// A transaction is stalled in a context bank, and others wait; nothing is recorded.
    Waiting {
        /// The bank.
        bank: u8,
    },
}

/// A fault that sGFSR records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalFault {
    /// The fault.
    pub cause: GlobalCause,
    /// `sGFSYNR0.Nested`.
    pub nested: bool,
    /// The transaction as it arrived; its attributes are recorded without S2CR's overrides.
    pub transaction: Transaction,
}

/// Kinds of global faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GlobalCause {
    /// USF: the stream ID matches no group.
    UnidentifiedStream,
    /// SMCF: it matches several.
    StreamMatchConflict,
    /// UCBF: the context bank does not exist.
    UnimplementedBank,
    /// ICF: the stream is to fault, or the bank's type cannot be used.
    InvalidContext,
}

/// A fault that the FSR of a context bank records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextFault {
    /// The bank that records it.
    pub bank: u8,
    /// The fault.
    pub cause: ContextCause,
    /// Level of the walk, 0 to 3 (PLVL).
    pub level: u32,
    /// It is a fault of stage 2 of a nested translation, recorded in the stage 2 bank.
    pub nested: Option<NestedFault>,
    /// The access after S2CR's overrides.
    pub intent: Intent,
    /// The transaction as it arrived.
    pub transaction: Transaction,
}

/// Syndrome of a stage 2 fault of a nested translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NestedFault {
    /// The stage 1 bank (`FSYNR0.S1CBNDX`).
    pub stage1_bank: u8,
    /// The intermediate address; IPAFAR has it without the lower 12 bits, which are UNKNOWN there.
    pub ipa: u64,
    /// It was that of a stage 1 descriptor (`FSYNR0.S1PTWF`).
    pub stage1_walk: bool,
}

/// Kinds of context faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContextCause {
    /// TF: nothing is mapped there.
    Translation,
    /// ASF: an address does not fit into the output size.
    AddressSize,
    /// AFF: the access flag is clear.
    AccessFlag,
    /// PF: the mapping does not permit the access.
    Permission,
    /// EF: memory did not answer a table walk.
    ExternalOnWalk,
}

impl From<GlobalFault> for Fault {
    fn from(fault: GlobalFault) -> Self {
        Self::Global(fault)
    }
}

/// Reason for which an access was not translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A fault before any context bank.
    Global(GlobalCause),
    /// A fault in a context bank.
    Context {
        /// The fault.
        cause: ContextCause,
        /// Level of the walk.
        level: u32,
    },
    /// The bank holds an earlier fault.
    Blocked,
    /// A transaction is stalled in the bank.
    Waiting,
    /// It was stalled, and software or a reset ended it.
    Ended,
}

impl From<&Fault> for Cause {
    fn from(fault: &Fault) -> Self {
        match fault {
            Fault::Global(fault) => Self::Global(fault.cause),
            Fault::Context(fault) => Self::Context {
                cause: fault.cause,
                level: fault.level,
            },
            Fault::Blocked { .. } => Self::Blocked,
            Fault::Waiting { .. } => Self::Waiting,
        }
    }
}
