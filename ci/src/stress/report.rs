// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Report of a stress run: rates with their intervals, comparisons with their tests.
//!
//! - [`text`]: for people. [`email`]: for a mailing list. [`html`]: a page.
//! - [`junit`], [`ktap`], [`kcidb`]: for other programs, a case for each cell.
//! - [`changes`]: comparison with earlier runs, which [`previous`] reads.
//! - [`evidence`]: findings of boots, from their directories.
//!
//! All forms are made of one [`Report`], which is the JSON form.

pub mod changes;
pub mod email;
pub mod evidence;
pub mod html;
pub mod junit;
pub mod kcidb;
pub mod ktap;
pub mod previous;
#[cfg(test)]
mod tests;
pub mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use super::class::Class;
use super::pairs::{self, Pairs};
use super::record::{CellPart, Header, Skipped};
use super::shard::Shard;
use super::stop::{Reason, Stop};
use super::store::Recorded;
use super::tally::{self, CellTally, tally};
use crate::recipe::{ExpectBoots, FindingKind};
use crate::stats::boschloo::{self, Count};
use crate::stats::rate::{self, clopper_pearson};
use crate::stats::{holm, sequence};
use changes::Changes;

/// Version of the JSON form; it changes when a field changes its meaning or goes.
pub const SCHEMA: &str = "boot-stress/report/1";
/// Intervals miss the rate with this probability at most.
const ALPHA: f64 = 0.05;

/// Answer for a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// A hit was seen where the recipe looks for one; none where there must be none.
    AsExpected,
    /// The other way round.
    NotAsExpected,
    /// Too few boots say something.
    Inconclusive,
    /// QEMU, server or host failed, and no boot says something.
    Infra,
}

impl Word {
    /// The word for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::AsExpected => "as expected",
            Self::NotAsExpected => "NOT as expected",
            Self::Inconclusive => "inconclusive",
            Self::Infra => "infra",
        }
    }
}

/// Answer for two cells that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairsWord {
    /// Their rates are two.
    Differ,
    /// All pairs were made, and showed no difference.
    NoDifference,
    /// Too few pairs say something.
    Inconclusive,
}

/// Interval of a rate, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// Probability with which it holds the rate, at least.
    pub level: f64,
    /// Name of the method.
    pub method: &'static str,
}

/// A finding over the boots of a cell.
#[derive(Debug, Clone, Serialize)]
pub struct TitleReport {
    /// Its kind.
    pub kind: FindingKind,
    /// Name of the trouble within its kind.
    pub title: String,
    /// Boots that showed it.
    pub boots: u32,
    /// The first of them.
    pub first_boot: u32,
    /// A bug of the kernel that the recipe does not look for.
    pub other_bug: bool,
}

/// Report of a cell.
#[derive(Debug, Clone, Serialize)]
pub struct CellReport {
    /// Kernel, recipe and machine.
    #[serde(flatten)]
    pub part: CellPart,
    /// The answer.
    pub word: Word,
    /// Boots that showed what is counted.
    pub hits: u32,
    /// Boots that got to their end and did not.
    pub clean: u32,
    /// Boots that another bug of the kernel ended.
    pub other_bug: u32,
    /// Boots that say nothing.
    pub inconclusive: u32,
    /// Boots that QEMU, server or host failed in all attempts.
    pub infra: u32,
    /// Attempts that failed so, also of boots that were made again.
    pub infra_attempts: u32,
    /// Boots that were under way when a stop rule ended the cell, and are in no other number.
    pub surplus: u32,
    /// Whether no more boots are to be made.
    pub complete: bool,
    /// Stop rules that have ended it, one for each shard.
    pub ended: Vec<Reason>,
    /// Hits among hits and clean boots; absent without any.
    pub share: Option<f64>,
    /// Interval of the rate.
    pub interval: Interval,
    /// Mean duration of a boot in seconds; absent without boots.
    pub mean_s: Option<f64>,
    /// Findings, by kind and title.
    pub titles: Vec<TitleReport>,
    /// The first reason of each class, with the number of its boot.
    pub reasons: BTreeMap<Class, (u32, String)>,
    /// Directories of the first hits and of boots with other bugs.
    pub dirs: Vec<String>,
}

/// Comparison of two kernels by one recipe.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Key of the cell with the kernel that the matrix names first.
    pub reference: String,
    /// Key of the other cell.
    pub cell: String,
    /// Two-sided p-value of the rates being equal.
    pub p: f64,
    /// That p-value, corrected for the number of comparisons.
    pub p_corrected: f64,
    /// Name of the test.
    pub test: &'static str,
    /// Name of the correction.
    pub correction: &'static str,
}

