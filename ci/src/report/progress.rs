// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Progress on standard error: one changing line on a terminal, plain lines elsewhere.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use host_guard::text::printable;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Says what is going on.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    bar: Option<ProgressBar>,
    verbose: bool,
    task: String,
}

impl Progress {
    /// On standard error. With `verbose` every step of the guest is a line that stays.
    pub fn new(verbose: bool) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} [{elapsed}] {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self {
            started: Instant::now(),
            bar,
            verbose,
            task: String::new(),
        }
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        let text = printable(text);
        let mut line = String::new();
        let elapsed = self.started.elapsed();
        let _ = write!(
            line,
            "[{:>3}.{} s] {text}",
            elapsed.as_secs(),
            elapsed.subsec_millis() / 100
        );
        match &self.bar {
            Some(bar) => bar.println(line),
            // Without a reader it is not needed.
            None => drop(writeln!(io::stderr(), "{line}")),
        }
    }

    /// Names the task that begins; details follow it.
    pub fn task(&mut self, text: &str) {
        self.task = printable(text).into_owned();
        match &self.bar {
            Some(bar) => bar.set_message(self.task.clone()),
            None => self.line(text),
        }
    }

    /// Tells how far the task is.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            self.line(&format!("{}: {text}", self.task));
        }
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {}", self.task, printable(text)));
        }
    }

    /// Whether every step of the guest is a line that stays.
    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Puts a text into the changing line, if there is one.
    pub fn status(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(printable(text).into_owned());
        }
    }

    /// A line that stays, where there is no changing one.
    pub fn status_line(&self, text: &str) {
        if self.bar.is_none() {
            self.line(text);
        }
    }

    /// Takes the changing line away.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
