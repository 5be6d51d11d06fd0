// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A report as one page of HTML that needs nothing else: no script, no font, no image from anywhere.
//!
//! The template escapes every text. Links lead to files of the results, below the directory that the page is kept in.

mod chart;
mod lanes;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;

use self::chart::{Chart, Sample};
use self::lanes::Lanes;
use super::changes::{Point, Trend};
use super::evidence::Evidence;
use super::text::{self, interval, p_value, percent};
use super::{ALPHA, CellReport, Comparison, OtherBug, Report, Word};
use crate::report::date;
use crate::stats::boschloo::Count;

/// Cells, and boots with their evidence, that are shown at most: a page is for people.
const TRENDS_MAX: usize = 200;
const EVIDENCE_MAX: usize = 60;

/// The page.
#[derive(Debug, Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    evidence: Vec<Shown<'a>>,
    began: String,
    answers: String,
    boots: u32,
    alarms: Vec<String>,
    summary: Option<String>,
    kernels: Vec<&'a str>,
    rows: Vec<Row<'a>>,
    methods: String,
    counted: BTreeMap<&'a str, &'a str>,
    comparisons: Vec<Compared<'a>>,
    delays: Vec<Chart>,
    trends: Vec<TrendView>,
    bugs: Vec<Bug<'a>>,
}

/// A boot with its evidence.
#[derive(Debug)]
struct Shown<'a> {
    of: &'a Evidence,
    lanes: Option<Lanes>,
}

/// A row of the matrix: a recipe on all kernels.
#[derive(Debug)]
struct Row<'a> {
    name: String,
    note: String,
    cells: Vec<Option<CellView<'a>>>,
}

/// A cell of the matrix.
#[derive(Debug)]
struct CellView<'a> {
    cell: &'a CellReport,
    kernel: &'a str,
    class: &'static str,
    rate: String,
    interval: String,
    /// Its interval and its share in a bar of 100 units.
    low: f64,
    high: f64,
    share: Option<f64>,
    /// Boots that are in no rate.
    others: String,
}

/// A comparison of two kernels.
#[derive(Debug)]
struct Compared<'a> {
    one: &'a Comparison,
    p: String,
    differ: bool,
}

/// Nights of a cell.
#[derive(Debug)]
struct TrendView {
    chart: Chart,
    changed: bool,
    /// The last night with another rate and the first with this one.
    since: Option<(String, String)>,
}

/// A bug that no recipe looks for.
#[derive(Debug)]
struct Bug<'a> {
    bug: OtherBug<'a>,
    is_new: bool,
}

/// The page of a report, with evidence of its boots.
///
/// # Errors
/// The template cannot be filled in.
pub fn page<'a>(report: &'a Report, evidence: &'a [Evidence]) -> Result<String, askama::Error> {
    let mut kernels: Vec<&str> = Vec::new();
    for cell in &report.cells {
        if !kernels.contains(&cell.part.kernel.as_str()) {
            kernels.push(&cell.part.kernel);
        }
    }
    let changes = report.changes.as_ref();
    let methods: BTreeSet<&str> = report.cells.iter().map(|cell| cell.interval.method).collect();
    let is_new = |bug: &OtherBug<'_>| {
        let new = changes.map_or(&[][..], |changes| &changes.new_titles);
        new.iter()
            .any(|new| (new.kind, new.title.as_str()) == (bug.kind, bug.title))
    };
    let compared = |one: &'a Comparison| Compared {
        one,
        p: p_value(one.p_corrected),
        differ: one.p_corrected < ALPHA,
    };
    let page = Page {
        began: report.began.map(date::rfc3339).unwrap_or_default(),
        answers: text::answers(report),
        boots: report.cells.iter().map(CellReport::counted).sum(),
        alarms: changes
            .map(|changes| changes.lines().collect())
            .unwrap_or_default(),
        summary: changes.map(|changes| changes.summary()),
        rows: rows(report, &kernels),
        kernels,
        methods: methods.into_iter().collect::<Vec<_>>().join(", "),
        counted: (report.cells.iter())
            .map(|cell| (cell.part.recipe.as_str(), cell.part.counted.as_str()))
            .collect(),
        comparisons: report.comparisons.iter().map(compared).collect(),
        delays: delays(report),
        trends: changes.map_or_else(Vec::new, |changes| trends(&changes.trends)),
        bugs: (report.other_bugs().into_iter())
            .map(|bug| Bug {
                is_new: is_new(&bug),
                bug,
            })
            .collect(),
        evidence: (evidence.iter().take(EVIDENCE_MAX))
            .map(|of| Shown {
                lanes: of.timeline.as_ref().and_then(Lanes::of),
                of,
            })
            .collect(),
        report,
    };
    page.render()
}

