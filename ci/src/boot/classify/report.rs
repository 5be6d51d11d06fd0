// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A kernel report being read: from `cut here`, or from the first line that looks like one, to `end trace`.

use super::headline::normal;
use super::line::Line;
use crate::boot::findings::{Finding, Frame, Kind, LateProbe};
use crate::recipe::FindingKind;

/// The text of the warning. Never match its line number: that moves with every release.
pub(super) const LATE_PROBE: &str = "late IOMMU probe at driver bind";
pub(super) const CUT: &str = "[ cut here ]";
pub(super) const END: &str = "[ end trace ";

/// Lines of one report kept; a WARN on arm64 has about 50.
const LINES_MAX: usize = 160;
/// Bytes of one kept line.
const WIDTH_MAX: usize = 400;

/// A report of which the end has not been seen.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Caller that prints it, with `CONFIG_PRINTK_CALLER`: lines of others do not belong to it.
    pub(super) caller: Option<String>,
    /// Set once the warning's text was seen.
    pub(super) late: Option<LateProbe>,
    /// Kind, title, time and headline if it is something else.
    pub(super) other: Option<(FindingKind, String, Option<String>, String)>,
    /// Function that the program counter was in.
    pc: Option<String>,
    cpu: Option<u32>,
    pid: Option<u32>,
    comm: Option<String>,
    source: Option<String>,
    frames: Vec<Frame>,
    in_trace: bool,
    raw: Vec<String>,
}

impl Report {
    pub(super) fn new(caller: Option<&str>) -> Self {
        Self {
            caller: caller.map(str::to_owned),
            ..Self::default()
        }
    }

    /// Whether it is known to be of a kind other than the late probe.
    pub(super) fn is_of(&self, kind: FindingKind) -> bool {
        matches!(self.other, Some((own, ..)) if own == kind)
    }

    /// Whether it has taken all that a report can hold.
    pub(super) fn is_full(&self) -> bool {
        self.raw.len() >= LINES_MAX
    }

    /// Takes a line that does not start or end a report.
    pub(super) fn line(&mut self, raw: &str, line: &Line<'_>) {
        if self.is_full() {
            return;
        }
        self.raw.push(clip(raw, WIDTH_MAX).to_owned());
        let text = line.text.trim_end();
        if let Some((_, at)) = text.split_once("WARNING: ") {
            self.warning(at);
        } else if text.contains(" PID: ") && text.contains("CPU: ") {
            self.context(text);
        } else if let Some(place) = text.trim_start().strip_prefix("pc : ") {
            self.pc = self.pc.take().or_else(|| Some(counter(place)));
        } else if text.trim_start().starts_with("Call trace:") || text.trim_start().starts_with("Call Trace:")
        {
            self.in_trace = true;
        } else if self.in_trace
            && let Some(frame) = Frame::parse(text)
        {
            self.frames.push(frame);
        }
    }

    /// `CPU: 1 PID: 13 at file:line sym+0x…`, `file:line at sym+0x…, CPU#7: init/1` or `at file:line sym`.
    fn warning(&mut self, at: &str) {
        if let Some((place, who)) = at.split_once(", CPU#") {
            if let Some((cpu, task)) = who.split_once(": ") {
                self.cpu = cpu.parse().ok();
                // Names of kernel threads hold slashes themselves (`kworker/u4:1/13`).
                if let Some((comm, pid)) = task.trim().rsplit_once('/') {
                    self.comm = Some(comm.to_owned());
                    self.pid = pid.parse().ok();
                }
            }
            self.source = place.split_once(" at ").map(|(source, _)| source.to_owned());
        } else {
            self.context(at);
            let place = at.split_once("at ").map_or(at, |(_, place)| place);
            self.source = place.split_whitespace().next().map(str::to_owned);
        }
    }

    /// The `CPU: … PID: … Comm: …` fields, in whichever line they stand.
    fn context(&mut self, text: &str) {
        let number = |key: &str| {
            let (_, after) = text.split_once(key)?;
            after.split_whitespace().next()?.parse().ok()
        };
        self.cpu = self.cpu.or(number("CPU: "));
        self.pid = self.pid.or(number(" PID: "));
        if self.comm.is_none()
            && let Some((_, after)) = text.split_once(" Comm: ")
        {
            // A task's name may hold blanks; the taint state ends it.
            let end = [" Not tainted", " Tainted:", " Kdump:"]
                .iter()
                .filter_map(|end| after.find(end))
                .min();
            let comm = end.map_or_else(
                || after.split_whitespace().next().unwrap_or(after),
                |end| &after[..end],
            );
            self.comm = Some(comm.to_owned());
        }
    }

    /// Whether the trace has been read: the frames are there and what prints them has gone on.
    pub(super) fn has_trace(&self) -> bool {
        !self.frames.is_empty()
    }

    /// Closes the report: the late probe with all that was read, and the finding that it is.
    pub(super) fn close(self) -> (Option<LateProbe>, Option<Finding>) {
        let Some(late) = self.late else {
            return (None, self.trouble());
        };
        let kind = Kind::of(&self.frames);
        let text = format!("{} {}: {LATE_PROBE}", late.driver, late.device);
        let device = Some(late.device.clone());
        let mut finding = Finding::new(FindingKind::LateProbe, device, kind.name().to_owned(), text);
        finding.time.clone_from(&late.time);
        let late = LateProbe {
            cpu: self.cpu,
            pid: self.pid,
            comm: self.comm,
            source: self.source,
            kind,
            trace: self.frames,
            raw: self.raw,
            ..late
        };
        (Some(late), Some(finding))
    }

    /// Trouble other than a late probe.
    fn trouble(self) -> Option<Finding> {
        let (kind, title, time, text) = self.other?;
        let title = if kind == FindingKind::Oops {
            let innermost = || self.frames.first().map(|frame| frame.function().to_owned());
            // Without either, the headline as far as it holds no address.
            let headline = || normal(text.split(" at virtual address").next().unwrap_or(&text));
            self.pc.or_else(innermost).unwrap_or_else(headline)
        } else {
            title
        };
        Some(Finding {
            time,
            trace: self.frames,
            ..Finding::new(kind, None, title, clip(&text, WIDTH_MAX).to_owned())
        })
    }
}

/// Function of `amba_dma_configure+0x74/0xc0`, or an address without one.
fn counter(place: &str) -> String {
    Frame::parse(place).map_or_else(
        || clip(place.split_whitespace().next().unwrap_or("?"), 64).to_owned(),
        |frame| frame.function().to_owned(),
    )
}

/// The late probe of the line with the warning's text: `<driver> <device>: late IOMMU probe …`.
pub(super) fn late_probe(line: &Line<'_>) -> Option<LateProbe> {
    let (before, _) = line.text.split_once(LATE_PROBE)?;
    // Console output of a user program may stand before the kernel's line, stamp and all.
    let names = before
        .rsplit("] ")
        .next()
        .unwrap_or(before)
        .trim()
        .trim_end_matches(':');
    let (driver, device) = names.rsplit_once(' ').unwrap_or(("", names));
    Some(LateProbe {
        device: clip(device, 128).to_owned(),
        driver: clip(driver.trim(), 128).to_owned(),
        time: line.time.map(str::to_owned),
        cpu: None,
        pid: None,
        comm: None,
        source: None,
        kind: Kind::Unknown,
        trace: Vec::new(),
        raw: Vec::new(),
    })
}

/// At most `max` bytes, cut at a character.
pub(super) fn clip(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let mut end = max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
