// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A trace as Chrome's trace events, which Perfetto (<https://ui.perfetto.dev>) and `chrome://tracing` open.
//!
//! A process is an SMMU; its tracks are the global registers, each context bank, each stream, and, so that slices on
//! one track never overlap, the TLB synchronisations and address translation operations of each bank. What takes time
//! is a slice from the write that starts it to the first status read that finds it over; everything else is an instant,
//! interrupt lines are counters.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};
use smmu_emu::Origin;
use smmu_emu::events::{Accessed, Event};
use smmu_emu::injected::Injection as Did;
use smmu_emu::{AccessKind, Frame, Injected, Site};

use super::line::{Line, What};
use super::ring::Record;

/// Head of a trace; the events follow, with commas between them.
pub const BEGIN: &str = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n";
/// Tail of a trace.
pub const END: &str = "\n]}\n";

/// A track of an SMMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Track {
    /// Global registers, faults, resets; registers outside of every frame.
    Global,
    /// TLB synchronisations of the whole SMMU.
    GlobalSync,
    /// Registers and faults of a context bank.
    Bank(u16),
    /// Its TLB synchronisations.
    BankSync(u16),
    /// Its address translation operations.
    BankAts(u16),
    /// A client.
    Stream(u16),
}

impl Track {
    /// A number that no other track of the SMMU has; tracks are shown in this order.
    fn tid(self) -> u32 {
        match self {
            Self::Global => 1,
            Self::GlobalSync => 2,
            Self::Bank(bank) => 10 + 3 * u32::from(bank),
            Self::BankSync(bank) => 11 + 3 * u32::from(bank),
            Self::BankAts(bank) => 12 + 3 * u32::from(bank),
            Self::Stream(stream) => 1_000_000 + u32::from(stream),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Global => "global".into(),
            Self::GlobalSync => "global TLB sync".into(),
            Self::Bank(bank) => format!("bank {bank}"),
            Self::BankSync(bank) => format!("bank {bank} TLB sync"),
            Self::BankAts(bank) => format!("bank {bank} ATS"),
            Self::Stream(stream) => format!("stream {stream:#x}"),
        }
    }
}

/// An operation that software polls.
#[derive(Debug)]
struct Open {
    name: &'static str,
    begin: u64,
    /// The rules that delay it.
    delays: Vec<Value>,
    args: Value,
}

/// Turns described records into trace events.
#[derive(Debug, Default)]
pub struct Chrome {
    /// Tracks that have their name.
    named: HashSet<(usize, Track)>,
    /// Operations under way.
    open: HashMap<(usize, Track), Open>,
    /// Delays whose operation is yet to be written: a rule is told before the write that it hit.
    pending: HashMap<(usize, Track), Vec<Value>>,
    last: u64,
}

impl Chrome {
    /// The names of the processes.
    #[must_use]
    pub fn begin(names: &[String]) -> Vec<Value> {
        let named = names.iter().enumerate();
        named
            .map(|(smmu, name)| {
                let args = json!({ "name": format!("SMMU {name}") });
                json!({ "name": "process_name", "ph": "M", "pid": pid(smmu), "tid": 0, "args": args })
            })
            .collect()
    }