/// Comparison of two cells by the pairs of their boots.
#[derive(Debug, Clone, Serialize)]
pub struct PairsReport {
    /// Pairs of which both boots say something.
    pub conclusive: u32,
    /// Pairs of which the first cell's boot alone is a hit.
    pub first_only: u32,
    /// Pairs of which the second cell's boot alone is a hit.
    pub second_only: u32,
    /// p-value of the cells having one rate, valid at every number of pairs.
    pub p: f64,
    /// p-values up to this one are a difference.
    pub alpha: f64,
    /// Name of the test.
    pub test: &'static str,
    /// Whether a difference was found.
    pub differ: bool,
}

/// A bug that no recipe looks for, over all cells.
#[derive(Debug, Clone)]
pub struct OtherBug<'a> {
    /// Its kind.
    pub kind: FindingKind,
    /// Name of the trouble within its kind.
    pub title: &'a str,
    /// Boots that showed it.
    pub boots: u32,
    /// Cells that have such boots, and the first of each.
    pub cells: Vec<(&'a CellReport, u32)>,
}

/// Report of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Name of the matrix.
    pub name: String,
    /// Version of the program that has begun the run.
    pub version: String,
    /// Seed of the run.
    pub seed: u64,
    /// Boots of each cell at most.
    pub boots: u32,
    /// Rules that end a cell earlier.
    pub stop: Stop,
    /// Shards that are in it.
    pub shards: Vec<Shard>,
    /// Times that the run was begun and resumed.
    pub sessions: usize,
    /// First of these times, seconds since 1970; absent if it is not recorded.
    pub began: Option<u64>,
    /// Whether all cells are complete.
    pub complete: bool,
    /// Lines of the results that cannot be read.
    pub damaged_lines: u32,
    /// Cells.
    pub cells: Vec<CellReport>,
    /// Cells that were left out.
    pub skipped: Vec<Skipped>,
    /// Comparisons of kernels; none if a stop rule makes the number of boots depend on their outcomes.
    pub comparisons: Vec<Comparison>,
    /// Comparison of the two cells of a run that ends when they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairsReport>,
    /// Comparison with earlier runs, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
}

impl Report {
    /// The report on what was recorded.
    pub fn new(recorded: &Recorded) -> Self {
        let header = &recorded.header;
        let cells: Vec<CellReport> = tally(header, &recorded.boots)
            .into_iter()
            .map(|(part, tally)| CellReport::new(header, part, tally))
            .collect();
        Self {
            schema: SCHEMA,
            name: header.name.clone(),
            version: header.version.clone(),
            seed: header.seed,
            boots: header.boots,
            stop: header.stop,
            shards: header.shards.clone(),
            sessions: recorded.sessions.len(),
            began: recorded.sessions.iter().map(|session| session.time).min(),
            complete: cells.iter().all(|cell| cell.complete),
            damaged_lines: recorded.damaged,
            comparisons: if header.stop.is_sequential() {
                Vec::new()
            } else {
                comparisons(&cells)
            },
            pairs: tally::pairs(header, &recorded.boots)
                .zip(header.stop.pairs)
                .map(|(pairs, test)| PairsReport::new(&pairs, test.alpha)),
            cells,
            skipped: header.skipped.clone(),
            changes: None,
        }
    }

    /// Bugs that no recipe looks for, by kind and title.
    pub fn other_bugs(&self) -> Vec<OtherBug<'_>> {
        let mut bugs: BTreeMap<(FindingKind, &str), OtherBug<'_>> = BTreeMap::new();
        for cell in &self.cells {
            for TitleReport {
                kind,
                title,
                boots,
                first_boot,
                ..
            } in cell.bugs()
            {
                let bug = bugs.entry((*kind, title)).or_insert(OtherBug {
                    kind: *kind,
                    title,
                    boots: 0,
                    cells: Vec::new(),
                });
                bug.boots += boots;
                bug.cells.push((cell, *first_boot));
            }
        }
        bugs.into_values().collect()
    }

    /// The answer for all cells: that of the worst.
    pub fn word(&self) -> Word {
        let words = || self.cells.iter().map(|cell| cell.word);
        // Something that was seen outweighs what says nothing.
        if words().any(|word| word == Word::NotAsExpected) {
            return Word::NotAsExpected;
        }
        words().max().unwrap_or(Word::Inconclusive)
    }
}

impl PairsReport {
    fn new(pairs: &Pairs, alpha: f64) -> Self {
        Self {
            conclusive: pairs.conclusive,
            first_only: pairs.first_only,
            second_only: pairs.second_only,
            p: pairs.p,
            alpha,
            test: pairs::NAME,
            differ: pairs.ended_at.is_some(),
        }
    }

