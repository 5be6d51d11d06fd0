// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Telling the user what takes long.

use std::fmt::Debug;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

#[cfg(test)]
mod tests;

/// Receives progress. Calls come from several threads; one task is under way at a time.
pub trait Progress: Debug + Send + Sync {
    /// A task begins: what it is, and how many bytes it has to go through.
    fn begin(&self, what: &str, bytes: u64);
    /// So many more bytes are done.
    fn advance(&self, bytes: u64);
    /// The task is over, done or not.
    fn end(&self);
    /// Something worth a line.
    fn note(&self, line: &str);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn note(&self, _: &str) {}
}

/// A bar on a terminal, else plain lines; both on standard error.
pub fn on_stderr() -> Box<dyn Progress> {
    if std::io::stderr().is_terminal() {
        Box::new(Bar::default())
    } else {
        Box::new(Lines::new(std::io::stderr(), Duration::from_secs(5)))
    }
}

/// A bar on a terminal.
#[derive(Debug, Default)]
struct Bar {
    bar: Mutex<Option<ProgressBar>>,
}

impl Bar {
    fn with(&self, f: impl FnOnce(&mut Option<ProgressBar>)) {
        if let Ok(mut bar) = self.bar.lock() {
            f(&mut bar);
        }
    }
}

impl Progress for Bar {
    fn begin(&self, what: &str, bytes: u64) {
        let template = "{msg} {bar:24} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let new = ProgressBar::new(bytes)
            .with_style(style)
            .with_message(what.to_owned());
        self.with(|bar| *bar = Some(new));
    }

    fn advance(&self, bytes: u64) {
        self.with(|bar| {
            if let Some(bar) = bar {
                bar.inc(bytes);
            }
        });
    }

    fn end(&self) {
        self.with(|bar| {
            if let Some(bar) = bar.take() {
                bar.finish_and_clear();
            }
        });
    }

    fn note(&self, line: &str) {
        self.with(|bar| match bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        });
    }
}

/// A line when a task begins, one every few seconds, and one when it ends.
#[derive(Debug)]
struct Lines<W> {
    state: Mutex<LinesState<W>>,
    every: Duration,
}

#[derive(Debug)]
struct LinesState<W> {
    out: W,
    task: Option<Task>,
}

#[derive(Debug)]
struct Task {
    what: String,
    total: u64,
    done: u64,
    begun: Instant,
    shown: Instant,
}

fn mebibytes(bytes: u64) -> String {
    let tenths = (bytes * 10).div_ceil(1 << 20);
    format!("{}.{}", tenths / 10, tenths % 10)
}

impl<W: Write> Lines<W> {
    fn new(out: W, every: Duration) -> Self {
        Self {
            state: Mutex::new(LinesState { out, task: None }),
            every,
        }
    }

    fn with(&self, f: impl FnOnce(&mut LinesState<W>) -> std::io::Result<()>) {
        // A closed standard error is no reason to stop.
        if let Ok(mut state) = self.state.lock() {
            f(&mut state).ok();
        }
    }
}

impl<W: Write + Debug + Send> Progress for Lines<W> {
    fn begin(&self, what: &str, bytes: u64) {
        self.with(|state| {
            let now = Instant::now();
            let (what, total) = (what.to_owned(), bytes);
            writeln!(state.out, "{what} ({} MiB)", mebibytes(bytes))?;
            state.task = Some(Task {
                what,
                total,
                done: 0,
                begun: now,
                shown: now,
            });
            Ok(())
        });
    }

    fn advance(&self, bytes: u64) {
        self.with(|state| {
            let Some(task) = &mut state.task else {
                return Ok(());
            };
            task.done += bytes;
            if task.shown.elapsed() < self.every {
                return Ok(());
            }
            task.shown = Instant::now();
            let (done, total) = (mebibytes(task.done), mebibytes(task.total));
            writeln!(state.out, "{}: {done} of {total} MiB", task.what)
        });
    }

    fn end(&self) {
        self.with(|state| {
            let Some(task) = state.task.take() else {
                return Ok(());
            };
            let seconds = task.begun.elapsed().as_secs_f64();
            writeln!(
                state.out,
                "{}: {} MiB in {seconds:.1} s",
                task.what,
                mebibytes(task.done)
            )
        });
    }

    fn note(&self, line: &str) {
        self.with(|state| writeln!(state.out, "{line}"));
    }
}
