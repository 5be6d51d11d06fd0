// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The trace: what happens in the SMMUs, for a user to look at (`docs/trace.md`).
//!
//! ```text
//!  model ─ Host::trace ─ Probe ──► Ring ──┬─► writer thread ─ Formatter ─► file
//!                                        └─► trace-save  ── Formatter ─► file
//! ```
//!
//! The writer's files are those of `trace-start path=…` and of `trace` in the configuration.
//!
//! A register access that is traced costs a copy of its record into the [`Ring`], under a lock that no thread holds for
//! longer than it takes to copy some records. Names, fields and text are made when a trace is written out. A writer
//! that falls behind by more than the ring holds loses records, which its file tells; nothing waits for a disk.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use smmu_emu::events::Event;

pub mod chrome;
pub mod describe;
pub mod format;
pub mod line;
mod output;
pub mod ring;
#[cfg(test)]
mod tests;

pub use format::Format;
pub use line::{Line, What, parse};
pub use output::Ended;
use output::{Begin, Output};
use ring::{DEFAULT_RECORDS, Record, Ring, Taken};

use self::format::Formatter;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Records that are copied while the lock is held: some microseconds.
const BATCH: usize = 256;
/// Text is written in portions of about this size.
const PORTION: usize = 64 << 10;
/// Time for which a writer that was waiting lets records gather.
const GATHER: Duration = Duration::from_millis(10);

/// The trace of one server: a ring that all its SMMUs share, and the files that it is being written to.
#[derive(Debug)]
pub struct Tracer {
    start: Instant,
    state: Mutex<State>,
    /// Records for a writer that waits, or its end.
    news: Condvar,
}

#[derive(Debug)]
struct State {
    ring: Ring,
    /// A writer waits for news.
    waiting: bool,
    members: Vec<Member>,
    outputs: Vec<Output>,
}

/// An SMMU.
#[derive(Debug)]
struct Member {
    name: String,
    on: Arc<AtomicBool>,
}

/// Probe of one SMMU: it, and whatever acts for it, leaves its events here.
#[derive(Clone, Debug)]
pub struct Probe {
    tracer: Arc<Tracer>,
    smmu: usize,
    on: Arc<AtomicBool>,
}

/// Status of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Records that the ring has room for.
    pub capacity: usize,
    /// Number of records that are there.
    pub kept: u64,
    /// Number of all records that there ever were.
    pub recorded: u64,
    /// The files that are being written.
    pub files: Vec<Ended>,
}

/// Result of a saved trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Events in the file.
    pub records: u64,
    /// Events that were overwritten while the file was being written.
    pub lost: u64,
}