/// Name of a row, which all kernels have, and what is told apart by it.
fn row_of(cell: &CellReport) -> (String, String) {
    let part = &cell.part;
    (
        part.changed_recipe(),
        format!("{} CPUs, {} start", part.cpus, part.start),
    )
}

fn rows<'a>(report: &'a Report, kernels: &[&'a str]) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    for cell in &report.cells {
        let (name, note) = row_of(cell);
        let at = rows
            .iter()
            .position(|row| (&row.name, &row.note) == (&name, &note));
        let at = at.unwrap_or_else(|| {
            let cells = kernels.iter().map(|_| None).collect();
            rows.push(Row { name, note, cells });
            rows.len() - 1
        });
        let column = kernels.iter().position(|kernel| *kernel == cell.part.kernel);
        let place = rows
            .get_mut(at)
            .zip(column)
            .and_then(|(row, column)| row.cells.get_mut(column));
        if let Some(place) = place {
            *place = Some(CellView::new(cell));
        }
    }
    rows
}

impl<'a> CellView<'a> {
    fn new(cell: &'a CellReport) -> Self {
        let others = [
            (cell.other_bug, "with another bug"),
            (cell.inconclusive, "inconclusive"),
            (cell.infra, "infra"),
        ];
        let others: Vec<String> = (others.iter())
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        Self {
            kernel: &cell.part.kernel,
            class: match cell.word {
                Word::AsExpected => "good",
                Word::NotAsExpected => "bad",
                Word::Inconclusive | Word::Infra => "none",
            },
            rate: cell
                .share
                .map_or("–".to_owned(), |share| format!("{} %", percent(share))),
            interval: interval(cell),
            low: cell.interval.low * 100.0,
            high: cell.interval.high * 100.0,
            share: cell.share.map(|share| share * 100.0),
            others: others.join(", "),
            cell,
        }
    }
}

/// A chart for each recipe that has cells with several values of one delay: rate against that delay, a line for each
/// kernel.
fn delays(report: &Report) -> Vec<Chart> {
    let mut groups: BTreeMap<(&str, u8, String), Vec<&CellReport>> = BTreeMap::new();
    for cell in report.cells.iter().filter(|cell| cell.share.is_some()) {
        let part = &cell.part;
        let group = (part.recipe.as_str(), part.cpus, part.start.to_string());
        groups.entry(group).or_default().push(cell);
    }
    let charts = groups.into_iter().filter_map(|((recipe, cpus, start), cells)| {
        let value = |cell: &CellReport, name: &str| cell.part.delays.get(name).copied().unwrap_or(0);
        let names: BTreeSet<&String> = cells.iter().flat_map(|cell| cell.part.delays.keys()).collect();
        let varies = |name: &&String| {
            let values: BTreeSet<u64> = cells.iter().map(|cell| value(cell, name)).collect();
            values.len() > 1
        };
        let mut varying = names.into_iter().filter(varies);
        // Of several delays that vary no single one explains a rate.
        let (name, None) = (varying.next()?, varying.next()) else {
            return None;
        };
        let mut series: Vec<(String, Vec<Sample>)> = Vec::new();
        for cell in &cells {
            let at = value(cell, name);
            let sample = Sample {
                at,
                label: at.to_string(),
                count: cell.count(),
            };
            match series.iter_mut().find(|(kernel, _)| *kernel == cell.part.kernel) {
                Some((_, samples)) => samples.push(sample),
                None => series.push((cell.part.kernel.clone(), vec![sample])),
            }
        }
        for (_, samples) in &mut series {
            samples.sort_by_key(|sample| sample.at);
        }
        Some(Chart::new(
            format!("{recipe}, {cpus} CPUs, {start} start"),
            format!("delay: {name}"),
            series,
        ))
    });
    charts.collect()
}

/// Charts of cells over the nights, those that changed first.
fn trends(trends: &[Trend]) -> Vec<TrendView> {
    let mut views: Vec<TrendView> = (trends.iter())
        .filter(|trend| trend.points.len() > 1)
        .map(|trend| TrendView {
            chart: Chart::new(
                trend.cell.clone(),
                String::new(),
                vec![("rate".to_owned(), trend.points.iter().map(night).collect())],
            ),
            changed: trend.test.as_ref().is_some_and(|test| test.changed),
            since: (trend.last_other.zip(trend.first_such))
                .map(|(other, such)| (date::rfc3339(other), date::rfc3339(such))),
        })
        .collect();
    views.sort_by_key(|view| (!view.changed, view.since.is_none()));
    views.truncate(TRENDS_MAX);
    views
}

fn night(point: &Point) -> Sample {
    Sample {
        at: point.began,
        // Month and day.
        label: date::rfc3339(point.began)
            .get(5..10)
            .unwrap_or_default()
            .to_owned(),
        count: Count {
            hits: point.hits,
            boots: point.boots,
        },
    }
}
