// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Transactions that wait for a bank, as a value.

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::{KEPT, StallOutcome, Waiters};

/// Waiters of a bank that were saved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub(crate) struct SavedWaiters {
    recorded: Option<u64>,
    decided: Vec<(u64, Option<StallOutcome>)>,
    off_before: u64,
}

impl Waiters {
    /// The waiters as a value; `None` if there have never been any.
    pub(crate) fn save(&self) -> Option<SavedWaiters> {
        let Self {
            recorded,
            decided,
            off_before,
        } = self;
        let any = recorded.is_some() || !decided.is_empty() || *off_before != 0;
        any.then(|| SavedWaiters {
            recorded: *recorded,
            decided: decided.to_vec(),
            off_before: *off_before,
        })
    }
}

impl SavedWaiters {
    /// The waiters that were saved, `next` being the number of the next transaction; `None` if there can be none like
    /// these.
    pub(crate) fn restored(&self, next: u64) -> Option<Waiters> {
        let ends = self.decided.iter().map(|(end, _)| *end);
        let possible = self.decided.len() <= KEPT
            && self.recorded.is_none_or(|number| number < next)
            && ends.clone().is_sorted_by(|a, b| a < b)
            && ends.chain([self.off_before]).all(|end| end <= next);
        possible.then(|| Waiters {
            recorded: self.recorded,
            decided: self.decided.iter().copied().collect(),
            off_before: self.off_before,
        })
    }
}
