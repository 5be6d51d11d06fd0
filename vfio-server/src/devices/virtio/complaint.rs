// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Messages about what a guest does, at most one of each sort in a while from each device.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::host::log_limit::LogLimit;

#[cfg(test)]
mod tests;

/// A device has one message of each sort in this time.
const PAUSE: Duration = Duration::from_secs(1);

/// Complaints of a device.
#[derive(Debug)]
pub struct Complaints {
    device: String,
    requests: LogLimit,
    resets: LogLimit,
    total: AtomicU64,
}

impl Complaints {
    /// Complaints of the device with this name.
    #[must_use]
    pub fn new(device: &str) -> Self {
        Self {
            device: device.to_owned(),
            requests: LogLimit::new(1, PAUSE),
            resets: LogLimit::new(1, PAUSE),
            total: AtomicU64::new(0),
        }
    }

    /// Warns, unless it just did.
    pub fn warn(&self, problem: &dyn Display) {
        self.log(&self.requests, problem);
    }

    /// Says why the device needs a reset, unless it just did. Requests that failed just before do not silence it.
    pub fn needs_reset(&self, problem: &dyn Display) {
        self.log(&self.resets, &format_args!("needs a reset: {problem}"));
    }

    fn log(&self, limit: &LogLimit, problem: &dyn Display) {
        self.total.fetch_add(1, Ordering::Relaxed);
        let device = &self.device;
        match limit.pass() {
            Some(0) => tracing::warn!(device, "{problem}"),
            Some(withheld) => tracing::warn!(device, withheld, "{problem}"),
            None => {}
        }
    }

    /// Number of times that there was reason to warn.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}
