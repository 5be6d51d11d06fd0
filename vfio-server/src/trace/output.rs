// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A file that a trace is written to, by a thread of its own, while it is recorded.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::format::{Format, Formatter};
use super::ring::{Record, Taken};
use super::{BATCH, GATHER, PORTION, Tracer};
use crate::sync::thread::{self, JoinHandle};

/// A file of a trace, while it is written or when it has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The file.
    pub path: PathBuf,
    /// Events that were written.
    pub records: u64,
    /// Events that are missing: the writer fell behind.
    pub lost: u64,
    /// Reason why the file is incomplete.
    pub error: Option<String>,
}

/// Progress of a writer.
#[derive(Debug, Default)]
struct Progress {
    records: AtomicU64,
    lost: AtomicU64,
    error: OnceLock<String>,
}

/// For each SMMU the record before which its part of a file ends: 0 if it has none, `u64::MAX` while it goes on.
/// Changed under the lock of the trace only.
#[derive(Clone, Debug)]
struct Parts(Arc<[AtomicU64]>);

impl Parts {
    fn of(&self, smmu: usize) -> u64 {
        self.0.get(smmu).map_or(0, |until| until.load(Ordering::Relaxed))
    }

    /// End of the file, if every part has one.
    fn end(&self) -> Option<u64> {
        let last = self.0.iter().map(|until| until.load(Ordering::Relaxed)).max();
        last.filter(|&last| last != u64::MAX)
    }
}

/// Start of a file.
pub(super) struct Begin {
    /// Number of the first record.
    pub(super) record: u64,
    /// Time of the start, in nanoseconds.
    pub(super) ns: u64,
    /// The SMMUs of the trace.
    pub(super) names: Vec<String>,
}

/// A file and its writer.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    parts: Parts,
    progress: Arc<Progress>,
    thread: JoinHandle<()>,
}

impl Output {
    /// Begins to write what these SMMUs do.
    pub(super) fn start(
        tracer: &Arc<Tracer>,
        smmus: &[usize],
        begin: Begin,
        (file, path, format): (File, &Path, Format),
    ) -> io::Result<Self> {
        let progress = Arc::new(Progress::default());
        let parts = (0..begin.names.len()).map(|smmu| if smmus.contains(&smmu) { u64::MAX } else { 0 });
        let parts = Parts(parts.map(AtomicU64::new).collect());
        let mut writer = Writer {
            tracer: Arc::clone(tracer),
            file,
            next: begin.record,
            parts: parts.clone(),
            progress: Arc::clone(&progress),
        };
        let name = path.to_owned();
        let thread = thread::Builder::new()
            .name("trace".into())
            .spawn(move || writer.run(&name, format, begin))?;
        Ok(Self {
            path: path.to_owned(),
            parts,
            progress,
            thread,
        })
    }

    /// The part of these SMMUs ends before record number `now`.
    pub(super) fn leave(&self, smmus: &[usize], now: u64) {
        for until in smmus.iter().filter_map(|&smmu| self.parts.0.get(smmu)) {
            until.fetch_min(now, Ordering::Relaxed);
        }
    }

    /// Whether the part of every SMMU has an end.
    pub(super) fn is_ending(&self) -> bool {
        self.parts.end().is_some()
    }

    pub(super) fn status(&self) -> Ended {
        Ended {
            path: self.path.clone(),
            records: self.progress.records.load(Ordering::Relaxed),
            lost: self.progress.lost.load(Ordering::Relaxed),
            error: self.progress.error.get().cloned(),
        }
    }

    /// Waits until all is written. Every part must have an end, and the writer must have been woken.
    pub(super) fn wait(self) -> Ended {
        let mut ended = self.status();
        if self.thread.join().is_err() {
            ended.error = Some("the writer ended early".into());
        }
        ended = Ended {
            records: self.progress.records.load(Ordering::Relaxed),
            lost: self.progress.lost.load(Ordering::Relaxed),
            error: ended.error.or_else(|| self.progress.error.get().cloned()),
            ..ended
        };
        if ended.lost > 0 {
            tracing::warn!(path = %ended.path.display(), lost = ended.lost, "events are missing in the trace");
        }
        ended
    }
}

struct Writer {
    tracer: Arc<Tracer>,
    file: File,
    /// The record that comes next.
    next: u64,
    parts: Parts,
    progress: Arc<Progress>,
}

/// Records to write next.
struct Step {
    /// Records that were overwritten before these.
    lost: u64,
    /// There are more.
    behind: bool,
    /// The file ends after these.
    over: bool,
}

impl Writer {
    fn run(&mut self, path: &Path, format: Format, begin: Begin) {
        if let Err(error) = self.write(format, begin) {
            tracing::error!(path = %path.display(), %error, "cannot write the trace; it ends here");
            let _ = self.progress.error.set(error.to_string());
        }
    }

    fn write(&mut self, format: Format, begin: Begin) -> io::Result<()> {
        let mut out = Vec::new();
        let mut formatter = Formatter::new(format, begin.names, begin.ns, &mut out);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let Step { lost, behind, over } = self.step(&mut batch);
            if lost > 0 {
                formatter.lost(lost, &mut out);
            }
            for record in &batch {
                formatter.record(record, &mut out);
            }
            if over {
                formatter.end(&mut out);
            }
            // All that there is when there is nothing else to do.
            if out.len() >= PORTION || !behind {
                self.file.write_all(&out)?;
                out.clear();
            }
            let records = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            self.progress.records.fetch_add(records, Ordering::Relaxed);
            self.progress.lost.fetch_add(lost, Ordering::Relaxed);
            batch.clear();
            if over {
                return Ok(());
            }
        }
    }

    /// Takes the next records, once there are some or the file has to end.
    fn step(&mut self, batch: &mut Vec<Record>) -> Step {
        let mut state = self.tracer.lock();
        loop {
            let finish = self.parts.end();
            let end = finish.unwrap_or(u64::MAX).min(state.ring.next());
            if self.next < end || finish.is_some() {
                let parts = &self.parts;
                let Taken { lost, next } = state.ring.read(self.next, end, BATCH, |number, record| {
                    if number < parts.of(record.smmu) {
                        batch.push(*record);
                    }
                });
                self.next = next;
                let behind = next < end;
                return Step {
                    lost,
                    behind,
                    over: finish.is_some() && !behind,
                };
            }
            state.waiting = true;
            drop(self.tracer.news.wait(state));
            thread::sleep(GATHER);
            state = self.tracer.lock();
        }
    }
}
