// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The two stages of translation.

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

/// A translation stage, written as its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "u8", into = "u8"))]
pub enum Stage {
    /// Stage 1.
    First,
    /// Stage 2.
    Second,
}

impl TryFrom<u8> for Stage {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            1 => Ok(Self::First),
            2 => Ok(Self::Second),
            _ => Err("a stage is 1 or 2"),
        }
    }
}

impl From<Stage> for u8 {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::First => 1,
            Stage::Second => 2,
        }
    }
}
