// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What a console says: late-probe warnings in all their forms, other kernel trouble, the script's sentinels.
//!
//! Streaming, bounded in memory and time, and without an opinion on where lines come from: kernels of different
//! ages print the same report differently, lines of several CPUs interleave, a log may have lost its markers.

mod line;
mod report;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;

use crate::boot::console::Lines;
use line::Line;
pub use line::{SENTINEL, Sentinel};
use report::{CUT, END, LATE_PROBE, Report, clip};

/// Where the kernel noticed the late probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// In the walk over the bus when the IOMMU registered (`probe_iommu_group`).
    Walk,
    /// Replayed when a driver bound to the device (`of_iommu_configure` under `really_probe`).
    Replay,
    /// The trace does not say, or is missing.
    Unknown,
}

/// One line of a call trace as printed, `__iommu_probe_device+0x1f8/0x560 (P)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Frame(String);

impl Frame {
    /// The line as printed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One occurrence of the warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LateProbe {
    /// The device, `a000000.virtio_mmio`.
    pub device: String,
    /// The driver that is bound to it (empty if the line does not say).
    pub driver: String,
    /// The kernel's time stamp, seconds as printed.
    pub time: Option<String>,
    /// CPU that noticed.
    pub cpu: Option<u32>,
    /// Task that noticed.
    pub pid: Option<u32>,
    /// Name of that task.
    pub comm: Option<String>,
    /// Source file and line as printed.
    pub source: Option<String>,
    /// Where it was noticed.
    pub kind: Kind,
    /// The call trace, innermost first.
    pub trace: Vec<Frame>,
    /// The report as it stood on the console.
    pub raw: Vec<String>,
}

/// Kernel trouble other than the late probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OtherKind {
    /// Another `WARNING`.
    Warning,
    /// `BUG:`, KASAN and relatives.
    Bug,
    /// `Internal error: Oops` or `Unable to handle kernel …`.
    Oops,
    /// `Kernel panic`.
    Panic,
    /// RCU stall.
    RcuStall,
    /// A task blocked for too long.
    HungTask,
    /// `TLB sync timed out`.
    TlbSync,
}

/// Something else that the kernel complained about, with how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Other {
    /// What it is.
    pub kind: OtherKind,
    /// First line of it, without the prefixes and without what differs from boot to boot.
    pub title: String,
    /// How often it was seen.
    pub count: u32,
}

/// What the caller of [`Classifier::feed`] may want to act upon at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A line of the guest's script.
    Sentinel(Sentinel),
    /// The warning's text was seen; its trace is still to come.
    Hit,
    /// The report of a hit is complete.
    HitComplete,
    /// The kernel panicked.
    Panic,
}

/// Hits whose traces are kept; a storm beyond it is counted.
const HITS_MAX: usize = 32;
/// Distinct titles of other trouble kept.
const OTHERS_MAX: usize = 64;
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
    others: BTreeMap<(OtherKind, String), u32>,
    /// Lines that started something, seen live, by stamp and text.
    seen: BTreeSet<String>,
    in_dump: bool,
    tail: VecDeque<String>,
}

