// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Edges of the delays with which a recipe shows what it looks for, found by bisection in deterministic boots.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Run, RunError, RunOptions, TraceFile, run};
use crate::recipe::{Recipe, Start};
use crate::report::journal::{Blank, Journal, JournalError};
use crate::report::progress::Progress;
use crate::report::results::Keep;
use crate::report::verdict::Word;
use crate::setup::environment::Environment;

/// Version of the lines, and of the JSON form of the result.
pub const SCHEMA: &str = "boot-stress/window/1";
/// File of the boots, in the directory of the results.
const FILE: &str = "window.ndjson";
/// Most polls that are tried.
pub const MOST: u32 = 1 << 16;

/// Identity of a search: it is gone on with only by one that has the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// [`SCHEMA`].
    pub schema: String,
    /// SHA-256 of the recipe's text, hexadecimal.
    pub recipe_sha256: String,
    /// Release of the kernel.
    pub release: String,
    /// SHA-256 of its Image, hexadecimal.
    pub image_sha256: String,
    /// QEMU's version.
    pub qemu: String,
    /// CPUs of the guest.
    pub cpus: u8,
    /// Seed of each boot.
    pub seed: u64,
    /// Start of each boot.
    pub start: Start,
}

/// A boot with another number of polls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Boot {
    /// Number of the delay.
    delay: usize,
    /// Its polls; 0 without it.
    polls: u32,
    /// It was as the recipe expects.
    as_expected: bool,
    /// SHA-256 of its console, hexadecimal.
    console_sha256: Option<String>,
}

impl Boot {
    fn answer(&self) -> Answer {
        Answer {
            as_expected: self.as_expected,
            console: self.console_sha256.clone(),
        }
    }
}

/// A delay in polls of a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delay {
    /// Its number among the delays in polls of the recipe, from 1.
    pub number: usize,
    /// Name of its SMMU.
    pub smmu: String,
    /// Operation that is late.
    pub site: &'static str,
    /// Polls in the recipe.
    pub polls: u32,
    /// Place among the SMMUs of the recipe, and among the delays of that one.
    #[serde(skip)]
    at: (usize, usize),
}

/// Numbers of polls with which boots are as expected: all from `first` to `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Edges {
    /// The least; 0 if they are without the delay, too.
    pub first: u32,
    /// The most; absent if there was none up to the most that was tried.
    pub last: Option<u32>,
    /// Number from which on boots are equal, whatever the number: the kernel waits no longer.
    pub equal_from: Option<u32>,
}

/// Answer of one boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// It was as the recipe expects.
    pub as_expected: bool,
    /// Hash of its console, if it has one.
    pub console: Option<String>,
}

/// Result for one delay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Window {
    /// The delay.
    #[serde(flatten)]
    pub delay: Delay,
    /// Its edges; absent if the boot with the recipe's own polls is not as expected.
    pub edges: Option<Edges>,
    /// Boots that it took.
    pub boots: usize,
}

/// Reason why there is no window.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    /// A boot has no verdict.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A boot says nothing.
    #[error("the boot with {polls} polls says nothing: {reason}")]
    Inconclusive {
        /// Its polls.
        polls: u32,
        /// Why.
        reason: String,
    },
    /// The journal of the search.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The directory has the results of another search.
    #[error("{} is of another recipe, kernel, QEMU, seed or start; choose another directory with --results DIR",
            .0.display())]
    Other(PathBuf),
}

/// Delays in polls of a recipe, in its order.
pub fn delays(recipe: &Recipe) -> Vec<Delay> {
    let mut delays = Vec::new();
    for (of_smmu, smmu) in recipe.smmus.iter().enumerate() {
        for (of_delay, rule) in smmu.delays.iter().enumerate() {
            if let Some(polls) = rule.polls {
                delays.push(Delay {
                    number: delays.len() + 1,
                    smmu: smmu.name.clone(),
                    site: rule.site.name(),
                    polls,
                    at: (of_smmu, of_delay),
                });
            }
        }
    }
    delays
}

/// The recipe with another number of polls of a delay; without the delay for 0.
fn with_polls(recipe: &Recipe, delay: &Delay, polls: u32) -> Recipe {
    let mut recipe = recipe.clone();
    let (of_smmu, of_delay) = delay.at;
    if let Some(smmu) = recipe.smmus.get_mut(of_smmu) {
        if polls == 0 {
            smmu.delays.remove(of_delay);
        } else if let Some(rule) = smmu.delays.get_mut(of_delay) {
            rule.polls = Some(polls);
        }
    }
    recipe
}

