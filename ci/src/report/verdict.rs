// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Verdict of a run: as text for people, and as JSON with a schema version.

#[cfg(test)]
mod tests;
mod text;

use std::path::{Path, PathBuf};

use guest_images::machine::gic::Gic;
use serde::{Serialize, Serializer};

use crate::boot::accel::Accel;
use crate::boot::findings::{Finding, LateProbe};
use crate::boot::outcome::{BootReport, Console, GuestResult, Outcome, ServerMessage};
use crate::recipe::{ExpectBoots, Expectations, Recipe, Start};
use crate::stats::rate::Rate;
use crate::timeline::Made;

/// Version of the JSON form; it changes when a field changes its meaning or goes.
pub const SCHEMA: &str = "boot-stress/verdict/2";

/// Findings of a run that are kept.
const FINDINGS_MAX: usize = 512;
/// Boots not as expected, and results of steps, that are kept; `results.ndjson` has all.
const BOOTS_MAX: usize = 64;
const RESULTS_MAX: usize = 1024;
/// Messages of the server that are kept.
const MESSAGES_MAX: usize = 256;

/// The one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// As many boots were as expected as the recipe asks for.
    AsExpected,
    /// Every boot was conclusive, and too few were as expected; or one was not where every one has to be.
    NotAsExpected,
    /// Neither, and at least one boot says nothing.
    Inconclusive,
}

/// A kernel or a QEMU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Release or version.
    pub version: String,
    /// Source of it.
    pub source: String,
}

/// Recipe of a run.
#[derive(Debug, Clone, Serialize)]
pub struct RecipePart {
    /// Its name.
    pub name: String,
    /// Its summary.
    pub summary: String,
    /// Boots that have to be as expected.
    pub expect_boots: ExpectBoots,
}

