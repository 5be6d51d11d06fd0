// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Comparison of a run with those of earlier nights: rates that changed, new titles, boots that say nothing.
//!
//! - A cell is compared with the last earlier run that has conclusive boots of it, if recipe text and accelerator are
//!   the ones of that run. The tests of all cells are one family.
//! - A title is new if no earlier run has it for the same kernel of the matrix; on the first night none is.
//! - Too many boots of a cell say nothing if those are more than a fifth, and three or more.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use super::text::p_value;
use super::{CellReport, Report, TitleReport};
use crate::boot::accel::Accel;
use crate::recipe::FindingKind;
use crate::report::date;
use crate::stats::boschloo::{self, Count};
use crate::stats::holm;

/// Probability of a false alarm in a night, over all cells: once in a hundred nights at most.
pub const ALPHA: f64 = 0.01;
/// Boots of a cell that may say nothing: this share, and fewer than so many.
const SILENT_SHARE: f64 = 0.2;
const SILENT_LEAST: u32 = 3;

/// An earlier run.
#[derive(Debug, Clone)]
pub struct Night {
    /// Directory of its results.
    pub dir: PathBuf,
    /// Its report.
    pub report: Report,
}

/// Results of a cell in one night.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Point {
    /// Start of the run, seconds since 1970.
    pub began: u64,
    /// Hits.
    pub hits: u32,
    /// Hits and clean boots.
    pub boots: u32,
    /// Release of the kernel.
    pub release: String,
    /// SHA-256 of its Image.
    pub image_sha256: String,
    /// SHA-256 of the recipe's text.
    pub recipe_sha256: String,
    /// QEMU's version.
    pub qemu: String,
    /// Accelerator of the guest's CPUs.
    pub accelerator: Accel,
}

/// Nights of a cell, this one last.
#[derive(Debug, Clone, Serialize)]
pub struct Trend {
    /// The cell's key.
    pub cell: String,
    /// The nights that have conclusive boots of it, in order.
    pub points: Vec<Point>,
    /// The last night whose rate differs from this one's at 5 %; absent if there is none.
    pub last_other: Option<u64>,
    /// The first night since then.
    pub first_such: Option<u64>,
    /// Comparison with the night before; absent if none can be compared.
    pub test: Option<Test>,
}

/// Comparison of a cell with an earlier night.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Test {
    /// Start of that run.
    pub night: u64,
    /// Two-sided p-value of the rates being equal.
    pub p: f64,
    /// That p-value, corrected for the number of cells.
    pub p_corrected: f64,
    /// Whether the rate changed beyond chance.
    pub changed: bool,
}

/// A title that no earlier run had for the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewTitle {
    /// Its kind.
    pub kind: FindingKind,
    /// Name of the trouble within its kind.
    pub title: String,
    /// Key of the first cell that shows it.
    pub cell: String,
    /// First boot of that cell that shows it.
    pub boot: u32,
}

/// A cell of which too many boots say nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Silent {
    /// The cell's key.
    pub cell: String,
    /// Boots that say nothing, of the guest.
    pub inconclusive: u32,
    /// Boots that QEMU, server or host failed.
    pub infra: u32,
    /// Boots of the cell.
    pub boots: u32,
}

/// Comparison of a run with earlier ones.
#[derive(Debug, Clone, Serialize)]
pub struct Changes {
    /// Starts of the earlier runs, in order.
    pub nights: Vec<u64>,
    /// Name of the test.
    pub test: &'static str,
    /// Name of the correction.
    pub correction: &'static str,
    /// Probability of a false alarm, over all cells.
    pub alpha: f64,
    /// Rates by night.
    pub trends: Vec<Trend>,
    /// New titles.
    pub new_titles: Vec<NewTitle>,
    /// Cells of which too many boots say nothing.
    pub silent: Vec<Silent>,
    /// Cells that the night before had boots of, and this one has none.
    pub missing: Vec<String>,
}

