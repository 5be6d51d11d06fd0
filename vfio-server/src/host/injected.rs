// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Hits of the plan's rules: log lines, events, delayed replies.

use std::time::Duration;

use serde_json::json;
use smmu_emu::injected::{Injection, InjectionPoint};
use smmu_emu::{DelayedReply, Injected};

use super::events::{Event, fired_limit};
use super::log_limit::LogLimit;
use crate::config::ReplyTimeout;
use crate::trace::describe::line;

/// A reply that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingReply {
    /// Until this time of the run.
    pub until: u64,
    /// Or until this mark is raised.
    pub mark: Option<String>,
}

impl PendingReply {
    /// The delay that the model asks for, bounded by the reply timeout.
    #[must_use]
    pub fn new(delay: &DelayedReply, now: u64, reply_timeout: ReplyTimeout) -> Self {
        let bound = u64::try_from(reply_timeout.bound().as_nanos()).unwrap_or(u64::MAX);
        Self {
            until: delay.deadline.min(now.saturating_add(bound)),
            mark: delay.mark.clone(),
        }
    }

    /// Logs that the wait may come near to what clients bear, if it may.
    #[must_use]
    pub fn warning(
        &self,
        smmu: &str,
        register: &str,
        now: u64,
        reply_timeout: ReplyTimeout,
    ) -> Option<Event> {
        let wait = Duration::from_nanos(self.until.saturating_sub(now));
        if wait < reply_timeout.near() {
            return None;
        }
        let (wait, timeout) = (wait.as_millis(), reply_timeout.timeout().as_millis());
        tracing::warn!(
            smmu,
            register,
            "the reply is delayed by up to {wait} ms; QEMU gives up after {timeout} ms"
        );
        let number = |ms: u128| u64::try_from(ms).unwrap_or(u64::MAX);
        let data = json!({
            "smmu": smmu, "register": register, "milliseconds": number(wait), "timeout": number(timeout),
        });
        Some(Event::new("STALL_NEAR_TIMEOUT", data))
    }
}

/// The hits of the rules of one SMMU, bounded in number where they are told of.
#[derive(Debug)]
pub struct Hits {
    delays: LogLimit,
    faults: LogLimit,
    log: LogLimit,
}

impl Default for Hits {
    fn default() -> Self {
        Self {
            delays: fired_limit(),
            faults: fired_limit(),
            log: LogLimit::default(),
        }
    }
}

impl Hits {
    /// Logs a hit at `ns` of the run as its rule's `verbose` says, unless there were too many.
    pub fn log(&self, ns: u64, smmu: &str, injected: &Injected) {
        let Injected {
            what,
            rule,
            operation,
            verbose,
            ref at,
            ..
        } = *injected;
        if verbose == 0 || self.log.pass_at(Duration::from_nanos(ns)).is_none() {
            return;
        }
        let family = match what {
            Injection::Delay(_) => "delay",
            Injection::Error(_) => "fault",
        };
        let what = name(what);
        if verbose == 1 {
            tracing::info!(smmu, "{family} {rule} ({what}) hit operation {operation}");
        } else {
            let at = describe(at);
            tracing::info!(smmu, "{family} {rule} ({what}) hit operation {operation}: {at}");
        }
    }

    /// The event of a hit at `ns` of the run, unless there were too many in its second.
    pub fn event(&self, ns: u64, smmu: &str, injected: &Injected) -> Option<Event> {
        let Injected {
            what,
            rule,
            operation,
            ref at,
            ..
        } = *injected;
        match what {
            Injection::Delay(site) => {
                let suppressed = self.delays.pass_at(Duration::from_nanos(ns))?;
                let data = json!({
                    "smmu": smmu, "delay": rule, "operation": operation, "site": site, "bank": at.bank,
                    "register": at.register, "index": at.index, "line": at.line.map(line), "suppressed": suppressed,
                });
                Some(Event::new("DELAY_FIRED", data))
            }
            Injection::Error(kind) => {
                let suppressed = self.faults.pass_at(Duration::from_nanos(ns))?;
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

const fn name(what: Injection) -> &'static str {
    match what {
        Injection::Delay(site) => site.name(),
        Injection::Error(kind) => kind.row().name,
    }
}

fn describe(at: &InjectionPoint) -> String {
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