/// One expectation, over all boots.
#[derive(Debug, Clone, Serialize)]
pub struct ExpectationPart {
    /// The expectation in words.
    pub text: String,
    /// The recipe's note on it.
    pub note: Option<String>,
    /// Boots that met it.
    pub met: u32,
    /// Boots that did not.
    pub broken: u32,
    /// Occurrences in all boots.
    pub count: u64,
    /// The first lines that fit, of one that looks for lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

/// A finding, over all boots.
#[derive(Debug, Clone, Serialize)]
pub struct FindingPart {
    /// Whether the recipe expects to see it.
    pub expected: bool,
    /// Boots that showed it.
    pub boots: u32,
    /// Number of the first of them, from 1.
    pub first_boot: u32,
    /// The finding, as the first of them showed it; its count is that of all boots.
    #[serde(flatten)]
    pub finding: Finding,
}

/// A late-probe warning and the boot that showed it.
#[derive(Debug, Clone, Serialize)]
pub struct Hit {
    /// Number of the boot, from 1.
    pub boot: u32,
    /// The warning.
    #[serde(flatten)]
    pub late: LateProbe,
}

/// A boot that says nothing, or that was not as expected.
#[derive(Debug, Clone, Serialize)]
pub struct Reason {
    /// Number of the boot, from 1.
    pub boot: u32,
    /// Why.
    pub reason: String,
    /// The last lines of its console.
    pub tail: Vec<String>,
}

/// A result of a step and the boot that showed it.
#[derive(Debug, Clone, Serialize)]
pub struct StepResult {
    /// Number of the boot, from 1.
    pub boot: u32,
    /// The result.
    #[serde(flatten)]
    pub result: GuestResult,
}

/// A message of the server and the boot in which it came.
#[derive(Debug, Clone, Serialize)]
pub struct Said {
    /// Number of the boot, from 1.
    pub boot: u32,
    /// The message.
    #[serde(flatten)]
    pub message: ServerMessage,
}

/// A deterministic boot and its console.
#[derive(Debug, Clone, Serialize)]
pub struct BootConsole {
    /// Number of the boot, from 1.
    pub boot: u32,
    /// The console.
    #[serde(flatten)]
    pub console: Console,
}

/// Trace of the last boot.
#[derive(Debug, Clone, Serialize)]
pub struct TracePart {
    /// Its file.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// Reason why it lacks something, if it does.
    pub incomplete: Option<String>,
}

/// Timeline of the last boot.
#[derive(Debug, Clone, Serialize)]
pub struct TimelinePart {
    /// Its file.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// Its properties.
    #[serde(flatten)]
    pub made: Made,
}

/// Verdict of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The one word; [`Word`] of the boots so far.
    pub verdict: Word,
    /// The recipe.
    pub recipe: RecipePart,
    /// The kernel.
    pub kernel: Part,
    /// QEMU.
    pub qemu: Part,
    /// Packages in the place of those of the lock file that the mirror no longer has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instead_of_locked: Vec<String>,
    /// CPUs of the guest.
    pub cpus: u8,
    /// Version of its interrupt controller.
    pub gic: Gic,
    /// Accelerator of its CPUs.
    pub accelerator: Accel,
    /// Start of each boot.
    pub start: Start,
    /// Snapshot that boots started from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// Seed of the run.
    pub seed: u64,
    /// Boots asked for at most.
    pub boots_wanted: u32,
    /// Boots as expected among the conclusive ones, with the 95 % interval of their share (Clopper-Pearson).
    pub rate: Rate,
    /// The recipe's expectations, in its order.
    pub expectations: Vec<ExpectationPart>,
    /// Everything found on the consoles; first what was expected.
    pub findings: Vec<FindingPart>,
    /// Boots that were not as expected.
    pub not_as_expected: Vec<Reason>,
    /// Boots that say nothing.
    pub inconclusive: Vec<Reason>,
    /// The late-probe warnings, with their traces.
    pub hits: Vec<Hit>,
    /// Results of the steps.
    pub step_results: Vec<StepResult>,
    /// Warnings and errors of the server.
    pub server_messages: Vec<Said>,
    /// Boots that were made twice, and were equal.
    #[serde(skip_serializing_if = "is_zero")]
    pub made_twice: u32,
    /// Consoles of deterministic boots, the first 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consoles: Vec<BootConsole>,
    /// Reason why the run ended before it had to.
    pub ended_early: Option<String>,
    /// Duration of the run in milliseconds, without fetching anything.
    pub elapsed_ms: u64,
    /// From the start to the end of the first boot that was as expected, in milliseconds.
    pub first_as_expected_ms: Option<u64>,
    /// Directory with `results.ndjson`.
    #[serde(serialize_with = "lossy")]
    pub results: PathBuf,
    /// Consoles kept.
    #[serde(serialize_with = "all_lossy")]
    pub files: Vec<PathBuf>,
    /// The trace that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<TracePart>,
    /// The timeline that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeline: Option<TimelinePart>,
    #[serde(skip)]
    expect: Expectations,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A path as text: JSON has no other bytes, and a verdict must not fail for want of them.
fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

fn all_lossy<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}

impl Verdict {
    /// A verdict on no boots yet.
    pub fn new(
        recipe: &Recipe,
        accelerator: Accel,
        kernel: Part,
        qemu: Part,
        seed: u64,
        boots_wanted: u32,
        results: PathBuf,
    ) -> Self {
        let expectation = |one: &crate::recipe::Expectation| ExpectationPart {
            text: one.to_string(),
            note: one.note.clone(),
            met: 0,
            broken: 0,
            count: 0,
            lines: Vec::new(),
        };
        Self {
            schema: SCHEMA,
            verdict: Word::Inconclusive,
            recipe: RecipePart {
                name: recipe.name.clone(),
                summary: recipe.summary.clone(),
                expect_boots: recipe.expect.boots,
            },
            kernel,
            qemu,
            instead_of_locked: Vec::new(),
            cpus: recipe.board.cpus,
            gic: recipe.board.gic(),
            accelerator,
            start: Start::default(),
            snapshot: None,
            seed,
            boots_wanted,
            rate: Rate::new(0, 0),
            expectations: recipe.expect.all.iter().map(expectation).collect(),
            findings: Vec::new(),
            not_as_expected: Vec::new(),
            inconclusive: Vec::new(),
            hits: Vec::new(),
            step_results: Vec::new(),
            server_messages: Vec::new(),
            made_twice: 0,
            consoles: Vec::new(),
            ended_early: None,
            elapsed_ms: 0,
            first_as_expected_ms: None,
            results,
            files: Vec::new(),
            trace: None,
            timeline: None,
            expect: recipe.expect.clone(),
        }
    }