    /// The answer, with the report that it is of.
    pub fn word(&self, report: &Report) -> PairsWord {
        if self.differ {
            PairsWord::Differ
        } else if report.complete && self.conclusive >= report.boots.div_ceil(2) {
            PairsWord::NoDifference
        } else {
            PairsWord::Inconclusive
        }
    }
}

impl CellReport {
    /// Titles of bugs that its recipe does not look for.
    pub fn bugs(&self) -> impl Iterator<Item = &TitleReport> {
        self.titles.iter().filter(|title| title.other_bug)
    }

    /// Hits, and boots that say something: what a rate is made of.
    pub fn count(&self) -> Count {
        Count {
            hits: self.hits,
            boots: self.hits + self.clean,
        }
    }

    /// Boots that are in a number of it.
    pub fn counted(&self) -> u32 {
        self.hits + self.clean + self.other_bug + self.inconclusive + self.infra
    }

    fn new(header: &Header, part: &CellPart, tally: CellTally) -> Self {
        let (hits, boots) = (tally.of(Class::Hit), tally.conclusive());
        let counted: u32 = tally.classes.values().sum();
        // A number of boots that was fixed beforehand has the exact interval; any other one may depend on what was
        // seen.
        let is_fixed = tally.complete && !header.stop.is_sequential();
        let ((low, high), method) = if is_fixed {
            (clopper_pearson(hits, boots, ALPHA), rate::NAME)
        } else {
            (sequence::interval(hits, boots, ALPHA), sequence::NAME)
        };
        let titles = tally.titles.iter().map(|((kind, title), seen)| TitleReport {
            kind: *kind,
            title: title.clone(),
            boots: seen.boots,
            first_boot: seen.first,
            other_bug: seen.other_bug,
        });
        #[expect(clippy::cast_precision_loss, reason = "durations for people")]
        let total_s = tally.total_ms as f64 / 1000.0;
        Self {
            part: part.clone(),
            word: word(part.expect_boots, &tally),
            hits,
            clean: tally.of(Class::Clean),
            other_bug: tally.of(Class::OtherBug),
            inconclusive: tally.of(Class::Inconclusive),
            infra: tally.of(Class::Infra),
            infra_attempts: tally.infra_attempts,
            surplus: tally.surplus,
            complete: tally.complete,
            share: (boots > 0).then(|| f64::from(hits) / f64::from(boots)),
            interval: Interval {
                low,
                high,
                level: 1.0 - ALPHA,
                method,
            },
            mean_s: (counted > 0).then(|| total_s / f64::from(counted)),
            titles: titles.collect(),
            dirs: tally.dirs.into_iter().map(|(_, _, dir)| dir).collect(),
            ended: tally.ended,
            reasons: tally.reasons,
        }
    }
}

fn word(expect: ExpectBoots, tally: &CellTally) -> Word {
    let (hits, conclusive) = (tally.of(Class::Hit), tally.conclusive());
    let silent = tally.of(Class::OtherBug) + tally.of(Class::Inconclusive);
    // That there is no hit is an answer if all boots were made, and at least half of them say something.
    let is_answer = tally.complete && conclusive > 0 && conclusive >= silent;
    match expect {
        ExpectBoots::Some if hits > 0 => Word::AsExpected,
        ExpectBoots::Every if hits > 0 => Word::NotAsExpected,
        ExpectBoots::Some if is_answer => Word::NotAsExpected,
        ExpectBoots::Every if is_answer => Word::AsExpected,
        _ if conclusive + silent == 0 && tally.infra_attempts > 0 => Word::Infra,
        ExpectBoots::Some | ExpectBoots::Every => Word::Inconclusive,
    }
}

/// Each cell against the one of the same recipe on the first kernel.
fn comparisons(cells: &[CellReport]) -> Vec<Comparison> {
    let same = |a: &CellPart, b: &CellPart| {
        let of = |part: &CellPart| (part.recipe.clone(), part.change.clone(), part.cpus, part.start);
        of(a) == of(b) && a.kernel != b.kernel
    };
    let mut found = Vec::new();
    for (at, cell) in cells.iter().enumerate() {
        let before = cells.iter().take(at).find(|other| same(&other.part, &cell.part));
        let Some(reference) = before.filter(|other| other.count().boots > 0 && cell.count().boots > 0) else {
            continue;
        };
        found.push(Comparison {
            reference: reference.part.key.clone(),
            cell: cell.part.key.clone(),
            p: boschloo::differ(reference.count(), cell.count()),
            p_corrected: 1.0,
            test: boschloo::NAME,
            correction: holm::NAME,
        });
    }
    let p: Vec<f64> = found.iter().map(|one| one.p).collect();
    for (one, corrected) in found.iter_mut().zip(holm::corrected(&p)) {
        one.p_corrected = corrected;
    }
    found
}