impl Changes {
    /// The comparison of a report with other nights, in any order. Later ones are left out.
    pub fn new(report: &Report, nights: &[Night]) -> Self {
        let began = report.began.unwrap_or(u64::MAX);
        let mut nights: Vec<&Report> = (nights.iter().map(|night| &night.report))
            .filter(|night| night.began.is_some_and(|other| other <= began))
            .collect();
        nights.sort_by_key(|night| night.began);
        let mut trends: Vec<Trend> = report
            .cells
            .iter()
            .filter_map(|cell| Trend::new(cell, began, &nights))
            .collect();
        correct(&mut trends);
        let last = nights.last().map_or(&[][..], |night| &night.cells);
        let has_boots = |cells: &[CellReport], key: &str| {
            cells
                .iter()
                .any(|cell| cell.part.key == key && cell.count().boots > 0)
        };
        let missing = last
            .iter()
            .map(|cell| &cell.part.key)
            .filter(|key| has_boots(last, key) && !has_boots(&report.cells, key));
        Self {
            test: boschloo::NAME,
            correction: holm::NAME,
            alpha: ALPHA,
            new_titles: new_titles(report, &nights),
            silent: report.cells.iter().filter_map(silent).collect(),
            missing: missing.cloned().collect(),
            nights: nights.iter().filter_map(|night| night.began).collect(),
            trends,
        }
    }

    /// Whether something is to be looked at.
    pub fn is_alarm(&self) -> bool {
        self.lines().next().is_some()
    }

    /// One line on the nights and on the outcome.
    pub fn summary(&self) -> String {
        let outcome = match self.lines().count() {
            0 => "nothing has changed".to_owned(),
            1 => "1 ALARM".to_owned(),
            alarms => format!("{alarms} ALARMS"),
        };
        let Some(last) = self.nights.last() else {
            return format!("First night, with nothing to be compared with: {outcome}.");
        };
        let tests = self.trends.iter().filter(|trend| trend.test.is_some()).count();
        let nights = match self.nights.len() {
            1 => "the night before".to_owned(),
            many => format!("{many} earlier nights, the last of them"),
        };
        format!(
            "Compared with {nights}, of {} ({}, two-sided; p corrected for {tests} cells by {}, alarms below {}): \
             {outcome}.",
            date::rfc3339(*last),
            self.test,
            self.correction,
            self.alpha
        )
    }

    /// Alarms, a line each.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.checks().into_iter().flat_map(|(_, alarms)| alarms)
    }

    /// Names of the checks, with the alarms of each, a line for one.
    pub fn checks(&self) -> [(&'static str, Vec<String>); 4] {
        let rates = self.trends.iter().filter_map(Trend::alarm);
        let titles = self.new_titles.iter().map(|new| {
            let (words, title) = (new.kind.words(), &new.title);
            format!("new title, {words} {title}: {} boot {}", new.cell, new.boot)
        });
        let silent = self.silent.iter().map(|silent| {
            format!(
                "too many boots say nothing, {}: {} inconclusive and {} infra of {}",
                silent.cell, silent.inconclusive, silent.infra, silent.boots
            )
        });
        let missing = self
            .missing
            .iter()
            .map(|cell| format!("no conclusive boots, {cell}: the night before had some"));
        [
            ("rates", rates.collect()),
            ("new titles", titles.collect()),
            ("boots that say nothing", silent.collect()),
            ("cells without boots", missing.collect()),
        ]
    }
}

impl Trend {
    /// Nights of a cell; none if this night has no conclusive boots of it.
    fn new(cell: &CellReport, began: u64, nights: &[&Report]) -> Option<Self> {
        let earlier = nights.iter().filter_map(|night| {
            let same = |other: &&CellReport| other.part.key == cell.part.key;
            Some(Point::new(night.cells.iter().find(same)?, night.began?))
        });
        let mut points: Vec<Point> = earlier.filter(|point| point.boots > 0).collect();
        let this = Some(Point::new(cell, began)).filter(|point| point.boots > 0)?;
        let last = points.last().filter(|point| this.is_comparable(point));
        let test = last.map(|before| Test {
            night: before.began,
            p: boschloo::differ(before.count(), this.count()),
            p_corrected: 1.0,
            changed: false,
        });
        let differs = |point: &Point| {
            this.is_comparable(point) && boschloo::differ(point.count(), this.count()) < super::ALPHA
        };
        let other = points.iter().rposition(differs);
        let next = other.map(|at| points.get(at + 1).map_or(began, |point| point.began));
        let last_other = other.and_then(|at| points.get(at)).map(|point| point.began);
        points.push(this);
        Some(Self {
            cell: cell.part.key.clone(),
            last_other,
            first_such: next,
            test,
            points,
        })
    }

