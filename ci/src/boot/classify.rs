// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Findings on a console: late-probe warnings in all their forms, other kernel trouble, lines that are looked for, the
//! script's sentinels.
//!
//! Streaming, bounded in memory and time, and without an opinion on where lines come from: kernels of different
//! ages print the same report differently, lines of several CPUs interleave, a log may have lost its markers.

mod headline;
mod line;
mod report;
mod single;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::mem;

use super::console::Lines;
use super::findings::{Finding, Findings, LateProbe};
use crate::recipe::{FindingKind, Pattern};
use headline::headline;
use line::Line;
pub use line::{SENTINEL, Sentinel};
use report::{CUT, END, LATE_PROBE, Report, clip, late_probe};
use single::Singles;

/// Event on the console, as [`Classifier::feed`] returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A line of the guest's script.
    Sentinel(Sentinel),
    /// The warning's text was seen; its trace is still to come.
    Hit,
    /// A finding is complete; one occurrence.
    Finding(Box<Finding>),
    /// A line that is looked for.
    Line {
        /// Number of its pattern, from 0.
        pattern: usize,
        /// Its text, without prefixes.
        text: String,
    },
}

/// Hits whose traces are kept; a storm beyond it is counted.
const HITS_MAX: usize = 32;
/// Bytes of a line that is looked for that are kept.
const LINE_MAX: usize = 400;
/// Reports of several printing contexts that may be open at once.
const OPEN_MAX: usize = 4;
/// Stamps remembered to recognise in the dumped log what was seen live.
const SEEN_MAX: usize = 4096;
/// Last lines kept for error messages.
const TAIL_LINES: usize = 20;

/// Reads a console.
#[derive(Debug, Default)]
pub struct Classifier {
    lines: Lines,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    open: Vec<Report>,
    hits: Vec<LateProbe>,
    hit_count: u32,
    findings: Findings,
    singles: Singles,
    /// Patterns of lines that are looked for.
    patterns: Vec<Pattern>,
    /// Lines that started something, seen live, by stamp and text.
    seen: BTreeSet<String>,
    in_dump: bool,
    /// The last time stamp that was printed live, in seconds, until it is taken.
    time: Option<f64>,
    tail: VecDeque<String>,
}

impl Classifier {
    /// A classifier that looks for lines, too.
    pub fn looking_for(patterns: Vec<Pattern>) -> Self {
        let mut new = Self::default();
        new.state.patterns = patterns;
        new
    }

    /// Feeds console bytes; returns what they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        let state = &mut self.state;
        self.lines.feed(bytes, |line| state.line(line, &mut events));
        events
    }

    /// Ends the console: what is still open is taken as it stands.
    pub fn finish(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let state = &mut self.state;
        self.lines.finish(|line| state.line(line, &mut events));
        for report in mem::take(&mut state.open) {
            state.close(report, &mut events);
        }
        for finding in state.singles.finish() {
            state.found(finding, &mut events);
        }
        events
    }

    /// Counts a finding that is not on the console.
    pub fn add(&mut self, finding: Finding) {
        self.state.findings.add(finding);
    }

    /// Occurrences of the warning so far.
    pub fn hit_count(&self) -> u32 {
        self.state.hit_count
    }

    /// The occurrences of which the report has ended, at most the first 32.
    pub fn hits(&self) -> &[LateProbe] {
        &self.state.hits
    }

    /// Everything found so far, late probes among it.
    pub fn findings(&self) -> &Findings {
        &self.state.findings
    }

    /// Takes the last time stamp that the kernel printed since this was called before, in seconds.
    pub fn take_time(&mut self) -> Option<f64> {
        self.state.time.take()
    }

    /// The last lines of the console.
    pub fn tail(&self) -> impl Iterator<Item = &str> {
        self.state.tail.iter().map(String::as_str)
    }
}

impl State {
    fn line(&mut self, raw: &str, events: &mut Vec<Event>) {
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(clip(raw, 200).to_owned());
        let line = Line::parse(raw);
        // Sentinels, too: a quiet guest prints little else.
        if !self.in_dump {
            self.time = line.time.and_then(|time| time.parse().ok()).or(self.time);
        }
        if let Some(sentinel) = Sentinel::find(raw) {
            match sentinel {
                Sentinel::DmesgBegin => self.in_dump = true,
                Sentinel::DmesgEnd => self.in_dump = false,
                // The dumped log holds the script's own lines again.
                _ if self.in_dump => return,
                _ => {}
            }
            events.push(Event::Sentinel(sentinel));
            return;
        }
        let text = line.text;
        self.look_for(&line, events);
        if text.contains(END) {
            if let Some(at) = self.open_at(line.caller) {
                let report = self.open.remove(at);
                self.close(report, events);
            }
        } else if text.contains(CUT) {
            self.start(&line, events);
        } else if text.contains(LATE_PROBE) {
            self.late(raw, &line, events);
        } else if let Some(found) = self.singles.line(&line) {
            // They are no part of a report: it must not swallow them, nor end at them.
            if !self.repeated(&line) {
                for finding in found {
                    self.found(finding, events);
                }
            }
        } else if let Some((kind, title)) = headline(&line) {
            self.headline(raw, &line, kind, title, events);
        } else if let Some(at) = self.open_at(line.caller) {
            self.open[at].line(raw, &line);
            if self.open[at].is_full() {
                let report = self.open.remove(at);
                self.close(report, events);
            }
        }
    }

