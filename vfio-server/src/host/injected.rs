// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What the plan does to the run, as people hear of it: log lines, events, replies that wait.

use std::time::Duration;

use serde_json::json;
use smmu_emu::injected::{Point, What};
use smmu_emu::{Hold, Injected, Plan};

use crate::host::events::{Event, FiredLimit};

/// What QEMU waits for a reply (`x-msg-timeout`) unless told otherwise.
pub const MESSAGE_TIMEOUT_MS: u64 = 5000;
/// Log lines of one SMMU in [`LOG_INTERVAL`], as the kernel has it.
const LOG_BURST: u32 = 10;
const LOG_INTERVAL: Duration = Duration::from_secs(5);

/// How long clients wait for a reply before they give up the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    timeout: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self::of_ms(MESSAGE_TIMEOUT_MS)
    }
}

impl Patience {
    /// Of so many milliseconds.
    #[must_use]
    pub const fn of_ms(timeout: u64) -> Self {
        Self {
            timeout: Duration::from_millis(timeout),
        }
    }

    /// No reply is held up for longer: four fifths of what clients wait.
    #[must_use]
    pub fn bound(self) -> Duration {
        self.timeout * 4 / 5
    }

    /// A reply that is held up for this long is worth a warning: half of what clients wait.
    #[must_use]
    pub fn near(self) -> Duration {
        self.timeout / 2
    }

    /// Checks that no rule holds a reply up for longer than [`Self::bound`].
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn check(self, plan: &Plan) -> Result<(), String> {
        let bound = u64::try_from(self.bound().as_micros()).unwrap_or(u64::MAX);
        let too_long =
            |rule: &smmu_emu::DelayRule| rule.site == smmu_emu::Site::Register && rule.longest_us() > bound;
        match plan.delays.iter().position(too_long) {
            None => Ok(()),
            Some(rule) => Err(format!(
                "delay rule {}: a reply may be late by at most {bound} microseconds, or QEMU gives the device up after {} ms; raise \
                 `x-msg-timeout` of vfio-user-pci and `message_timeout_ms` of the configuration",
                rule + 1,
                self.timeout.as_millis()
            )),
        }
    }
}

/// A reply that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Until this time of the run.
    pub until: u64,
    /// Or until this mark is raised.
    pub mark: Option<String>,
}

impl Held {
    /// What the model asks for, within what clients bear.
    #[must_use]
    pub fn new(hold: &Hold<'_>, now: u64, patience: Patience) -> Self {
        let bound = u64::try_from(patience.bound().as_nanos()).unwrap_or(u64::MAX);
        Self {
            until: hold.deadline.min(now.saturating_add(bound)),
            mark: hold.mark.map(Into::into),
        }
    }

    /// Logs that the wait may come near to what clients bear, if it may.
    #[must_use]
    pub fn warning(&self, smmu: &str, register: &str, now: u64, patience: Patience) -> Option<Event> {
        let wait = Duration::from_nanos(self.until.saturating_sub(now));
        if wait < patience.near() {
            return None;
        }
        let (wait, timeout) = (wait.as_millis(), patience.timeout.as_millis());
        tracing::warn!(
            smmu,
            register,
            "the reply is held up for up to {wait} ms; QEMU gives up after {timeout} ms"
        );
        let number = |ms: u128| u64::try_from(ms).unwrap_or(u64::MAX);
        let data = json!({
            "smmu": smmu, "register": register, "milliseconds": number(wait), "timeout": number(timeout),
        });
        Some(Event::new("STALL_NEAR_TIMEOUT", data))
    }
}

/// The hits of the rules of one SMMU, bounded in number where they are told of.
#[derive(Clone, Debug, Default)]
pub struct Hits {
    delays: FiredLimit,
    faults: FiredLimit,
    logging: Option<(Duration, u32)>,
}

impl Hits {
    /// Logs a hit at `ns` of the run as its rule's `verbose` says, unless there were too many.
    pub fn log(&mut self, ns: u64, smmu: &str, injected: &Injected) {
        let Injected {
            what,
            rule,
            operation,
            verbose,
            ref at,
        } = *injected;
        if verbose == 0 || !self.may_log(Duration::from_nanos(ns)) {
            return;
        }
        let family = match what {
            What::Delay(_) => "delay",
            What::Fault(_) => "fault",
        };
        let what = name(what);
        if verbose == 1 {
            tracing::info!(smmu, "{family} {rule} ({what}) hit operation {operation}");
        } else {
            let at = describe(at);
            tracing::info!(smmu, "{family} {rule} ({what}) hit operation {operation}: {at}");
        }
    }

    fn may_log(&mut self, now: Duration) -> bool {
        let (start, count) = match self.logging {
            Some((start, count)) if now.saturating_sub(start) < LOG_INTERVAL => (start, count),
            _ => (now, 0),
        };
        self.logging = Some((start, count.saturating_add(1)));
        count < LOG_BURST
    }

    /// The event of a hit at `ns` of the run, unless there were too many in its second.
    pub fn event(&mut self, ns: u64, smmu: &str, injected: &Injected) -> Option<Event> {
        let Injected {
            what,
            rule,
            operation,
            ref at,
            ..
        } = *injected;
        match what {
            What::Delay(site) => {
                let suppressed = self.delays.admit(ns)?;
                let data = json!({
                    "smmu": smmu, "delay": rule, "operation": operation, "site": site, "bank": at.bank,
                    "register": at.register, "index": at.index, "line": at.line.map(line), "suppressed": suppressed,
                });
                Some(Event::new("DELAY_FIRED", data))
            }
            What::Fault(kind) => {
                let suppressed = self.faults.admit(ns)?;
                let data = json!({
                    "smmu": smmu, "fault": rule, "operation": operation, "kind": kind, "bank": at.bank,
                    "stream": at.stream, "address": at.address, "descriptor": at.descriptor, "register": at.register,
                    "index": at.index, "line": at.line.map(line), "suppressed": suppressed,
                });
                Some(Event::new("FAULT_FIRED", data))
            }
        }
    }
}

const fn name(what: What) -> &'static str {
    match what {
        What::Delay(site) => site.name(),
        What::Fault(kind) => kind.row().name,
    }
}

/// A line in a word or two.
pub fn line(line: smmu_emu::Line) -> String {
    let (kind, number) = line.kind();
    match kind {
        smmu_emu::LineKind::Global => "global".into(),
        smmu_emu::LineKind::Context => format!("context {number}"),
        smmu_emu::LineKind::Pmu => format!("pmu {number}"),
    }
}

fn describe(at: &Point) -> String {
    let hex = |number: u64| format!("{number:#x}");
    let parts = [
        ("bank", at.bank.map(|bank| bank.to_string())),
        ("stream", at.stream.map(|stream| hex(stream.into()))),
        ("address", at.address.map(hex)),
        ("descriptor", at.descriptor.map(hex)),
        ("register", at.register.map(Into::into)),
        ("index", at.index.map(|index| index.to_string())),
        ("line", at.line.map(line)),
    ];
    let given = parts
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name} {}", value?)));
    given.collect::<Vec<_>>().join(", ")
}
