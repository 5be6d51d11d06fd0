// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Messages about what a guest does, at most one in a while from each device.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A device has one message in this time.
const PAUSE: Duration = Duration::from_secs(1);

/// Where a device complains.
#[derive(Debug)]
pub struct Complaints {
    device: String,
    last: Mutex<Last>,
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
            last: Mutex::default(),
        }
    }

    /// Warns, unless it just did.
    pub fn warn(&self, problem: &dyn Display) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
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
        self.last.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}
