// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The slowest transfer that goes on. The cache is locked while one is under way, and a mirror that sends a byte now
//! and then is never silent.

use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// So many bytes are due in each stretch of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) bytes: u64,
    pub(super) time: Duration,
}

/// 17 KiB/s, of each of the transfers that are under way at once: a line of a megabit is enough.
pub(super) const SLOWEST: Pace = Pace {
    bytes: 512 << 10,
    time: Duration::from_secs(30),
};

/// One transfer.
#[derive(Debug)]
pub(super) struct Watch {
    pace: Pace,
    since: Instant,
    bytes: u64,
}

impl Watch {
    pub(super) fn begin(pace: Pace, now: Instant) -> Self {
        Self {
            pace,
            since: now,
            bytes: 0,
        }
    }

    /// Counts bytes that came; the problem if they come too slowly.
    pub(super) fn came(&mut self, bytes: u64, now: Instant) -> Result<(), String> {
        self.bytes = self.bytes.saturating_add(bytes);
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed < self.pace.time {
            return Ok(());
        }
        if self.bytes < self.pace.bytes {
            return Err(format!(
                "too slow: {} bytes in {:.0} s",
                self.bytes,
                elapsed.as_secs_f32()
            ));
        }
        self.since = now;
        self.bytes = 0;
        Ok(())
    }
}
