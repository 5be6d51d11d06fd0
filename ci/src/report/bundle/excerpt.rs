// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Excerpt of a console: the lines around what was expected.

use std::collections::BTreeSet;

use crate::report::verdict::Verdict;

/// Findings that are shown.
const FINDINGS: usize = 4;
/// Lines before and after one.
const BEFORE: usize = 2;
const AFTER: usize = 3;
/// Most lines of a report with a call trace.
const REPORT: usize = 60;
/// Stands for lines that are left out.
const GAP: &str = "[...]\n";

/// The excerpt; the lines of results if no finding and no line was expected.
pub(super) fn excerpt(console: &str, verdict: &Verdict) -> String {
    let lines: Vec<&str> = console.lines().map(|line| line.trim_end_matches('\r')).collect();
    let mut wanted = BTreeSet::new();
    let findings = verdict
        .findings
        .iter()
        .filter(|part| part.expected)
        .take(FINDINGS);
    let texts = findings.map(|part| {
        (
            part.finding.text.as_str(),
            part.finding.time.as_deref(),
            !part.finding.trace.is_empty(),
        )
    });
    let of_lines = verdict
        .expectations
        .iter()
        .filter_map(|part| Some((part.lines.first()?.as_str(), None, false)));
    for (text, time, has_trace) in texts.chain(of_lines) {
        let is_it = |line: &&str| {
            let stamped = time.is_none_or(|time| line.contains(&format!("{time}]")));
            stamped && !text.is_empty() && line.contains(text)
        };
        let Some(at) = lines.iter().position(is_it) else {
            continue;
        };
        let rest = lines.get(at..).unwrap_or_default();
        let end = if has_trace {
            rest.iter()
                .take(REPORT)
                .position(|line| line.contains("---[ end trace"))
                .map_or(REPORT, |end| end + 1)
        } else {
            1 + AFTER
        };
        wanted.extend(at.saturating_sub(BEFORE)..(at + end).min(lines.len()));
    }
    if wanted.is_empty() {
        let results = lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.contains("@@boot-stress result"));
        wanted.extend(results.map(|(at, _)| at));
    }
    let mut text = String::new();
    let mut next = 0;
    for at in wanted {
        if at != next {
            text.push_str(GAP);
        }
        next = at + 1;
        if let Some(line) = lines.get(at) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}
