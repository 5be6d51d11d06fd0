// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Where the architectures differ: from what a CPU does to what an SMMU does. Every row of `docs/cpu-differences.md` that
//! says “mapped” is one here.

use super::case::{Case, Outcome};
use super::shape::Shape;

/// What the model has to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The same as the CPU.
    Same,
    /// Something else, by the difference of this name.
    Differs(&'static str, Outcome),
}

/// What an SMMU answers where a CPU answers `cpu`.
#[must_use]
pub fn of(_shape: Shape, _case: &Case, _cpu: Outcome) -> Expected {
    Expected::Same
}
