// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Watches a console: decides when a boot is over, and how it ended.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::{Duration, Instant};

use guest_images::packages::digest;

use super::copy::Copy;
use super::{BootError, Limits, OF_SERVER};
use crate::boot::classify::{Classifier, Event, Sentinel};
use crate::boot::findings::Finding;
use crate::boot::judge::Judge;
use crate::boot::outcome::{BootReport, Console, GuestResult, ServerMessage};
use crate::recipe::{Expectations, FindingKind};

/// After the last finding that was looked for: time for what follows from it, such as a second warning.
const AFTER_SETTLED: Duration = Duration::from_millis(700);
/// After the warning's text, if the report does not end.
const TRACE: Duration = Duration::from_secs(5);
/// After the last line of the script, the guest powers itself off.
const AFTER_DONE: Duration = Duration::from_secs(3);
/// After a panic: time for its text.
const AFTER_PANIC: Duration = Duration::from_secs(2);

/// Results of a guest that are kept; what follows is on its console only.
const RESULTS_MAX: usize = 1024;
/// Messages of the server that are kept; what follows is in the copy of the console only.
const MESSAGES_MAX: usize = 64;

/// Reason why a boot is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The guest powered off, or reset.
    Powered,
    /// Seen enough.
    Seen,
    /// No console output at all.
    Mute,
    /// The script did not start in time.
    NoBegin,
    /// Not over in time.
    Timeout,
    /// The guest waits for its snapshot to be taken.
    Ready,
}

/// Events of the guest's life that the recipe wants to see.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    panic: bool,
    power_off: bool,
}

/// Longest time between two looks at a boot that counts. Ctrl-Z stops this process, and neither the guest nor the
/// server: what they did meanwhile is to be read before a time limit ends the boot.
const LONGEST_TICK: Duration = Duration::from_secs(1);

/// The time for which a boot was looked after.
#[derive(Debug)]
struct Clock {
    last: Instant,
    elapsed: Duration,
}

impl Clock {
    fn start(now: Instant) -> Self {
        Self {
            last: now,
            elapsed: Duration::ZERO,
        }
    }

    fn tick(&mut self, now: Instant) {
        self.elapsed += now.saturating_duration_since(self.last).min(LONGEST_TICK);
        self.last = now;
    }
}

/// The state of one boot.
pub(super) struct Watch {
    limits: Limits,
    copy: Option<Copy>,
    /// Hash of the console so far, of a deterministic boot. It ends with the line that decides the boot: the host
    /// chooses how much of what follows is seen.
    hash: Option<digest::Running>,
    /// Lines in it.
    lines: u64,
    decided: Option<Console>,
    classifier: Classifier,
    judge: Judge,
    /// Events of the guest's life that do not end the boot.
    wanted: Wanted,
    clock: Clock,
    begun: Option<Duration>,
    any_output: bool,
    /// Time at which to stop watching, by the boot's clock, once the boot is decided.
    enough: Option<Duration>,
    /// Time at which to stop waiting for the trace of a late-probe warning.
    trace: Option<Duration>,
    in_dump: bool,
    done: bool,
    ready: bool,
    panicked: bool,
    powered_off: bool,
    reset: bool,
    /// Conditions under which the boot is inconclusive.
    spoiled: Option<String>,
    step: String,
    results: Vec<GuestResult>,
    /// A time of the guest's clock and when it was read.
    guest_clock: Option<(Instant, f64)>,
    server_messages: Vec<ServerMessage>,
}

impl Watch {
    pub(super) fn new(
        limits: Limits,
        expect: &Expectations,
        console: Option<&Path>,
        deterministic: bool,
    ) -> Result<Self, BootError> {
        let copy = console.map(Copy::create).transpose()?;
        Ok(Self {
            limits,
            copy,
            hash: deterministic.then(digest::Running::default),
            lines: 0,
            decided: None,
            classifier: Classifier::looking_for(expect.lines()),
            judge: Judge::new(expect),
            wanted: Wanted {
                panic: expect.wants(FindingKind::Panic) || expect.wants(FindingKind::CrashKernel),
                power_off: expect.wants(FindingKind::PowerOff),
            },
            clock: Clock::start(Instant::now()),
            begun: None,
            any_output: false,
            enough: None,
            trace: None,
            in_dump: false,
            done: false,
            ready: false,
            panicked: false,
            powered_off: false,
            reset: false,
            spoiled: None,
            step: String::new(),
            results: Vec::new(),
            guest_clock: None,
            server_messages: Vec::new(),
        })
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Instant) {
        self.clock.tick(now);
    }

