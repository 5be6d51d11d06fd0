// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A kernel report being read: from `cut here`, or from the first line that looks like one, to `end trace`.

use super::line::Line;
use super::{Frame, Kind, LateProbe, OtherKind};

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
    /// Who prints it, with `CONFIG_PRINTK_CALLER`: lines of others do not belong to it.
    pub(super) caller: Option<String>,
    /// Set once the warning's text was seen.
    pub(super) late: Option<LateProbe>,
    /// Kind and title if it is something else.
    pub(super) other: Option<(OtherKind, String)>,
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

    /// Closes the report: the late probe with all that was read, or what else it was.
    pub(super) fn close(self) -> (Option<LateProbe>, Option<(OtherKind, String)>) {
        let Some(late) = self.late else {
            return (None, self.other);
        };
        let kind = Kind::of(&self.frames);
        let (cpu, pid, comm, source, trace, raw) =
            (self.cpu, self.pid, self.comm, self.source, self.frames, self.raw);
        (
            Some(LateProbe {
                cpu,
                pid,
                comm,
                source,
                kind,
                trace,
                raw,
                ..late
            }),
            None,
        )
    }
}

impl LateProbe {
    /// From the line with the warning's text: `<driver> <device>: late IOMMU probe …`.
    pub(super) fn from_line(line: &Line<'_>) -> Option<Self> {
        let (before, _) = line.text.split_once(LATE_PROBE)?;
        // Console output of a user program may stand before the kernel's line, stamp and all.
        let names = before
            .rsplit("] ")
            .next()
            .unwrap_or(before)
            .trim()
            .trim_end_matches(':');
        let (driver, device) = names.rsplit_once(' ').unwrap_or(("", names));
        Some(Self {
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
}

impl Frame {
    /// ` sym+0x1c/0x40 [module] (P)`; anything else is a line of someone else.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (place, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (symbol, offset) = place.split_once("+0x")?;
        let (offset, size) = offset.split_once("/0x")?;
        let hex = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let known = rest.is_empty() || rest.starts_with('[') || rest.starts_with('(');
        let named = symbol
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$' | b':'));
        (hex(offset) && hex(size) && known && named && !symbol.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The function, without offset and without the suffixes that compilers add (`.isra.0`, `.constprop.0`).
    pub fn function(&self) -> &str {
        let name = self.0.split('+').next().unwrap_or(&self.0);
        name.split_once('.').map_or(name, |(name, _)| name)
    }
}

impl Kind {
    /// The innermost frame that tells: a replay at bind inside a walk (`arm_smmu_device_probe` is itself called by
    /// `really_probe`) is told apart by the order.
    fn of(frames: &[Frame]) -> Self {
        frames
            .iter()
            .find_map(|frame| match frame.function() {
                "probe_iommu_group" | "bus_iommu_probe" | "iommu_device_register" => Some(Self::Walk),
                "of_iommu_configure"
                | "acpi_iommu_configure_id"
                | "acpi_dma_configure_id"
                | "really_probe" => Some(Self::Replay),
                _ => None,
            })
            .unwrap_or(Self::Unknown)
    }
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