impl Tracer {
    /// Makes a tracer that traces nothing. `start` is what times count from.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        let state = State {
            ring: Ring::new(DEFAULT_RECORDS),
            waiting: false,
            members: Vec::new(),
            outputs: Vec::new(),
        };
        Self {
            start,
            state: Mutex::new(state),
            news: Condvar::default(),
        }
    }

    /// Adds an SMMU.
    #[must_use]
    pub fn join(self: &Arc<Self>, name: &str) -> Probe {
        let mut state = self.lock();
        let on = Arc::new(AtomicBool::new(false));
        state.members.push(Member {
            name: name.to_owned(),
            on: Arc::clone(&on),
        });
        Probe {
            tracer: Arc::clone(self),
            smmu: state.members.len() - 1,
            on,
        }
    }

    /// Records the SMMUs with these numbers from now on. The ring keeps `records` events, and forgets what was there,
    /// if that is another number than before.
    pub fn record(&self, smmus: &[usize], records: Option<usize>) {
        let mut state = self.lock();
        if let Some(records) = records
            && records != state.ring.capacity()
        {
            state.ring.resize(records);
        }
        state.switch(smmus, true);
    }

    /// Records these SMMUs and writes what they do from now on to a file. Files that they were written to end for them,
    /// and are complete if no other SMMU is written to them.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn write(
        self: &Arc<Self>,
        smmus: &[usize],
        file: File,
        path: &Path,
        format: Format,
    ) -> io::Result<Vec<Ended>> {
        let ended = self.leave(smmus, false);
        let mut state = self.lock();
        let begin = Begin {
            record: state.ring.next(),
            ns: self.now(),
            names: state.names(),
        };
        let output = Output::start(self, smmus, begin, (file, path, format))?;
        state.outputs.push(output);
        state.switch(smmus, true);
        Ok(ended)
    }

    /// Records these SMMUs no more. What the ring holds stays there. The files that were written for them alone are
    /// complete when this returns.
    pub fn stop(&self, smmus: &[usize]) -> Vec<Ended> {
        self.leave(smmus, true)
    }

    /// Ends everything.
    pub fn stop_all(&self) -> Vec<Ended> {
        let all: Vec<usize> = (0..self.lock().members.len()).collect();
        self.leave(&all, true)
    }

    /// Writes what the ring holds of these SMMUs. Recording goes on meanwhile.
    ///
    /// # Errors
    /// Those of writing; the file is incomplete then.
    pub fn save(&self, smmus: &[usize], file: &mut File, format: Format) -> io::Result<Saved> {
        let (mut from, end, names, mut began) = {
            let state = self.lock();
            (state.ring.oldest(), state.ring.next(), state.names(), self.now())
        };
        self.lock().ring.read(from, end, 1, |_, record| began = record.ns);
        let mut out = Vec::new();
        let mut formatter = Formatter::new(format, names, began, &mut out);
        let mut saved = Saved { records: 0, lost: 0 };
        let mut batch = Vec::with_capacity(BATCH);
        while from < end {
            let Taken { lost, next } = self.lock().ring.read(from, end, BATCH, |_, record| {
                if smmus.contains(&record.smmu) {
                    batch.push(*record);
                }
            });
            from = next;
            if lost > 0 {
                formatter.lost(lost, &mut out);
                saved.lost += lost;
            }
            for record in batch.drain(..) {
                formatter.record(&record, &mut out);
                saved.records += 1;
            }
            if out.len() >= PORTION {
                file.write_all(&out)?;
                out.clear();
            }
        }
        formatter.end(&mut out);
        file.write_all(&out)?;
        Ok(saved)
    }

    /// Status of the trace.
    #[must_use]
    pub fn status(&self) -> Status {
        let state = self.lock();
        Status {
            capacity: state.ring.capacity(),
            kept: state.ring.next() - state.ring.oldest(),
            recorded: state.ring.next(),
            files: state.outputs.iter().map(Output::status).collect(),
        }
    }

    /// Takes SMMUs out of the files that they are written to; waits for those that end.
    fn leave(&self, smmus: &[usize], off: bool) -> Vec<Ended> {
        let mut state = self.lock();
        if off {
            state.switch(smmus, false);
        }
        let now = state.ring.next();
        for output in &state.outputs {
            output.leave(smmus, now);
        }
        let (ending, staying) = std::mem::take(&mut state.outputs)
            .into_iter()
            .partition(Output::is_ending);
        state.outputs = staying;
        drop(state);
        self.news.notify_all();
        let ending: Vec<Output> = ending;
        ending.into_iter().map(Output::wait).collect()
    }

    /// Nanoseconds since the start.
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn switch(&self, smmus: &[usize], on: bool) {
        for member in smmus.iter().filter_map(|&smmu| self.members.get(smmu)) {
            member.on.store(on, Ordering::Relaxed);
        }
    }

    fn names(&self) -> Vec<String> {
        self.members.iter().map(|member| member.name.clone()).collect()
    }
}

impl Probe {
    /// Whether events are wanted. No lock is taken.
    #[inline]
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Number of the SMMU.
    #[must_use]
    pub fn smmu(&self) -> usize {
        self.smmu
    }

    /// The trace that it is part of.
    #[must_use]
    pub fn tracer(&self) -> &Arc<Tracer> {
        &self.tracer
    }

    /// Records an event, now.
    pub fn record(&self, event: &Event) {
        let waiting = {
            let mut state = self.tracer.lock();
            // Within the lock, so that times only go up.
            let ns = self.tracer.now();
            state.ring.push(Record {
                ns,
                smmu: self.smmu,
                event: *event,
            });
            std::mem::take(&mut state.waiting)
        };
        if waiting {
            self.tracer.news.notify_all();
        }
    }
}