    /// Line on a rate that changed beyond chance.
    fn alarm(&self) -> Option<String> {
        let test = self.test.as_ref().filter(|test| test.changed)?;
        let [.., before, this] = self.points.as_slice() else {
            return None;
        };
        let mut line = format!(
            "rate changed, {}: {}/{} on {}, {}/{} now, p {}, corrected {}",
            self.cell,
            before.hits,
            before.boots,
            date::rfc3339(before.began),
            this.hits,
            this.boots,
            p_value(test.p),
            p_value(test.p_corrected)
        );
        let other = this.differences(before);
        line.push_str("; ");
        line.push_str(&if other.is_empty() {
            "kernel, recipe and QEMU are the ones of that night".to_owned()
        } else {
            other.join(", ")
        });
        Some(line)
    }
}

impl Point {
    fn new(cell: &CellReport, began: u64) -> Self {
        let Count { hits, boots } = cell.count();
        Self {
            began,
            hits,
            boots,
            release: cell.part.release.clone(),
            image_sha256: cell.part.image_sha256.clone(),
            recipe_sha256: cell.part.recipe_sha256.clone(),
            qemu: cell.part.qemu.clone(),
            accelerator: cell.part.accelerator,
        }
    }

    fn count(&self) -> Count {
        Count {
            hits: self.hits,
            boots: self.boots,
        }
    }

    /// Whether the rates are of one recipe and accelerator.
    fn is_comparable(&self, other: &Self) -> bool {
        (&self.recipe_sha256, self.accelerator) == (&other.recipe_sha256, other.accelerator)
    }

    /// Differences of what was booted, beside the rate.
    fn differences(&self, before: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.release != before.release {
            found.push(format!(
                "the kernel was {} and is {}",
                before.release, self.release
            ));
        } else if self.image_sha256 != before.image_sha256 {
            found.push(format!("the kernel's Image is another one of {}", self.release));
        }
        if self.qemu != before.qemu {
            found.push(format!("QEMU was {} and is {}", before.qemu, self.qemu));
        }
        found
    }
}

/// Corrects the p-values of all cells.
fn correct(trends: &mut [Trend]) {
    let mut tests: Vec<&mut Test> = trends
        .iter_mut()
        .filter_map(|trend| trend.test.as_mut())
        .collect();
    let p: Vec<f64> = tests.iter().map(|test| test.p).collect();
    for (test, corrected) in tests.iter_mut().zip(holm::corrected(&p)) {
        test.p_corrected = corrected;
        test.changed = corrected < ALPHA;
    }
}

/// Titles of bugs that no recipe looks for, with their cells.
fn bugs(report: &Report) -> impl Iterator<Item = (&CellReport, &TitleReport)> {
    let of = |cell| CellReport::bugs(cell).map(move |title| (cell, title));
    report.cells.iter().flat_map(of)
}

fn new_titles(report: &Report, nights: &[&Report]) -> Vec<NewTitle> {
    if nights.is_empty() {
        return Vec::new();
    }
    let mut known: BTreeSet<(&str, FindingKind, &str)> = nights
        .iter()
        .flat_map(|night| bugs(night))
        .map(|(cell, title)| (cell.part.kernel.as_str(), title.kind, title.title.as_str()))
        .collect();
    let mut new = Vec::new();
    for (cell, title) in bugs(report) {
        if known.insert((&cell.part.kernel, title.kind, &title.title)) {
            new.push(NewTitle {
                kind: title.kind,
                title: title.title.clone(),
                cell: cell.part.key.clone(),
                boot: title.first_boot,
            });
        }
    }
    new
}

fn silent(cell: &CellReport) -> Option<Silent> {
    let boots = cell.counted();
    let silent = cell.inconclusive + cell.infra;
    let too_many = silent >= SILENT_LEAST && f64::from(silent) > f64::from(boots) * SILENT_SHARE;
    too_many.then(|| Silent {
        cell: cell.part.key.clone(),
        inconclusive: cell.inconclusive,
        infra: cell.infra,
        boots,
    })
}
