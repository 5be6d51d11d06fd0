// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Stop rules of a cell: its number of boots, its first hit, a sequential test. Of two cells: a test of their pairs.

use serde::{Deserialize, Serialize};

use super::class::Class;
use super::pairs::PairTest;
use crate::stats::sprt::{Decision, Sprt};

/// Rules that end a cell before its number of boots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// The first hit is the last boot.
    #[serde(default)]
    pub first_hit: bool,
    /// A sequential test decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sprt: Option<Sprt>,
    /// The run has two cells, and ends when their boots differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairTest>,
}

impl Stop {
    /// Whether the number of boots of a cell may depend on their outcomes.
    pub fn is_sequential(self) -> bool {
        self.first_hit || self.sprt.is_some() || self.pairs.is_some()
    }
}

/// Reason why a cell needs no further boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A hit was seen.
    FirstHit,
    /// The sequential test has found the rate low.
    SprtLow,
    /// The sequential test has found the rate high.
    SprtHigh,
    /// The pairs of this cell and the other have shown a difference.
    Differ,
    /// None of the first boots got as far as its first step.
    NotBooted,
}

/// Boots at the beginning of a cell none of which may get to its first step: later ones will not either.
const NOT_BOOTED: u32 = 3;

/// Votes of a cell's boots in their order, until a rule ends it.
#[derive(Debug, Clone, Default)]
pub struct Votes {
    /// Hits.
    pub hits: u32,
    /// Hits and clean boots.
    pub boots: u32,
    /// Boots in a row, from the first, that did not boot; none once one did.
    not_booted: Option<u32>,
    seen: bool,
    /// Rule that has ended the cell.
    pub ended: Option<Reason>,
}

impl Votes {
    /// Counts the next boot; of no effect once a rule has ended the cell. `booted` says whether the guest got to its
    /// first step.
    pub fn add(&mut self, class: Class, booted: bool, stop: Stop) {
        if self.ended.is_some() || class == Class::Infra {
            return;
        }
        let in_a_row = if self.seen { self.not_booted } else { Some(0) };
        self.seen = true;
        self.not_booted = in_a_row.filter(|_| !booted).map(|count| count + 1);
        if self.not_booted >= Some(NOT_BOOTED) {
            self.ended = Some(Reason::NotBooted);
            return;
        }
        match class {
            Class::Hit => self.hits += 1,
            Class::Clean => {}
            Class::OtherBug | Class::Inconclusive | Class::Infra => return,
        }
        self.boots += 1;
        if stop.first_hit && class == Class::Hit {
            self.ended = Some(Reason::FirstHit);
        } else if let Some(sprt) = stop.sprt {
            self.ended = sprt.decide(self.hits, self.boots).map(|decision| match decision {
                Decision::Low => Reason::SprtLow,
                Decision::High => Reason::SprtHigh,
            });
        }
    }
}
