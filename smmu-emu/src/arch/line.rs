// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Interrupt outputs.

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

/// An interrupt output of the SMMU.
///
/// SMMUv2 has two logical global pins, `NSgIrpt` and `NSgCfgIrpt`; boards wire them together
/// and so does this model. Every context bank has a pin of its own; in SMMUv1 software chooses the pin of each bank
/// (`CBARn.IRPTNDX`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Line {
    /// Global faults: `NSgIrpt` or `NSgCfgIrpt`.
    Global,
    /// The context interrupt with this index: the bank's, or in SMMUv1 that of every bank with this `CBARn.IRPTNDX`.
    Context(u8),
    /// Overflow of an event counter of the group with this index.
    Pmu(u8),
}

/// The kinds of interrupt outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum LineKind {
    /// [`Line::Global`].
    Global,
    /// [`Line::Context`].
    Context,
    /// [`Line::Pmu`].
    Pmu,
}

impl Line {
    /// Kind of the line, and its number: a context interrupt or counter group.
    #[must_use]
    pub const fn kind(self) -> (LineKind, u8) {
        match self {
            Self::Global => (LineKind::Global, 0),
            Self::Context(number) => (LineKind::Context, number),
            Self::Pmu(group) => (LineKind::Pmu, group),
        }
    }
}
