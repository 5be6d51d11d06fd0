// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Progress of what is fetched for many cells: the same note is told once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use guest_images::packages::progress::Progress;

/// Passes on progress, and each note once.
#[derive(Debug)]
pub struct Once {
    inner: Arc<dyn Progress>,
    told: Mutex<BTreeSet<String>>,
}

impl Once {
    /// Passes on to `inner`.
    pub fn new(inner: Arc<dyn Progress>) -> Self {
        Self {
            inner,
            told: Mutex::default(),
        }
    }
}

impl Progress for Once {
    fn begin(&self, what: &str, bytes: u64) {
        self.inner.begin(what, bytes);
    }

    fn advance(&self, bytes: u64) {
        self.inner.advance(bytes);
    }

    fn end(&self) {
        self.inner.end();
    }

    fn note(&self, line: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(line.to_owned()) {
            self.inner.note(line);
        }
    }
}
