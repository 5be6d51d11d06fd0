// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Watches a console: when is a boot over, and what was it?

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::{Duration, Instant};

use super::{BootError, BootReport, Copy, GuestResult, Limits, Outcome};
use crate::boot::classify::{Classifier, Event, OtherKind, Sentinel};

/// After a complete report of the warning: time for what follows from it, such as a second warning.
const AFTER_HIT: Duration = Duration::from_millis(700);
/// After the warning's text, if the report does not end.
const TRACE: Duration = Duration::from_secs(5);
/// After the last line of the script, the guest powers itself off.
const AFTER_DONE: Duration = Duration::from_secs(3);
/// After a panic: time for its text.
const AFTER_PANIC: Duration = Duration::from_secs(2);

/// Results of a guest that are kept; what follows is on its console only.
const RESULTS_MAX: usize = 1024;

/// Why a boot is over.
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
}

/// The state of one boot.
pub(super) struct Watch {
    limits: Limits,
    copy: Option<Copy>,
    classifier: Classifier,
    started: Instant,
    begun: Option<Duration>,
    any_output: bool,
    /// When to stop looking, once something has decided the boot.
    enough: Option<Instant>,
    in_dump: bool,
    done: bool,
    panicked: bool,
    /// What makes the boot say nothing.
    spoiled: Option<String>,
    step: String,
    results: Vec<GuestResult>,
}

impl Watch {
    pub(super) fn new(limits: Limits, console: Option<&Path>) -> Result<Self, BootError> {
        let copy = console.map(Copy::create).transpose()?;
        Ok(Self {
            limits,
            copy,
            classifier: Classifier::default(),
            started: Instant::now(),
            begun: None,
            any_output: false,
            enough: None,
            in_dump: false,
            done: false,
            panicked: false,
            spoiled: None,
            step: String::new(),
            results: Vec::new(),
        })
    }

    /// Console bytes.
    pub(super) fn console(&mut self, bytes: &[u8], step: &mut dyn FnMut(&str)) -> Result<(), BootError> {
        if let Some(copy) = &mut self.copy {
            copy.write(bytes)?;
        }
        self.any_output = true;
        for event in self.classifier.feed(bytes) {
            self.event(event, step);
        }
        Ok(())
    }

    fn event(&mut self, event: Event, step: &mut dyn FnMut(&str)) {
        let in_time = |after| Some(Instant::now() + after);
        match event {
            Event::Hit => {
                step("the warning was seen");
                self.enough = self.enough.or(in_time(TRACE));
            }
            Event::HitComplete => self.enough = in_time(AFTER_HIT),
            Event::Panic => {
                self.panicked = true;
                self.enough = in_time(AFTER_PANIC);
            }
            Event::Sentinel(sentinel) => match sentinel {
                Sentinel::Begin => {
                    // A guest may reboot.
                    self.begun = self.begun.or(Some(self.started.elapsed()));
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
                    if self.results.len() < RESULTS_MAX {
                        self.results.push(GuestResult { name, text });
                    }
                }
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

    /// Whether the boot is over, by what was seen or by time.
    pub(super) fn end(&self) -> Option<End> {
        let elapsed = self.started.elapsed();
        // A hit in the dumped log is history: let the rest of it come.
        if !self.in_dump && self.enough.is_some_and(|enough| Instant::now() > enough) {
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

    /// Where the guest is, for messages.
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

    /// The console has ended.
    pub(super) fn finish(&mut self) {
        // What it completes is in the classifier; there is nothing more to react to.
        let _ = self.classifier.finish();
    }

    pub(super) fn report(self, end: End, total: Duration) -> BootReport {
        let outcome = self.outcome(end);
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        BootReport {
            outcome,
            warnings: self.classifier.hit_count(),
            hits: self.classifier.hits().to_vec(),
            others: self.classifier.others(),
            total_ms: millis(total),
            boot_ms: self.begun.map(millis),
            results: self.results,
            tail: self.classifier.tail().map(str::to_owned).collect(),
            said: Vec::new(),
        }
    }

    fn outcome(&self, end: End) -> Outcome {
        if self.classifier.hit_count() > 0 {
            return Outcome::Hit;
        }
        let seconds = |limit: Duration| limit.as_secs();
        let reason = match end {
            _ if self.panicked => "the kernel panicked".to_owned(),
            End::Mute => {
                format!(
                    "the kernel printed nothing for {} s",
                    seconds(self.limits.first_output)
                )
            }
            End::NoBegin => format!(
                "the guest was still booting after {} s",
                seconds(self.limits.boot)
            ),
            End::Timeout => {
                format!(
                    "not over after {} s; {}",
                    seconds(self.limits.total),
                    self.whereabouts()
                )
            }
            End::Powered | End::Seen => match &self.spoiled {
                Some(spoiled) => spoiled.clone(),
                None if self.done => {
                    let oops = self
                        .classifier
                        .others()
                        .into_iter()
                        .find(|other| other.kind == OtherKind::Oops);
                    let Some(oops) = oops else { return Outcome::NoHit };
                    format!("the kernel had an oops: {}", oops.title)
                }
                None => format!("the guest ended early; {}", self.whereabouts()),
            },
        };
        if self.begun.is_some() {
            Outcome::Inconclusive(reason)
        } else {
            Outcome::NotBooted(reason)
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
