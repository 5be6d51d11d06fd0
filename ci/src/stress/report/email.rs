// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A report as a mail: a subject line, and text of 72 columns.
//!
//! Lines of a console and of a call trace stay as the kernel printed them, so that they can be searched for.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::evidence::Evidence;
use super::text::{interval, p_value, percent};
use super::{ALPHA, CellReport, Report};
use crate::boot::findings::Frame;
use crate::report::date;
use crate::report::mail::wrap;
use crate::stress::class::Class;

/// Cells of which the first boot is shown in full.
const HITS_MAX: usize = 6;
/// Lines of a call trace that are shown.
const TRACE_MAX: usize = 16;

/// The report as a mail, with evidence.
pub fn text(report: &Report, evidence: &[Evidence]) -> String {
    let mut text = wrap(&subject(report), "", "  ");
    text.push('\n');
    text.push_str(&wrap(&introduction(report), "", ""));
    table(&mut text, report);
    changes(&mut text, report);
    comparisons(&mut text, report);
    other_bugs(&mut text, report);
    let mut cells = BTreeSet::new();
    let first = evidence.iter().filter(|one| cells.insert(&one.cell));
    for one in first.take(HITS_MAX) {
        boot(&mut text, one);
    }
    text
}

/// The rate of the first cell that has hits, and how many others there are.
fn subject(report: &Report) -> String {
    let mut hits = report.cells.iter().filter(|cell| cell.hits > 0);
    match (hits.next(), hits.count()) {
        (None, _) => format!(
            "Subject: [smmu-emu] {}: no hit in {} cells",
            report.name,
            report.cells.len()
        ),
        (Some(first), more) => {
            let also = match more {
                0 => String::new(),
                1 => "; hits in 1 other cell".to_owned(),
                more => format!("; hits in {more} other cells"),
            };
            format!(
                "Subject: [smmu-emu] {}: {} of {} boots of {}{also}",
                first.part.recipe,
                first.hits,
                first.count().boots,
                first.part.release
            )
        }
    }
}

fn introduction(report: &Report) -> String {
    let mut machines: Vec<String> = (report.cells.iter())
        .map(|cell| format!("QEMU {} ({})", cell.part.qemu, cell.part.accelerator))
        .collect();
    machines.sort();
    machines.dedup();
    let began = report
        .began
        .map(|began| format!(", begun {}", date::rfc3339(began)));
    format!(
        "Unmodified kernels were booted on {}, behind an emulated Arm SMMUv2 whose timing can be set (smmu-emu {}): \
         matrix {}, seed {}{}.{}",
        machines.join(", "),
        report.version,
        report.name,
        report.seed,
        began.unwrap_or_default(),
        if report.complete {
            ""
        } else {
            " Not all boots were made."
        }
    )
}

/// A paragraph for each recipe, a line for each kernel.
fn table(text: &mut String, report: &Report) {
    let mut groups: Vec<(String, Vec<&CellReport>)> = Vec::new();
    for cell in &report.cells {
        let part = &cell.part;
        let name = format!(
            "{}, {} CPUs, {} start: boots {}",
            part.changed_recipe(),
            part.cpus,
            part.start,
            part.counted
        );
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, cells)) => cells.push(cell),
            None => groups.push((name, vec![cell])),
        }
    }
    let _ = writeln!(
        text,
        "\n  {:<26} {:>9} {:>7}  95 % interval",
        "", "boots", "rate %"
    );
    for (name, cells) in groups {
        text.push_str(&wrap(&name, "", "  "));
        for cell in cells {
            let boots = format!("{}/{}", cell.hits, cell.count().boots);
            let share = cell.share.map_or("-".to_owned(), percent);
            let mut release = cell.part.release.as_str();
            // A release may be longer; the numbers are on a line of their own then.
            if release.chars().count() > 26 {
                let _ = writeln!(text, "  {release}");
                release = "";
            }
            let _ = writeln!(text, "  {release:<26} {boots:>9} {share:>7}  {}", interval(cell));
        }
    }
}

fn changes(text: &mut String, report: &Report) {
    let Some(changes) = &report.changes else { return };
    text.push('\n');
    text.push_str(&wrap(&changes.summary(), "", ""));
    for line in changes.lines() {
        text.push_str(&wrap(&line, "- ", "  "));
    }
}

fn comparisons(text: &mut String, report: &Report) {
    let differ = |p: f64| p < ALPHA;
    let Some(first) = report.comparisons.first() else {
        return;
    };
    text.push('\n');
    let words = format!(
        "Kernels that differ, by {}'s test, two-sided, p corrected for {} comparisons by {}:",
        first.test,
        report.comparisons.len(),
        first.correction
    );
    text.push_str(&wrap(&words, "", ""));
    for one in report.comparisons.iter().filter(|one| differ(one.p_corrected)) {
        let words = format!(
            "{} and {}: p {}",
            one.reference,
            one.cell,
            p_value(one.p_corrected)
        );
        text.push_str(&wrap(&words, "- ", "  "));
    }
    if !report.comparisons.iter().any(|one| differ(one.p_corrected)) {
        text.push_str("- none\n");
    }
}

fn other_bugs(text: &mut String, report: &Report) {
    let titles = report.other_bugs();
    if titles.is_empty() {
        return;
    }
    text.push_str("\nOther bugs that the kernels named:\n");
    for bug in titles {
        let first = bug
            .cells
            .first()
            .map(|(cell, boot)| format!(", first in boot {boot} of {}", cell.part.key));
        let first = first.unwrap_or_default();
        let words = format!(
            "{} {}: in {} boots{first}",
            bug.kind.words(),
            bug.title,
            bug.boots
        );
        text.push_str(&wrap(&words, "- ", "  "));
    }
}

fn boot(text: &mut String, evidence: &Evidence) {
    let Evidence {
        cell,
        boot,
        class,
        reason,
        ..
    } = evidence;
    text.push('\n');
    let what = match class {
        Class::Hit => "a hit".to_owned(),
        class => class.to_string(),
    };
    let reason = reason
        .as_ref()
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default();
    text.push_str(&wrap(&format!("Boot {boot} of {cell}, {what}{reason}"), "", "  "));
    for probe in &evidence.late_probes {
        let _ = writeln!(text, "\n{}", probe.raw.first().map_or("", String::as_str));
        let by = probe.noticed_by().map(|by| format!(": {by}")).unwrap_or_default();
        text.push_str(&wrap(&format!("{}{by}", probe.kind.place()), "  ", "  "));
        trace(text, &probe.trace);
    }
    for finding in &evidence.findings {
        let time = finding
            .time
            .as_ref()
            .map(|time| format!("[{time:>12}] "))
            .unwrap_or_default();
        let _ = writeln!(text, "\n{time}{}", finding.text);
        trace(text, &finding.trace);
    }
    text.push_str("\nAgain:\n\n");
    for line in evidence.command().lines() {
        let _ = writeln!(text, "  {line}");
    }
}

fn trace(text: &mut String, frames: &[Frame]) {
    if frames.is_empty() {
        return;
    }
    text.push_str("  Call trace:\n");
    for frame in frames.iter().take(TRACE_MAX) {
        let _ = writeln!(text, "   {}", frame.as_str());
    }
    if let Some(more) = frames.len().checked_sub(TRACE_MAX).filter(|more| *more > 0) {
        let _ = writeln!(text, "   ({more} more)");
    }
}
