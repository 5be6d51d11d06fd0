// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A report as KTAP (Documentation/dev-tools/ktap.rst of Linux): a result for each cell, and for each check of the
//! comparison with earlier nights.

use std::fmt::Write as _;

use host_guard::text::printable;

use super::changes::Changes;
use super::{Report, Word, junit};

/// The report as KTAP, version 1.
pub fn text(report: &Report) -> String {
    let changes = report.changes.as_ref();
    let checks = changes.map(Changes::checks).into_iter().flatten();
    let checks: Vec<(&str, Vec<String>)> = checks.collect();
    let cells = report.cells.len() + report.skipped.len();
    let count = cells + checks.len();
    let mut text = format!("KTAP version 1\n1..{count}\n");
    for (number, cell) in (1..).zip(&report.cells) {
        let line = one_line(&junit::line(cell));
        let _ = writeln!(text, "# {line}");
        let name = name(&cell.part.key);
        let _ = match cell.word {
            Word::AsExpected => writeln!(text, "ok {number} {name}"),
            Word::NotAsExpected => writeln!(text, "not ok {number} {name}"),
            // No pass, and no failure: nothing was found out.
            Word::Inconclusive => writeln!(text, "ok {number} {name} # SKIP inconclusive"),
            Word::Infra => writeln!(text, "not ok {number} {name} # ERROR infra"),
        };
    }
    for (number, skipped) in (report.cells.len() + 1..).zip(&report.skipped) {
        let reason = one_line(&skipped.reason);
        let _ = writeln!(text, "ok {number} {} # SKIP {reason}", name(&skipped.key));
    }
    for (number, (check, alarms)) in (cells + 1..).zip(checks) {
        for alarm in &alarms {
            let _ = writeln!(text, "# {}", one_line(alarm));
        }
        let result = if alarms.is_empty() { "ok" } else { "not ok" };
        let _ = writeln!(text, "{result} {number} {}: {check}", junit::NIGHTS);
    }
    text
}

/// A name without the character that begins a directive.
fn name(key: &str) -> String {
    one_line(key).replace('#', "_")
}

fn one_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}