    /// The events of a record and of the line that describes it.
    pub fn event(&mut self, record: &Record, line: &Line) -> Vec<Value> {
        let mut out = Vec::new();
        self.last = record.ns;
        let smmu = record.smmu;
        let args = arguments(&line.what);
        match &record.event {
            Event::Access(accessed) => self.access(&mut out, record, accessed, args),
            Event::Translation(translated) => {
                let track = match (translated.origin, translated.bank) {
                    (Origin::Client, _) => Track::Stream(translated.transaction.stream_id),
                    (Origin::Operation, Some(bank)) => Track::BankAts(bank.into()),
                    (Origin::Operation, None) => Track::Global,
                };
                let name = match &line.what {
                    What::Translation(translation) => translation.result.as_str(),
                    _ => "translation",
                };
                self.instant(&mut out, record, track, name, "translation", args);
            }
            Event::TbuHits { stream_id, .. } => {
                self.instant(
                    &mut out,
                    record,
                    Track::Stream(*stream_id),
                    "unit hits",
                    "translation",
                    args,
                );
            }
            Event::NoMemory(met) => {
                let track = Track::Stream(met.transaction.stream_id);
                self.instant(&mut out, record, track, "no memory", "translation", args);
            }
            Event::Fault(_) => {
                let (track, cause) = match &line.what {
                    What::Fault(fault) => (
                        fault.bank.map_or(Track::Global, |bank| Track::Bank(bank.into())),
                        &*fault.cause,
                    ),
                    _ => (Track::Global, ""),
                };
                self.instant(&mut out, record, track, &format!("fault {cause}"), "fault", args);
            }
            Event::Line { line, level } => {
                let name = match line {
                    smmu_emu::Line::Global => "interrupt global".into(),
                    smmu_emu::Line::Context(bank) => format!("interrupt bank {bank}"),
                    smmu_emu::Line::Pmu(group) => format!("interrupt counters {group}"),
                };
                out.push(json!({
                    "name": name, "cat": "interrupt", "ph": "C", "ts": us(record.ns), "pid": pid(smmu), "tid": 0,
                    "args": { "level": u8::from(*level) },
                }));
            }
            Event::Injected(Injected { what, rule, at, .. }) => {
                let (name, track, lasts) = match (what, at.bank) {
                    (Did::Delay(Site::Ats), Some(bank)) => ("delay", Track::BankAts(bank.into()), true),
                    (Did::Delay(Site::ContextSync), Some(bank)) => {
                        ("delay", Track::BankSync(bank.into()), true)
                    }
                    (Did::Delay(Site::GlobalSync), _) => ("delay", Track::GlobalSync, true),
                    (Did::Delay(_), Some(bank)) => ("delay", Track::Bank(bank.into()), false),
                    (Did::Delay(_), None) => ("delay", Track::Global, false),
                    (Did::Error(_), Some(bank)) => ("fault", Track::Bank(bank.into()), false),
                    (Did::Error(_), None) => ("fault", Track::Global, false),
                };
                if lasts {
                    self.pending.entry((smmu, track)).or_default().push(args.clone());
                }
                self.instant(
                    &mut out,
                    record,
                    track,
                    &format!("{name} {rule}"),
                    "injection",
                    args,
                );
            }
            Event::Reset => {
                // What was under way is no more.
                self.close_all(&mut out, record.ns, |of| of == smmu);
                self.instant(&mut out, record, Track::Global, "reset", "reset", args);
            }
            // Without a description, and so not here.
            _ => {}
        }
        out
    }

    /// Events are missing.
    pub fn lost(&mut self, records: u64) -> Vec<Value> {
        // Their ends may be among them.
        let mut out = self.end();
        self.pending.clear();
        out.push(json!({
            "name": "lost", "cat": "trace", "ph": "i", "s": "g", "ts": us(self.last), "pid": pid(0), "tid": 0,
            "args": { "records": records },
        }));
        out
    }

    /// The slices of operations that were not over when the trace ended.
    pub fn end(&mut self) -> Vec<Value> {
        let mut out = Vec::new();
        self.close_all(&mut out, self.last, |_| true);
        out
    }

    fn access(&mut self, out: &mut Vec<Value>, record: &Record, accessed: &Accessed, args: Value) {
        let access = &accessed.access;
        let (smmu, name) = (record.smmu, access.name);
        let bank = match access.frame {
            Frame::Context(bank) => Some(bank),
            Frame::Gr0 | Frame::Gr1 | Frame::Global(_) | Frame::Outside => None,
        };
        let write = access.kind == AccessKind::Write;
        match (bank, name, write) {
            (None, "sTLBGSYNC", true) => self.open(out, record, Track::GlobalSync, "sTLBGSYNC", &args),
            (Some(bank), "CBn_TLBSYNC", true) => self.open(out, record, Track::BankSync(bank), "CBn_TLBSYNC", &args),
            (Some(bank), "CBn_ATS1PR" | "CBn_ATS1PW" | "CBn_ATS1UR" | "CBn_ATS1UW", true)
                // The upper half on its own starts nothing.
                if access.offset.is_multiple_of(8) =>
            {
                self.open(out, record, Track::BankAts(bank), name, &args);
            }
            (None, "sTLBGSTATUS", false) if access.value & 1 == 0 => {
                self.close(out, record.ns, (smmu, Track::GlobalSync), true);
            }
            (Some(bank), "CBn_TLBSTATUS", false) if access.value & 1 == 0 => {
                self.close(out, record.ns, (smmu, Track::BankSync(bank)), true);
            }
            (Some(bank), "CBn_ATSR", false) if access.value & 1 == 0 => {
                self.close(out, record.ns, (smmu, Track::BankAts(bank)), true);
            }
            _ => {}
        }
        let track = bank.map_or(Track::Global, Track::Bank);
        let index = if bank.is_none() && access.index != 0 {
            format!("[{}]", access.index)
        } else {
            String::new()
        };
        let kind = if write { 'W' } else { 'R' };
        self.instant(
            out,
            record,
            track,
            &format!("{kind} {name}{index}"),
            "register",
            args,
        );
    }

