// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Journal of a shrinking: the rate of the whole recipe, and each smaller one that was booted.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::recipe::Start;
use crate::report::file_error::FileError;
use crate::report::journal::{Journal, JournalError};
use crate::stats::rate::Rate;
use crate::stats::sprt::Sprt;
use crate::stress::stop::Stop;

/// Version of the lines; it changes when a field changes its meaning or goes.
pub const SCHEMA: &str = "boot-stress/shrink/1";
/// File of the lines.
pub const LOG: &str = "shrink.ndjson";

/// Recipe to shrink, how it is booted, and how often it hits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of this program.
    pub version: String,
    /// Text of the whole recipe.
    pub recipe: String,
    /// Kernel, as `--kernel` takes it.
    pub kernel: String,
    /// Start of all boots.
    pub start: Start,
    /// Boots of the whole recipe; those of each smaller one at most.
    pub boots: u32,
    /// Share of the whole recipe's rate that a smaller one keeps.
    pub share: f64,
    /// Seed of the work; that of every boot if these are deterministic.
    pub seed: u64,
    /// Whether boots of one seed are equal: one is enough for an answer.
    #[serde(default)]
    pub deterministic: bool,
    /// Hits of the whole recipe.
    pub hits: u32,
    /// Boots of the whole recipe that say something.
    pub conclusive: u32,
}

/// A smaller recipe that was booted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Its number, from 1.
    pub number: u32,
    /// SHA-256 of its text, hexadecimal.
    pub recipe_sha256: String,
    /// Parts that it lacks, of the smallest one before it.
    pub dropped: Vec<String>,
    /// Whether it still hits.
    pub hits_still: bool,
    /// Hits.
    pub hits: u32,
    /// Boots that say something.
    pub conclusive: u32,
    /// Reason why it does not count, if it has another one than its rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Decisions so far, by recipe.
#[derive(Debug)]
pub struct Decisions {
    journal: Journal<Baseline, Decision>,
    known: BTreeMap<String, bool>,
}

impl Decisions {
    /// Goes on with those in a directory.
    ///
    /// # Errors
    /// There are none, they are in use, or damaged.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        let journal: Journal<Baseline, Decision> = Journal::open(dir, LOG)?;
        if journal.first.schema != SCHEMA {
            let problem = format!(
                "its schema is {:?}, and this version reads {SCHEMA:?}",
                journal.first.schema
            );
            let path = dir.join(LOG);
            return Err(FileError::Format { path, problem }.into());
        }
        Ok(journal.into())
    }

    /// The whole recipe.
    pub fn baseline(&self) -> &Baseline {
        &self.journal.first
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        self.journal.dir()
    }

    /// Whether a recipe still hits, if it was booted.
    pub fn of(&self, recipe_sha256: &str) -> Option<bool> {
        self.known.get(recipe_sha256).copied()
    }

    /// Number of the next decision.
    pub fn next(&self) -> u32 {
        u32::try_from(self.journal.lines.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1)
    }

    /// Puts a decision on disk; when this returns it may count.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn record(&mut self, decision: Decision) -> Result<(), JournalError> {
        let (recipe, hits_still) = (decision.recipe_sha256.clone(), decision.hits_still);
        self.journal.append(decision)?;
        self.known.insert(recipe, hits_still);
        Ok(())
    }
}

impl From<Journal<Baseline, Decision>> for Decisions {
    fn from(journal: Journal<Baseline, Decision>) -> Self {
        let known = journal.lines.iter();
        let known = known
            .map(|decision| (decision.recipe_sha256.clone(), decision.hits_still))
            .collect();
        Self { journal, known }
    }
}

impl Baseline {
    /// Boots of a recipe at most.
    pub fn most(&self) -> u32 {
        if self.deterministic { 1 } else { self.boots }
    }

    /// Stop rule for a smaller recipe: none if its only boot decides; else the test whether its rate is rather `p1`,
    /// which the whole recipe has at least, or the share of it.
    ///
    /// # Errors
    /// No hit.
    pub fn stop(&self) -> Result<Stop, String> {
        let Self { hits, conclusive, .. } = self;
        let low = Rate::new(*hits, *conclusive).low;
        let test = Sprt {
            p0: low * self.share,
            p1: low,
            alpha: 0.05,
            beta: 0.05,
        };
        if test.check().is_err() {
            return Err(format!(
                "the recipe does not hit: {hits} of {conclusive} boots that say something"
            ));
        }
        Ok(Stop {
            sprt: (!self.deterministic).then_some(test),
            ..Stop::default()
        })
    }
}
