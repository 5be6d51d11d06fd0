// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Lines that the server logs, on their way from the thread that reads them to the boot.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Lines that may wait between two looks: the last ones, which say why a server ends.
const LINES: usize = 256;

/// A line, and when it came.
pub(super) type Logged = (Instant, String);

/// Lines that wait, and how many had no room.
#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Logged>,
    dropped: u64,
}

/// Lines that wait for the boot to look.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerLog(Arc<Mutex<Waiting>>);

impl ServerLog {
    /// Keeps a line; never waits for the reader, which may wait for the server.
    pub(super) fn push(&self, line: &str) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.lines.len() == LINES {
            waiting.lines.pop_front();
            waiting.dropped += 1;
        }
        waiting.lines.push_back((Instant::now(), line.to_owned()));
    }

    /// Takes what has come; a first line says how many are missing, if any are.
    pub(super) fn take(&self) -> Vec<Logged> {
        let Waiting { lines, dropped } =
            mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let missing = lines.front().filter(|_| dropped > 0).map(|(at, _)| {
            (
                *at,
                format!("WARN {dropped} lines of the server are missing here"),
            )
        });
        missing.into_iter().chain(lines).collect()
    }
}

#[cfg(test)]
mod tests;