    /// Counts a boot.
    pub fn add(&mut self, boot: u32, report: BootReport) {
        let BootReport {
            outcome,
            warnings: _,
            hits,
            findings,
            expectations,
            total_ms: _,
            boot_ms: _,
            results,
            tail,
            stderr_tail: _,
            console,
            trace: incomplete,
            server_messages,
        } = report;
        if let Some(trace) = &mut self.trace {
            trace.incomplete = incomplete;
        }
        let Rate {
            as_expected, boots, ..
        } = self.rate;
        match outcome {
            Outcome::AsExpected => self.rate = Rate::new(as_expected + 1, boots + 1),
            Outcome::NotAsExpected(reason) => {
                self.rate = Rate::new(as_expected, boots + 1);
                if self.not_as_expected.len() < BOOTS_MAX {
                    self.not_as_expected.push(Reason { boot, reason, tail });
                }
            }
            Outcome::Inconclusive(reason) | Outcome::NotBooted(reason) => {
                self.inconclusive.push(Reason { boot, reason, tail });
            }
        }
        for (sum, met) in self.expectations.iter_mut().zip(expectations) {
            sum.met += u32::from(met.met == Some(true));
            sum.broken += u32::from(met.met == Some(false));
            sum.count += u64::from(met.count);
            if sum.lines.is_empty() {
                sum.lines = met.lines;
            }
        }
        let console = console.filter(|_| self.consoles.len() < BOOTS_MAX);
        self.consoles
            .extend(console.map(|console| BootConsole { boot, console }));
        self.hits.extend(hits.into_iter().map(|late| Hit { boot, late }));
        let room = RESULTS_MAX.saturating_sub(self.step_results.len());
        let results = results.into_iter().take(room);
        self.step_results
            .extend(results.map(|result| StepResult { boot, result }));
        let room = MESSAGES_MAX.saturating_sub(self.server_messages.len());
        let messages = server_messages.into_iter().take(room);
        self.server_messages
            .extend(messages.map(|message| Said { boot, message }));
        for finding in findings {
            self.found(boot, finding);
        }
        // What was expected comes first, then kernel trouble, then the rest.
        self.findings
            .sort_by_key(|part| (!part.expected, !part.finding.kind.is_trouble(), part.finding.kind));
        self.verdict = self.word();
    }

    fn found(&mut self, boot: u32, finding: Finding) {
        let same = |known: &&mut FindingPart| {
            let known = &known.finding;
            (known.kind, &known.device, &known.title) == (finding.kind, &finding.device, &finding.title)
        };
        if let Some(known) = self.findings.iter_mut().find(same) {
            known.boots += 1;
            known.finding.count = known.finding.count.saturating_add(finding.count);
        } else if self.findings.len() < FINDINGS_MAX {
            self.findings.push(FindingPart {
                expected: self.expect.has_finding(finding.as_ref()),
                boots: 1,
                first_boot: boot,
                finding,
            });
        }
    }

    fn word(&self) -> Word {
        let Rate {
            as_expected, boots, ..
        } = self.rate;
        let all_say_something = self.inconclusive.is_empty() && boots > 0;
        match self.recipe.expect_boots {
            ExpectBoots::Some if as_expected > 0 => Word::AsExpected,
            ExpectBoots::Some if all_say_something => Word::NotAsExpected,
            ExpectBoots::Every if as_expected < boots => Word::NotAsExpected,
            ExpectBoots::Every if all_say_something => Word::AsExpected,
            ExpectBoots::Some | ExpectBoots::Every => Word::Inconclusive,
        }
    }

    /// Console of a deterministic boot, if it is among those that are kept.
    pub fn console_of(&self, boot: u32) -> Option<&Console> {
        let found = self.consoles.iter().find(|one| one.boot == boot)?;
        Some(&found.console)
    }

    /// Whether further boots cannot change the word.
    pub fn is_decided(&self) -> bool {
        match self.recipe.expect_boots {
            ExpectBoots::Some => self.verdict == Word::AsExpected,
            ExpectBoots::Every => self.verdict == Word::NotAsExpected,
        }
    }

    /// Boots so far.
    pub fn boots(&self) -> u32 {
        self.rate.boots + u32::try_from(self.inconclusive.len()).unwrap_or(u32::MAX)
    }
}
