// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Reports of what the plan did.

use crate::arch::line::Line;
use crate::plan::{InjectionKind, Site};

/// A rule of the plan hit an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Injected {
    /// Effect of the rule.
    pub what: Injection,
    /// Number of the rule in its family, as in [`crate::Progress`].
    pub rule: u64,
    /// Number of the operation, of those that the rule is for, from 1 since the rule began: what `nth` of a rule
    /// replays.
    pub operation: u64,
    /// Detail of the log (`verbose`).
    pub verbose: u8,
    /// The operation.
    pub at: InjectionPoint,
}

/// An injection: what a rule did to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injection {
    /// It made it late.
    Delay(Site),
    /// It made it go wrong.
    Error(InjectionKind),
}

/// An operation that rules are for, as far as there is something to say of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InjectionPoint {
    /// The context bank.
    pub bank: Option<u8>,
    /// The stream.
    pub stream: Option<u16>,
    /// The bus address; of a TLB entry its input address.
    pub address: Option<u64>,
    /// Physical address of the descriptor.
    pub descriptor: Option<u64>,
    /// The register.
    pub register: Option<&'static str>,
    /// The `n` of its name.
    pub index: Option<u16>,
    /// The line.
    pub line: Option<Line>,
}

/// Delay of the reply to a register access, whose effect was at once. The host waits when it has let go of the SMMU.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DelayedReply {
    /// The time of [`Host::now`] at which it ends.
    ///
    /// [`Host::now`]: crate::Host::now
    pub deadline: u64,
    /// The mark that ends it earlier.
    pub mark: Option<String>,
    /// The register.
    pub register: &'static str,
}