impl Classifier {
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
        for report in std::mem::take(&mut state.open) {
            state.close(report, &mut events);
        }
        events
    }

    /// Occurrences of the warning so far.
    pub fn hit_count(&self) -> u32 {
        self.state.hit_count
    }

    /// The occurrences of which the report has ended, at most the first 32.
    pub fn hits(&self) -> &[LateProbe] {
        &self.state.hits
    }

    /// Everything else that the kernel complained about.
    pub fn others(&self) -> Vec<Other> {
        let others = self.state.others.iter();
        others
            .map(|((kind, title), &count)| Other {
                kind: *kind,
                title: title.clone(),
                count,
            })
            .collect()
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
        let line = Line::parse(raw);
        let text = line.text;
        if text.contains(END) {
            if let Some(at) = self.open_at(line.caller) {
                let report = self.open.remove(at);
                self.close(report, events);
            }
        } else if text.contains(CUT) {
            self.start(&line, events);
        } else if text.contains(LATE_PROBE) {
            self.late(raw, &line, events);
        } else if let Some((kind, title)) = headline(text) {
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
        let Some(late) = LateProbe::from_line(line) else {
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
        kind: OtherKind,
        title: String,
        events: &mut Vec<Event>,
    ) {
        if kind == OtherKind::Panic {
            events.push(Event::Panic);
        }
        // One line and no report: it must not swallow the lines after it.
        if matches!(kind, OtherKind::TlbSync | OtherKind::Panic) {
            if !self.repeated(line) {
                self.count(kind, title);
            }
            return;
        }
        if self.repeated(line) {
            return;
        }
        // An oops has two headlines.
        if kind == OtherKind::Oops
            && let Some(at) = self.open_at(line.caller)
            && matches!(self.open[at].other, Some((OtherKind::Oops, _)))
        {
            self.open[at].line(raw, line);
            return;
        }
        let warning = kind == OtherKind::Warning;
        let report = self.report(
            line,
            // The text of the late probe comes before its `WARNING:` line, or after it.
            |open| open.other.is_none() && !open.has_trace() && (warning || open.late.is_none()),
            events,
        );
        report.other = Some((kind, title));
        report.line(raw, line);
    }

    /// Whether a line of the dumped log was seen live; remembers live ones.
    fn repeated(&mut self, line: &Line<'_>) -> bool {
        let Some(time) = line.time else { return false };
        let key = format!("{time} {}", clip(line.text, 160));
        if self.in_dump {
            return self.seen.contains(&key);
        }
        if self.seen.len() < SEEN_MAX {
            self.seen.insert(key);
        }
        false
    }

    fn close(&mut self, report: Report, events: &mut Vec<Event>) {
        match report.close() {
            (Some(late), _) => {
                if self.hits.len() < HITS_MAX {
                    self.hits.push(late);
                }
                events.push(Event::HitComplete);
            }
            (None, Some((kind, title))) => self.count(kind, title),
            (None, None) => {}
        }
    }

    fn count(&mut self, kind: OtherKind, title: String) {
        let key = (kind, title);
        if let Some(count) = self.others.get_mut(&key) {
            *count = count.saturating_add(1);
        } else if self.others.len() < OTHERS_MAX {
            self.others.insert(key, 1);
        }
    }
}

/// Lines that begin kernel trouble, and what to call it.
fn headline(text: &str) -> Option<(OtherKind, String)> {
    use OtherKind::{Bug, HungTask, Oops, Panic, RcuStall, TlbSync, Warning};
    const HEADLINES: [(&str, OtherKind); 10] = [
        ("WARNING: ", Warning),
        ("BUG: ", Bug),
        ("kernel BUG at ", Bug),
        ("UBSAN: ", Bug),
        ("Internal error: ", Oops),
        ("Unable to handle kernel ", Oops),
        ("Kernel panic - not syncing", Panic),
        ("detected stall", RcuStall),
        ("blocked for more than ", HungTask),
        ("TLB sync timed out", TlbSync),
    ];
    let &(mark, kind) = HEADLINES.iter().find(|(mark, _)| text.contains(mark))?;
    let title = match kind {
        Warning => warning_title(text.split_once(mark)?.1),
        HungTask => text.find("INFO: ").map_or(text, |at| &text[at..]).to_owned(),
        RcuStall => "RCU stall".to_owned(),
        TlbSync => clip(text, 160).to_owned(),
        Bug | Oops | Panic => text[text.find(mark)?..].to_owned(),
    };
    Some((kind, clip(title.trim(), 160).to_owned()))
}

/// File and function of a warning: CPU, task and the line number differ from boot to boot and kernel to kernel.
fn warning_title(at: &str) -> String {
    let at = at.split_once(", CPU#").map_or(at, |(place, _)| place);
    let at = match at.split_once(" at ") {
        Some((cpu, place)) if cpu.starts_with("CPU: ") => place.to_owned(),
        Some((source, function)) => format!("{source} {function}"),
        None => at.strip_prefix("at ").unwrap_or(at).to_owned(),
    };
    let mut words = at.split_whitespace();
    let source = words.next().unwrap_or("");
    let function = words.next().unwrap_or("");
    format!(
        "{} {}",
        source.split(':').next().unwrap_or(source),
        function.split('+').next().unwrap_or(function)
    )
}
