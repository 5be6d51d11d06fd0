// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Retries of a queue that cannot reach its rings.

use std::time::Duration;

/// Number of retries of a batch that cannot reach the rings; the time between doubles up to [`LONGEST_PAUSE`]. Together
/// they are more than a second: long enough for a driver to handle the fault of another access.
pub(super) const MAX_RETRIES: u32 = 12;
const LONGEST_PAUSE: Duration = Duration::from_millis(256);

/// Tries of a queue since it last reached its rings.
#[derive(Debug, Default)]
pub(super) struct Retries {
    failures: u32,
    pauses: u32,
}

impl Retries {
    /// Whether this is about a batch that is tried again.
    pub(super) fn is_retrying(&self) -> bool {
        self.pauses > 0
    }

    /// The time until the next try; none if there is no more. A try that was `blocked` from its beginning, by a fault
    /// that a bank holds, says nothing about the rings, and does not count: the guest may stand still, in a debugger
    /// say.
    pub(super) fn next_pause(&mut self, blocked: bool) -> Option<Duration> {
        if self.failures == MAX_RETRIES && !blocked {
            return None;
        }
        self.failures += u32::from(!blocked);
        let pause = Duration::from_millis(1 << self.pauses.min(16));
        self.pauses = self.pauses.saturating_add(1);
        Some(pause.min(LONGEST_PAUSE))
    }
}
