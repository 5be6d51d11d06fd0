// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Lines that the server logs, on their way from the thread that reads them to the boot.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Lines that may wait between two looks; a server that says more has said enough.
const LINES: usize = 256;

/// A line, and when it came.
pub(super) type Logged = (Instant, String);

/// Lines that wait for the boot to look.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerLog(Arc<Mutex<Vec<Logged>>>);

impl ServerLog {
    /// Keeps a line; never waits for the reader, which may wait for the server.
    pub(super) fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES {
            lines.push((Instant::now(), line.to_owned()));
        }
    }

    /// Takes what has come.
    pub(super) fn take(&self) -> Vec<Logged> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