    fn open_at(&self, caller: Option<&str>) -> Option<usize> {
        self.open
            .iter()
            .position(|report| report.caller.as_deref() == caller)
    }

    /// Opens a report; one of the same context that is still open has lost its end marker.
    fn start(&mut self, line: &Line<'_>, events: &mut Vec<Event>) -> &mut Report {
        if let Some(at) = self.open_at(line.caller) {
            let report = self.open.remove(at);
            self.close(report, events);
        } else if self.open.len() == OPEN_MAX {
            let report = self.open.remove(0);
            self.close(report, events);
        }
        self.open.push(Report::new(line.caller));
        let last = self.open.len() - 1;
        &mut self.open[last]
    }

    /// The open report that a headline belongs to, or a new one: `cut here` may be missing, or lost in another line.
    fn report(
        &mut self,
        line: &Line<'_>,
        fits: impl Fn(&Report) -> bool,
        events: &mut Vec<Event>,
    ) -> &mut Report {
        match self.open_at(line.caller) {
            Some(at) if fits(&self.open[at]) => &mut self.open[at],
            _ => self.start(line, events),
        }
    }

    fn late(&mut self, raw: &str, line: &Line<'_>, events: &mut Vec<Event>) {
        if self.repeated(line) {
            return;
        }
        let Some(late) = late_probe(line) else {
            return;
        };
        let report = self.report(line, |open| open.late.is_none() && !open.has_trace(), events);
        report.late = Some(late);
        report.line(raw, line);
        self.hit_count = self.hit_count.saturating_add(1);
        events.push(Event::Hit);
    }

    fn headline(
        &mut self,
        raw: &str,
        line: &Line<'_>,
        kind: FindingKind,
        title: String,
        events: &mut Vec<Event>,
    ) {
        if self.repeated(line) {
            return;
        }
        // An oops has two headlines.
        if kind == FindingKind::Oops
            && let Some(at) = self.open_at(line.caller)
            && self.open[at].is_of(FindingKind::Oops)
        {
            self.open[at].line(raw, line);
            return;
        }
        let warning = kind == FindingKind::Warning;
        let report = self.report(
            line,
            // The text of the late probe comes before its `WARNING:` line, or after it.
            |open| open.other.is_none() && !open.has_trace() && (warning || open.late.is_none()),
            events,
        );
        report.other = Some((
            kind,
            title,
            line.time.map(str::to_owned),
            line.text.trim().to_owned(),
        ));
        report.line(raw, line);
    }

    /// Tells of the patterns that a line has.
    fn look_for(&mut self, line: &Line<'_>, events: &mut Vec<Event>) {
        let patterns = mem::take(&mut self.patterns);
        let mut found = patterns
            .iter()
            .enumerate()
            .filter(|(_, one)| one.fits(line.text))
            .peekable();
        if found.peek().is_some() && !self.repeated(line) {
            events.extend(found.map(|(pattern, _)| Event::Line {
                pattern,
                text: clip(line.text.trim(), LINE_MAX).to_owned(),
            }));
        }
        self.patterns = patterns;
    }

    /// Whether a line of the dumped log was seen live; remembers live ones.
    fn repeated(&mut self, line: &Line<'_>) -> bool {
        let Some(time) = line.time else { return false };
        let key = || format!("{time} {}", clip(line.text, 160));
        if self.in_dump {
            return self.seen.contains(&key());
        }
        if self.seen.len() < SEEN_MAX {
            self.seen.insert(key());
        }
        false
    }

    fn close(&mut self, report: Report, events: &mut Vec<Event>) {
        let (late, finding) = report.close();
        if let Some(late) = late
            && self.hits.len() < HITS_MAX
        {
            self.hits.push(late);
        }
        if let Some(finding) = finding {
            self.found(finding, events);
        }
    }

    fn found(&mut self, finding: Finding, events: &mut Vec<Event>) {
        self.findings.add(finding.clone());
        events.push(Event::Finding(Box::new(finding)));
    }
}
