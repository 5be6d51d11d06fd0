// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Messages about what a guest does, at most one of each sort in a while from each device.

use crate::sync::Mutex;
use std::fmt::Display;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// A device has one message of each sort in this time.
const PAUSE: Duration = Duration::from_secs(1);

/// Where a device complains.
#[derive(Debug)]
pub struct Complaints {
    device: String,
    requests: Mutex<Last>,
    resets: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    at: Option<Instant>,
    withheld: u64,
    total: u64,
}

impl Complaints {
    /// Of the device with this name.
    #[must_use]
    pub fn new(device: &str) -> Self {
        Self {
            device: device.to_owned(),
            requests: Mutex::default(),
            resets: Mutex::default(),
        }
    }

    /// Warns, unless it just did.
    pub fn warn(&self, problem: &dyn Display) {
        self.tell(&self.requests, problem);
    }

    /// Says why the device needs a reset, unless it just did. Requests that failed just before do not silence it.
    pub fn needs_reset(&self, problem: &dyn Display) {
        self.tell(&self.resets, &format_args!("needs a reset: {problem}"));
    }

    fn tell(&self, last: &Mutex<Last>, problem: &dyn Display) {
        let mut last = last.lock();
        last.total += 1;
        if last.at.is_some_and(|at| at.elapsed() < PAUSE) {
            last.withheld += 1;
            return;
        }
        let withheld = std::mem::take(&mut last.withheld);
        last.at = Some(Instant::now());
        drop(last);
        let device = &self.device;
        if withheld == 0 {
            tracing::warn!(device, "{problem}");
        } else {
            tracing::warn!(device, withheld, "{problem}");
        }
    }

    /// How often there was reason to warn.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.requests.lock().total + self.resets.lock().total
    }
}
