// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Events of the guest as slices: functions on the tracks of their tasks, and who holds the lock on a track of its own.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::clock::{Clocks, MARKER};
use super::event::{Args, TraceEvent, args};
use super::ftrace::GuestEvent;
use super::named;

/// End of the name of the event at a function's end.
const END: &str = "_end";
/// Track of the lock, after those of all tasks.
const LOCK_TRACK: u64 = 1 << 32;
const LOCK: &str = "iommu_probe_device_lock";
/// Number and name of the track of the script's steps.
const STEPS_TRACK: u64 = LOCK_TRACK + 1;

/// A function that has begun.
struct Open {
    name: String,
    begun: f64,
    args: Args,
}

/// Task that has the lock.
struct Holder {
    task: String,
    since: f64,
    args: Args,
}

struct Builder<'a> {
    clocks: &'a Clocks,
    process: u64,
    out: Vec<TraceEvent>,
    open: HashMap<u64, Vec<Open>>,
    tasks: BTreeMap<u64, String>,
    holder: Option<Holder>,
    /// Tasks that wait for the lock, since when, and who had it then.
    waits: HashMap<u64, (f64, Option<String>)>,
}

/// The events of a guest, as those of process `process`.
pub(super) fn events(events: &[GuestEvent], clocks: &Clocks, process: u64) -> Vec<TraceEvent> {
    let mut builder = Builder {
        clocks,
        process,
        out: vec![
            named("process_name", process, 0, "guest"),
            named("thread_name", process, LOCK_TRACK, LOCK),
            named("thread_name", process, STEPS_TRACK, "steps"),
        ],
        open: HashMap::new(),
        tasks: BTreeMap::new(),
        holder: None,
        waits: HashMap::new(),
    };
    for event in events {
        builder.event(event);
    }
    let last = events.last().map_or(0.0, |event| clocks.server_us(event.ns));
    builder.finish(last)
}

impl Builder<'_> {
    fn event(&mut self, event: &GuestEvent) {
        let at = self.clocks.server_us(event.ns);
        match event.name.as_str() {
            MARKER => self.marker(&event.text, at),
            "lock_wait" => {
                let holder = self.holder.as_ref().map(|holder| holder.task.clone());
                self.waits.insert(event.pid, (at, holder));
            }
            "lock_held" => self.lock_held(event, at),
            "lock_free" => self.lock_free(at, false),
            name if name.starts_with("clock_") => {}
            name => match name.strip_suffix(END) {
                None => self.begin(event, at),
                Some(function) => self.end(function, event, at),
            },
        }
    }

    /// Steps and other words of the script; readings of the clock have done their duty.
    fn marker(&mut self, text: &str, at: f64) {
        if text.starts_with("clock ") {
            return;
        }
        self.out.push(TraceEvent {
            ts: Some(at),
            cat: "step".to_owned(),
            scope: Some('t'),
            ..TraceEvent::new(text, 'i', self.process, STEPS_TRACK)
        });
    }

    fn begin(&mut self, event: &GuestEvent, at: f64) {
        self.tasks.entry(event.pid).or_insert_with(|| event.comm.clone());
        let mut args: Args = event
            .fields
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        args.insert("cpu".to_owned(), json!(event.cpu));
        self.open.entry(event.pid).or_default().push(Open {
            name: event.name.clone(),
            begun: at,
            args,
        });
    }

    /// Ends the innermost call of that function; calls within it whose end the kernel has missed end with it.
    fn end(&mut self, function: &str, event: &GuestEvent, at: f64) {
        let stack = self.open.entry(event.pid).or_default();
        let Some(index) = stack.iter().rposition(|open| open.name == function) else {
            return;
        };
        for (depth, mut open) in stack.split_off(index).into_iter().enumerate() {
            if depth > 0 {
                open.args.insert("unfinished".to_owned(), json!(true));
            } else if let Some(value) = event.fields.get("value") {
                let value = value
                    .parse::<i64>()
                    .map_or_else(|_| json!(value), |value| json!(value));
                open.args.insert("returned".to_owned(), value);
            }
            self.out.push(function_slice(self.process, event.pid, open, at));
        }
    }

    fn lock_held(&mut self, event: &GuestEvent, at: f64) {
        self.tasks.entry(event.pid).or_insert_with(|| event.comm.clone());
        // A wait for a lock that was free is none.
        if let Some((since, Some(holder))) = self.waits.remove(&event.pid) {
            self.out.push(TraceEvent {
                ts: Some(since),
                dur: Some(at - since),
                cat: "lock".to_owned(),
                args: args([("holder", json!(holder))]),
                ..TraceEvent::new(&format!("waits for {LOCK}"), 'X', self.process, event.pid)
            });
        }
        self.lock_free(at, true);
        self.holder = Some(Holder {
            task: format!("{}-{}", event.comm, event.pid),
            since: at,
            args: args([("pid", json!(event.pid)), ("in", json!(caller(&event.text)))]),
        });
    }

    fn lock_free(&mut self, at: f64, unfinished: bool) {
        if let Some(Holder {
            task,
            since,
            mut args,
        }) = self.holder.take()
        {
            if unfinished {
                args.insert("unfinished".to_owned(), Value::Bool(true));
            }
            self.out.push(TraceEvent {
                ts: Some(since),
                dur: Some(at - since),
                cat: "lock".to_owned(),
                args,
                ..TraceEvent::new(&task, 'X', self.process, LOCK_TRACK)
            });
        }
    }

    fn finish(mut self, last: f64) -> Vec<TraceEvent> {
        self.lock_free(last, true);
        for (pid, stack) in std::mem::take(&mut self.open) {
            for mut open in stack {
                open.args.insert("unfinished".to_owned(), json!(true));
                self.out.push(function_slice(self.process, pid, open, last));
            }
        }
        for (pid, comm) in &self.tasks {
            let name = format!("{comm}-{pid}");
            self.out.push(named("thread_name", self.process, *pid, &name));
        }
        self.out
    }
}

/// Function that called the one that has returned: `(really_probe+0x7c/0x3f8 <- mutex_lock) …`.
fn caller(text: &str) -> &str {
    let at = text.strip_prefix('(').and_then(|text| text.split_once(" <- "));
    at.map_or("", |(caller, _)| caller)
}

/// Slice of a call, with the device in its name.
fn function_slice(process: u64, pid: u64, open: Open, end: f64) -> TraceEvent {
    let device = open.args.get("dev").and_then(Value::as_str);
    let name = match device {
        Some(device) => format!("{} {device}", open.name),
        None => open.name,
    };
    TraceEvent {
        ts: Some(open.begun),
        dur: Some((end - open.begun).max(0.0)),
        cat: "probe".to_owned(),
        args: open.args,
        ..TraceEvent::new(&name, 'X', process, pid)
    }
}
