// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! From a record to a line: names, fields, and what differs from before. Done when a trace is written, never when an
//! event is recorded.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use smmu_emu::Origin;
use smmu_emu::events::{Accessed, End, Event, Outcome, Recorded, Translated};
use smmu_emu::fault::Cause;
use smmu_emu::injected::Injection as Did;
use smmu_emu::inspect::fields_of;
use smmu_emu::{Access, AccessKind, Fault as ModelFault, Frame, Injected, Transaction};

use super::line::{Fault, Injection, Line, NoMemory, Register, Request, Translation, What};
use super::ring::Record;

/// Describes the records of one trace, in their order.
#[derive(Debug, Default)]
pub struct Describer {
    names: Vec<String>,
    /// Last traced value of each register, by SMMU and offset; as many as there are registers.
    known: HashMap<(usize, u64), u64>,
}

impl Describer {
    /// Describer for SMMUs of these names.
    #[must_use]
    pub fn new(names: Vec<String>) -> Self {
        Self {
            names,
            known: HashMap::new(),
        }
    }

    /// Names of the SMMUs.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Records are missing: what the registers hold is no longer known.
    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// The line of a record; `None` for an event that this version has no words for, which traces leave out.
    pub fn line(&mut self, record: &Record) -> Option<Line> {
        let what = match &record.event {
            Event::Access(accessed) => {
                let register = self.register(record.smmu, accessed);
                match accessed.access.kind {
                    AccessKind::Read => What::Read(register),
                    AccessKind::Write => What::Write(register),
                }
            }
            Event::Translation(translated) => What::Translation(translation(translated)),
            Event::TbuHits {
                stream_id,
                reads,
                writes,
            } => What::UnitHits {
                stream: *stream_id,
                reads: *reads,
                writes: *writes,
            },
            Event::NoMemory(met) => What::NoMemory(NoMemory {
                request: request(Origin::Client, &met.transaction),
                to: met.address,
            }),
            Event::Fault(recorded) => What::Fault(fault(recorded)),
            Event::Line { line, level } => {
                let (line, number) = match line {
                    smmu_emu::Line::Global => ("global", None),
                    smmu_emu::Line::Context(bank) => ("context", Some(*bank)),
                    smmu_emu::Line::Pmu(group) => ("pmu", Some(*group)),
                };
                What::Interrupt {
                    line: line.into(),
                    number,
                    level: *level,
                }
            }
            Event::Injected(injected) => What::Injection(injection(injected)),
            Event::Reset => {
                self.known.retain(|(smmu, _), _| *smmu != record.smmu);
                What::Reset
            }
            _ => return None,
        };
        Some(Line {
            ns: record.ns,
            smmu: self.names.get(record.smmu).cloned(),
            what,
        })
    }

    fn register(&mut self, smmu: usize, accessed: &Accessed) -> Register {
        let Access {
            name,
            frame,
            index,
            kind,
            width,
            value,
            offset,
        } = accessed.access;
        let mut register = Register {
            frame: frame_name(frame),
            register: name.into(),
            index,
            width,
            value,
            offset,
            ..Register::default()
        };
        let (before, now) = match (kind, accessed.change) {
            (AccessKind::Write, Some(change)) => {
                if change.before != change.after {
                    register.before = Some(change.before);
                    register.after = Some(change.after);
                }
                self.known.insert((smmu, offset), change.after);
                (Some(change.before), change.after)
            }
            (AccessKind::Read, _) if accessed.whole => (self.known.insert((smmu, offset), value), value),
            _ => return register,
        };
        if before == Some(now) {
            return register;
        }
        let fields = fields_of(accessed, now).into_iter();
        let fields = fields.map(|(name, value)| (name, plain(value)));
        match before {
            None => register.fields = fields.collect(),
            Some(before) => {
                let mut old: BTreeMap<_, _> = fields_of(accessed, before).into_iter().collect();
                let pairs = fields.filter_map(|(name, new)| {
                    let old = old.remove(&name).map_or(Value::Null, plain);
                    (old != new).then_some((name, [old, new]))
                });
                register.changed = pairs.collect();
            }
        }
        register
    }
}