/// Finds the edges around `own` of a range without a gap in which boots are as expected. `None` if the one of `own` is
/// not.
///
/// # Errors
/// Those of `boot`.
pub fn edges<E>(
    own: u32,
    most: u32,
    mut boot: impl FnMut(u32) -> Result<Answer, E>,
) -> Result<Option<Edges>, E> {
    let mut before = boot(own)?;
    if !before.as_expected {
        return Ok(None);
    }
    let first = if boot(0)?.as_expected {
        0
    } else {
        between(own, 0, &mut boot)?
    };
    let mut edges = Edges {
        first,
        last: None,
        equal_from: None,
    };
    let mut polls = own;
    while polls < most {
        let next = polls.saturating_mul(2).clamp(1, most);
        let answer = boot(next)?;
        if !answer.as_expected {
            edges.last = Some(between(polls, next, &mut boot)?);
            break;
        }
        if answer.console.is_some() && answer.console == before.console {
            edges.equal_from = Some(polls);
            break;
        }
        (polls, before) = (next, answer);
    }
    Ok(Some(edges))
}

/// The number next to those whose boots are not as expected, between one whose boot is and one whose boot is not.
fn between<E>(
    mut good: u32,
    mut bad: u32,
    boot: &mut impl FnMut(u32) -> Result<Answer, E>,
) -> Result<u32, E> {
    while good.abs_diff(bad) > 1 {
        let middle = good.midpoint(bad);
        if boot(middle)?.as_expected {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Ok(good)
}

/// A search for windows.
#[derive(Debug)]
pub struct Search<'a> {
    /// Options of each boot, but for its recipe and its results.
    pub options: RunOptions,
    /// Kernel, QEMU and programs.
    pub environment: &'a Environment,
    /// This program, with its hidden subcommands.
    pub helper: &'a Path,
    /// Directory of the results; a search that was ended goes on from there.
    pub dir: PathBuf,
    /// Most polls to try.
    pub most: u32,
}

impl Search<'_> {
    /// Finds the edges of a recipe's delays.
    ///
    /// # Errors
    /// [`WindowError`]
    pub fn run(
        &self,
        identity: &Identity,
        delays: &[Delay],
        progress: &mut Progress,
    ) -> Result<Vec<Window>, WindowError> {
        let mut journal = self.journal(identity)?;
        let mut windows = Vec::new();
        for delay in delays {
            let mut taken = 0;
            let found = edges(delay.polls, self.most, |polls| {
                taken += 1;
                let known = |boot: &&Boot| (boot.delay, boot.polls) == (delay.number, polls);
                if let Some(known) = journal.lines.iter().find(known) {
                    return Ok::<_, WindowError>(known.answer());
                }
                let boot = self.boot(delay, polls, progress)?;
                let answer = boot.answer();
                journal.append(boot)?;
                Ok(answer)
            })?;
            windows.push(Window {
                delay: delay.clone(),
                edges: found,
                boots: taken,
            });
        }
        Ok(windows)
    }

    /// Begins the journal, or goes on with the one that is there.
    fn journal(&self, identity: &Identity) -> Result<Journal<Identity, Boot>, WindowError> {
        let path = self.dir.join(FILE);
        // A search that was killed before its first line has left an empty file.
        if fs::metadata(&path).map_or(0, |file| file.len()) == 0 {
            return Ok(Blank::create(&self.dir, FILE)?.begin(identity.clone())?);
        }
        let journal = Journal::open(&self.dir, FILE)?;
        if journal.first == *identity {
            Ok(journal)
        } else {
            Err(WindowError::Other(path))
        }
    }

    /// Makes a boot.
    fn boot(&self, delay: &Delay, polls: u32, progress: &mut Progress) -> Result<Boot, WindowError> {
        let options = RunOptions {
            recipe: with_polls(&self.options.recipe, delay, polls),
            results: Some(self.dir.join(format!("delay-{}-polls-{polls}", delay.number))),
            ..self.options.clone()
        };
        // Of a boot that was cut short.
        let _ = options.results.as_ref().map(fs::remove_dir_all);
        progress.line(&format!("delay {} with {polls} polls", delay.number));
        let Run { verdict, broken, .. } = run(&options, self.environment, self.helper, progress)?;
        if let Some(error) = broken {
            return Err(error.into());
        }
        if verdict.verdict == Word::Inconclusive {
            let reason = verdict.inconclusive.first().map(|boot| boot.reason.clone());
            let reason = reason.unwrap_or_default();
            return Err(WindowError::Inconclusive { polls, reason });
        }
        Ok(Boot {
            delay: delay.number,
            polls,
            as_expected: verdict.verdict == Word::AsExpected,
            console_sha256: verdict.console_of(1).map(|console| console.sha256.clone()),
        })
    }
}

/// Options of the boots of a search: one deterministic boot of a seed at a time.
pub fn options(recipe: Recipe, start: Start, seed: u64, allowed: host_guard::confine::Places) -> RunOptions {
    RunOptions {
        recipe,
        boots: 1,
        start,
        until_hit: false,
        seed: Some(seed),
        timeout: None,
        keep: Keep::All,
        results: None,
        trace: TraceFile::None,
        timeline: None,
        allowed,
        twice: false,
    }
}