    /// Console bytes.
    pub(super) fn console(&mut self, bytes: &[u8], step: &mut dyn FnMut(&str)) -> Result<(), BootError> {
        if let Some(copy) = &mut self.copy {
            copy.write(bytes)?;
        }
        self.any_output |= !bytes.is_empty();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if let Some(hash) = &mut self.hash {
                hash.update(line);
                self.lines += u64::from(line.ends_with(b"\n"));
            }
            for event in self.classifier.feed(line) {
                self.event(event, step);
            }
            if self.enough.is_some() {
                self.decide();
            }
        }
        if let Some(time) = self.classifier.take_time() {
            self.guest_clock = Some((Instant::now(), time));
        }
        Ok(())
    }

    /// The line that was read last decides a deterministic boot, unless another has.
    fn decide(&mut self) {
        if let Some(hash) = self.hash.take() {
            self.decided = Some(Console {
                sha256: hash.finish(),
                lines: self.lines,
            });
        }
    }

    /// A line that the server logged at a time, onto the console's clock.
    pub(super) fn server(&mut self, at: Instant, text: &str) -> Result<(), BootError> {
        // What it says without its log has its name in front.
        let text = text.strip_prefix(OF_SERVER).unwrap_or(text);
        let time = self.guest_clock.map(|(read, time)| {
            let since = at.saturating_duration_since(read).as_secs_f64();
            let before = read.saturating_duration_since(at).as_secs_f64();
            format!("{:.6}", (time + since - before).max(0.0))
        });
        if let Some(copy) = &mut self.copy {
            let time = time.as_deref().unwrap_or("?");
            copy.message(&format!("[{time:>12}] vfio-server: {text}"))?;
        }
        let counts = text.starts_with("WARN") || text.starts_with("ERROR");
        if counts && self.server_messages.len() < MESSAGES_MAX {
            let text = text.to_owned();
            self.server_messages.push(ServerMessage { time, text });
        }
        Ok(())
    }

    /// The boot says nothing, for a reason that is not the guest's.
    pub(super) fn spoil(&mut self, reason: String) {
        self.spoiled.get_or_insert(reason);
    }

    /// Accesses of an SMMU while its clock was off, as the server counted them.
    pub(super) fn unclocked(&mut self, smmu: String, accesses: u64) {
        let Ok(count @ 1..) = u32::try_from(accesses.min(u32::MAX.into())) else {
            return;
        };
        let text = "counted by the server".to_owned();
        let finding = Finding {
            count,
            ..Finding::new(FindingKind::UnclockedAccess, None, smmu, text)
        };
        self.classifier.add(finding.clone());
        self.judge.finding(&finding);
    }

    fn event(&mut self, event: Event, step: &mut dyn FnMut(&str)) {
        let now = self.clock.elapsed;
        let in_time = |after| Some(now + after);
        match event {
            Event::Hit => {
                step("the late-probe warning was seen");
                if self.judge.looks_for_late_probe() {
                    self.trace = self.trace.or(in_time(TRACE));
                }
            }
            Event::Finding(finding) => self.finding(&finding),
            Event::Line { pattern, text } => self.judge.line(pattern, text),
            Event::Sentinel(sentinel) => match sentinel {
                Sentinel::Ready => self.ready = true,
                Sentinel::Begin => {
                    // A guest may reboot.
                    self.begun = self.begun.or(Some(now));
                    step("booted");
                }
                Sentinel::Step { index, text } => {
                    self.step = format!("step {index}: {text}");
                    step(&self.step);
                }
                Sentinel::Timeout { text } | Sentinel::Failed { text } => {
                    self.spoiled.get_or_insert(text);
                }
                Sentinel::Result { name, text } => {
                    step(&format!("{name}: {text}"));
                    self.judge.result(&name, &text);
                    if self.results.len() < RESULTS_MAX {
                        self.results.push(GuestResult { name, text });
                    }
                }
                Sentinel::Unbound { name, device } => self.unbound(name, device),
                Sentinel::Note { text } => step(&text),
                Sentinel::DmesgBegin => {
                    self.in_dump = true;
                    step("reading the kernel log");
                }
                Sentinel::DmesgEnd => self.in_dump = false,
                Sentinel::Done => {
                    self.done = true;
                    self.enough = in_time(AFTER_DONE);
                }
            },
        }
    }

    fn finding(&mut self, finding: &Finding) {
        self.judge.finding(finding);
        match finding.kind {
            FindingKind::LateProbe => self.trace = None,
            FindingKind::Panic => {
                self.panicked = true;
                if !self.wanted.panic {
                    self.enough = Some(self.clock.elapsed + AFTER_PANIC);
                }
            }
            FindingKind::PowerOff => self.powered_off = true,
            FindingKind::Reset => self.reset = true,
            _ => {}
        }
        if self.judge.is_settled() {
            self.enough = Some(self.clock.elapsed + AFTER_SETTLED);
        }
    }

    /// Counts an SMMU of the board that has no driver.
    fn unbound(&mut self, name: String, device: String) {
        let of_device = |finding: &&Finding| finding.device.as_ref() == Some(&device);
        let why = self
            .classifier
            .findings()
            .iter()
            .filter(of_device)
            .find_map(|finding| match finding.kind {
                FindingKind::ProbeFailed => Some(format!("its probe failed ({})", finding.title)),
                FindingKind::DeferredPending => Some("its probe was deferred".to_owned()),
                _ => None,
            })
            .unwrap_or_else(|| "the kernel did not say why".to_owned());
        let text = format!("SMMU {name} ({device}) had no driver: {why}");
        let finding = Finding::new(FindingKind::Unbound, Some(device), name, text);
        self.classifier.add(finding.clone());
        self.judge.finding(&finding);
    }

    /// Whether the boot is over, by what was seen or by time.
    pub(super) fn end(&self) -> Option<End> {
        let elapsed = self.clock.elapsed;
        // A hit in the dumped log is history: let the rest of it come.
        let may_end = self.limits.ends_when_seen || self.done || self.panicked;
        let due = [self.enough, self.trace]
            .into_iter()
            .flatten()
            .min()
            .filter(|_| may_end);
        if self.ready {
            Some(End::Ready)
        } else if !self.in_dump && due.is_some_and(|due| elapsed > due) {
            Some(End::Seen)
        } else if !self.any_output && elapsed > self.limits.first_output {
            Some(End::Mute)
        } else if self.begun.is_none() && elapsed > self.limits.boot {
            Some(End::NoBegin)
        } else if elapsed > self.limits.total {
            Some(End::Timeout)
        } else {
            None
        }
    }

    /// Place of the guest in its steps, for messages.
    pub(super) fn whereabouts(&self) -> String {
        if !self.any_output {
            "the guest had printed nothing yet".to_owned()
        } else if self.begun.is_none() {
            "the guest was booting".to_owned()
        } else if self.step.is_empty() {
            "the guest had booted".to_owned()
        } else {
            format!("the guest was at {}", self.step)
        }
    }

    /// The console has ended, and the server.
    pub(super) fn finish(&mut self) -> Result<(), BootError> {
        for event in self.classifier.finish() {
            self.event(event, &mut |_| {});
        }
        self.copy.as_mut().map_or(Ok(()), Copy::finish)
    }

    pub(super) fn report(mut self, end: End, total: Duration) -> BootReport {
        if end == End::Powered {
            self.decide();
        }
        let incomplete = self.incomplete(end);
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (outcome, expectations) = self.judge.conclude(incomplete, self.begun.is_some());
        BootReport {
            outcome,
            warnings: self.classifier.hit_count(),
            hits: self.classifier.hits().to_vec(),
            findings: self.classifier.findings().iter().cloned().collect(),
            expectations,
            total_ms: millis(total),
            boot_ms: self.begun.map(millis),
            results: self.results,
            server_messages: self.server_messages,
            tail: self.classifier.tail().map(str::to_owned).collect(),
            stderr_tail: Vec::new(),
            console: self.decided,
            trace: None,
        }
    }

    /// Reason why the boot did not get to its end, if it did not.
    fn incomplete(&self, end: End) -> Option<String> {
        let seconds = |limit: Duration| limit.as_secs();
        match end {
            _ if self.panicked && !self.wanted.panic => Some("the kernel panicked".to_owned()),
            End::Mute => Some(format!(
                "the kernel printed nothing for {} s",
                seconds(self.limits.first_output)
            )),
            End::Ready => Some("the guest waits for its snapshot, which is taken already".to_owned()),
            End::NoBegin => Some(format!(
                "the guest was still booting after {} s",
                seconds(self.limits.boot)
            )),
            End::Timeout => Some(format!(
                "not over after {} s; {}",
                seconds(self.limits.total),
                self.whereabouts()
            )),
            End::Powered | End::Seen if self.spoiled.is_some() => self.spoiled.clone(),
            End::Powered | End::Seen if self.done => None,
            End::Powered if self.wanted.panic && self.panicked => None,
            End::Powered if self.wanted.power_off && self.powered_off => None,
            End::Powered | End::Seen => {
                let how = if self.powered_off {
                    "the guest switched itself off early"
                } else if self.reset {
                    "the guest was reset early (with `finding = \"reset\"` expected, or a `reboot` step, it \
                     would have gone on)"
                } else {
                    "the guest ended early without a word of its kernel: a reset by firmware or a watchdog"
                };
                Some(format!("{how}; {}", self.whereabouts()))
            }
        }
    }
}

/// Whether a line of QEMU's standard error says that a vfio-user device stopped answering.
pub(super) fn tells_of_lost_device(line: &str) -> bool {
    const SIGNS: [&str; 4] = [
        "timed out",
        "vfio_user_recv",
        "server disconnected",
        "bad header size",
    ];
    SIGNS.iter().any(|sign| line.contains(sign))
}
