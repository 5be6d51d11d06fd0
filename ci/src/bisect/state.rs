// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! State of a bisection: a directory with the recipe, and a journal with a line for the calibration and for each step.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use guest_images::packages::digest;
use serde::{Deserialize, Serialize};

use super::plan::Plan;
use crate::recipe::Start;
use crate::recipe::toml_file;
use crate::report::file_error::FileError;
use crate::report::journal::{Blank, Journal, JournalError};
use crate::report::results::ResultsError;

/// Version of the lines; it changes when a field changes its meaning or goes.
pub const SCHEMA: &str = "boot-stress/bisect/1";
/// File of the lines.
pub const LOG: &str = "bisect.ndjson";
/// File of the recipe: that of the tree may change from commit to commit.
const RECIPE: &str = "recipe.toml";

/// Source of a commit's kernel; paths begin at the current directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelSource {
    /// A kernel as `--kernel` takes it: an output of the build.
    Path(String),
    /// A file of the tree that names such a kernel.
    NamedIn(String),
}

/// Settings of all boots of a bisection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Kernel of each commit.
    pub kernel: KernelSource,
    /// Shell command that builds it, if it is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// SHA-256 of the recipe's text, hexadecimal.
    pub recipe_sha256: String,
    /// CPUs of the guests, if not those of the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u8>,
    /// Start of all boots.
    pub start: Start,
    /// Seed; each step derives its own.
    pub seed: u64,
}

/// Rate at the bad end, and the plan that follows from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of this program.
    pub version: String,
    /// Settings of all boots.
    pub subject: Subject,
    /// Commit of the bad end, if the current directory is of a git tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Hits at the bad end.
    pub hits: u32,
    /// Boots there that say something.
    pub boots: u32,
    /// Plan of the steps.
    pub plan: Plan,
}

/// Verdict on a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All boots were clean, and were enough.
    Good,
    /// A boot was a hit.
    Bad,
    /// The commit cannot be judged.
    Skip,
}

/// A commit that was judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its number, from 1.
    pub number: u32,
    /// The commit, if the current directory is of a git tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// Reason for which it cannot be judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Release of its kernel, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Hits.
    pub hits: u32,
    /// Clean boots.
    pub clean: u32,
    /// Bugs of its kernel that the recipe does not look for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
    /// Directory of its boots, below that of the state, if it was booted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
}

/// Directory of a bisection that is calibrated.
#[derive(Debug)]
pub struct State(Journal<Calibration, Step>);

/// Makes the directory of a bisection, with the recipe; the calibration makes it a [`State`].
///
/// # Errors
/// It is calibrated already, is in use, or cannot be written.
pub fn create(dir: &Path, recipe: &str) -> Result<Blank, JournalError> {
    let blank = Blank::create(dir, LOG)?;
    let path = recipe_path(blank.dir());
    fs::write(&path, recipe).map_err(|source| ResultsError::Write { path, source })?;
    Ok(blank)
}

impl State {
    /// Puts the calibration on disk.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin(blank: Blank, calibration: Calibration) -> Result<Self, JournalError> {
        Ok(Self(blank.begin(calibration)?))
    }

    /// Goes on with a bisection.
    ///
    /// # Errors
    /// There is none, it is in use, or was changed.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        let journal: Journal<Calibration, Step> = Journal::open(dir, LOG)?;
        let format = |path: PathBuf, problem: &str| {
            let problem = problem.to_owned();
            JournalError::from(FileError::Format { path, problem })
        };
        let Calibration { schema, plan, .. } = &journal.first;
        if schema != SCHEMA {
            let problem = format!("its schema is {schema:?}, and this version reads {SCHEMA:?}");
            return Err(format(dir.join(LOG), &problem));
        }
        plan.test
            .check()
            .map_err(|problem| format(dir.join(LOG), &problem))?;
        let recipe = recipe_path(dir);
        let text = toml_file::read_text(&recipe).map_err(|error| format(recipe.clone(), error.problem()))?;
        if digest::of_bytes(text.as_bytes()) != journal.first.subject.recipe_sha256 {
            let problem = "it is not the recipe that was calibrated; begin another bisection";
            return Err(format(recipe, problem));
        }
        Ok(Self(journal))
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        self.0.dir()
    }

    /// The calibration.
    pub fn calibration(&self) -> &Calibration {
        &self.0.first
    }

    /// The steps so far.
    pub fn steps(&self) -> &[Step] {
        &self.0.lines
    }

    /// Puts a step on disk; when this returns it may be told.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn record(&mut self, step: Step) -> Result<(), JournalError> {
        self.0.append(step)
    }

    /// Steps of a verdict so far.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.steps().iter().filter(|step| step.verdict == verdict).count()
    }

    /// Chance that a commit was called good so far that has the rate of the calibration.
    pub fn chance(&self) -> f64 {
        let good = self.steps().iter().filter(|step| step.verdict == Verdict::Good);
        good.map(|step| self.calibration().plan.wrong_good(step.clean))
            .sum::<f64>()
            .min(1.0)
    }
}

/// The recipe of a bisection.
pub fn recipe_path(dir: &Path) -> PathBuf {
    dir.join(RECIPE)
}