    fn open(
        &mut self,
        out: &mut Vec<Value>,
        record: &Record,
        track: Track,
        name: &'static str,
        args: &Value,
    ) {
        let key = (record.smmu, track);
        // Another one before that was seen to end: software gave it up.
        self.close(out, record.ns, key, false);
        let delays = self.pending.remove(&key).unwrap_or_default();
        let open = Open {
            name,
            begin: record.ns,
            delays,
            args: args.clone(),
        };
        self.open.insert(key, open);
    }

    /// The slice of an operation, and within it those of its delays.
    fn close(&mut self, out: &mut Vec<Value>, end: u64, key: (usize, Track), over: bool) {
        let Some(mut open) = self.open.remove(&key) else {
            return;
        };
        if let (false, Some(args)) = (over, open.args.as_object_mut()) {
            args.insert("unfinished".into(), true.into());
        }
        let (smmu, track) = key;
        self.name(out, smmu, track);
        let slice = |name: &str, cat: &str, args: Value| {
            let (ts, dur) = (us(open.begin), us(end.saturating_sub(open.begin)));
            json!({
                "name": name, "cat": cat, "ph": "X", "ts": ts, "dur": dur, "pid": pid(smmu), "tid": track.tid(),
                "args": args,
            })
        };
        out.push(slice(open.name, "operation", open.args));
        for args in open.delays {
            out.push(slice(&format!("delay {}", args["rule"]), "injection", args));
        }
    }

    fn close_all(&mut self, out: &mut Vec<Value>, end: u64, of: impl Fn(usize) -> bool) {
        let mut keys: Vec<_> = self.open.keys().copied().filter(|(smmu, _)| of(*smmu)).collect();
        keys.sort_unstable();
        for key in keys {
            self.close(out, end, key, false);
        }
    }

    fn instant(
        &mut self,
        out: &mut Vec<Value>,
        record: &Record,
        track: Track,
        name: &str,
        cat: &str,
        args: Value,
    ) {
        self.name(out, record.smmu, track);
        out.push(json!({
            "name": name, "cat": cat, "ph": "i", "s": "t", "ts": us(record.ns), "pid": pid(record.smmu),
            "tid": track.tid(), "args": args,
        }));
    }

    /// Names a track before its first event.
    fn name(&mut self, out: &mut Vec<Value>, smmu: usize, track: Track) {
        if !self.named.insert((smmu, track)) {
            return;
        }
        let (pid, tid) = (pid(smmu), track.tid());
        for (name, args) in [
            ("thread_name", json!({ "name": track.name() })),
            ("thread_sort_index", json!({ "sort_index": tid })),
        ] {
            out.push(json!({ "name": name, "ph": "M", "pid": pid, "tid": tid, "args": args }));
        }
    }
}

/// Process 0 is the kernel's idle task in Perfetto's eyes.
fn pid(smmu: usize) -> usize {
    smmu + 1
}

/// Microseconds. A double holds nanoseconds exactly for longer than a server runs.
#[expect(clippy::cast_precision_loss, reason = "2^53 ns are 104 days")]
fn us(ns: u64) -> f64 {
    ns as f64 / 1000.0
}

/// Content of the line, without its type.
fn arguments(what: &What) -> Value {
    match serde_json::to_value(what) {
        Ok(Value::Object(fields)) => fields
            .into_iter()
            .filter(|(name, _)| name != "type")
            .collect::<Map<_, _>>()
            .into(),
        _ => json!({}),
    }
}

#[cfg(test)]
pub(super) mod tests;
