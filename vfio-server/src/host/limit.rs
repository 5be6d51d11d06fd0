// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Limit of the log lines about what a guest does, with the kernel's values (`DEFAULT_RATELIMIT_BURST`).

use std::time::Duration;

/// Lines of one SMMU in [`INTERVAL`].
const BURST: u32 = 10;
const INTERVAL: Duration = Duration::from_secs(5);

/// Counts lines of one sort and SMMU.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogLimit {
    /// Begin of the interval, and lines in it.
    interval: Option<(Duration, u32)>,
}

impl LogLimit {
    /// Whether there may be one more line at `ns` of the run.
    pub fn admit(&mut self, ns: u64) -> bool {
        let now = Duration::from_nanos(ns);
        let (start, count) = match self.interval {
            Some((start, count)) if now.saturating_sub(start) < INTERVAL => (start, count),
            _ => (now, 0),
        };
        self.interval = Some((start, count.saturating_add(1)));
        count < BURST
    }
}