fn frame_name(frame: Frame) -> String {
    match frame {
        Frame::Gr0 => "gr0".into(),
        Frame::Gr1 => "gr1".into(),
        Frame::Global(page) => format!("global{page}"),
        Frame::Context(bank) => format!("cb{bank}"),
        Frame::Outside => "outside".into(),
    }
}

fn request(origin: Origin, transaction: &Transaction) -> Request {
    let Transaction {
        stream_id,
        address,
        intent,
    } = *transaction;
    let access = match (intent.write, intent.instruction) {
        (true, _) => "write",
        (false, true) => "fetch",
        (false, false) => "read",
    };
    Request {
        stream: (origin == Origin::Client).then_some(stream_id),
        address,
        access: access.into(),
        privileged: intent.privileged,
    }
}

fn translation(translated: &Translated) -> Translation {
    let line = Translation {
        request: request(translated.origin, &translated.transaction),
        bank: translated.bank,
        walked: translated.walked,
        ..Translation::default()
    };
    match translated.outcome {
        Outcome::Translated { address } => Translation {
            result: "translated".into(),
            // An operation without a bank has none; a client's access without one was let pass.
            bypass: translated.origin == Origin::Client && translated.bank.is_none(),
            to: Some(address),
            ..line
        },
        Outcome::Refused { cause, end } => {
            let (cause, level) = match cause {
                Cause::Global(cause) => (format!("{cause:?}"), None),
                Cause::Context { cause, level } => (format!("{cause:?}"), Some(level)),
                Cause::Blocked | Cause::Waiting | Cause::Ended => (format!("{cause:?}"), None),
            };
            let result = match end {
                End::Abort => "abort",
                End::Ignore => "ignore",
                End::Stall => "stall",
                End::Reported => "reported",
            };
            Translation {
                result: result.into(),
                cause: Some(cause),
                level,
                ..line
            }
        }
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

fn injection(injected: &Injected) -> Injection {
    let Injected {
        what,
        rule,
        operation,
        at,
        ..
    } = injected;
    let (what, site, kind) = match what {
        Did::Delay(site) => ("delay", Some(*site), None),
        Did::Error(kind) => ("fault", None, Some(*kind)),
    };
    Injection {
        what: what.into(),
        rule: *rule,
        operation: *operation,
        site,
        kind,
        bank: at.bank,
        stream: at.stream,
        address: at.address,
        descriptor: at.descriptor,
        register: at.register.map(Into::into),
        index: at.index,
        line: at.line.map(line),
    }
}

fn fault(recorded: &Recorded) -> Fault {
    let line = Fault {
        multiple: recorded.multiple,
        stalled: recorded.stalled,
        ..Fault::default()
    };
    match &recorded.fault {
        ModelFault::Global(fault) => Fault {
            request: request(recorded.origin, &fault.transaction),
            cause: format!("{:?}", fault.cause),
            ..line
        },
        ModelFault::Context(fault) => Fault {
            request: request(recorded.origin, &fault.transaction),
            bank: Some(fault.bank),
            cause: format!("{:?}", fault.cause),
            level: Some(fault.level),
            ipa: fault.nested.map(|nested| nested.ipa),
            ..line
        },
        // Nothing is recorded of these.
        ModelFault::Blocked { bank } | ModelFault::Waiting { bank } => Fault {
            bank: Some(*bank),
            cause: format!("{:?}", recorded.fault),
            ..line
        },
    }
}

/// The value of a field: numbers and truth values as such.
pub(crate) fn plain(text: String) -> Value {
    match text.parse::<u64>() {
        Ok(number) => number.into(),
        Err(_) if text == "true" => true.into(),
        Err(_) if text == "false" => false.into(),
        Err(_) => text.into(),
    }
}
