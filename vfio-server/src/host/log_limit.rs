// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Limit of messages of one sort, in the log or as events: a few at once, then some in a while.

use std::time::{Duration, Instant};

use crate::sync::Mutex;

#[cfg(test)]
mod tests;

/// Messages and interval of the kernel's `printk_ratelimited()`: `DEFAULT_RATELIMIT_BURST`,
/// `DEFAULT_RATELIMIT_INTERVAL`.
const KERNEL_BURST: u32 = 10;
const KERNEL_INTERVAL: Duration = Duration::from_secs(5);

/// A limit of messages, a token bucket. Messages that are withheld are counted for the next one that is not.
#[derive(Debug)]
pub struct LogLimit {
    burst: u32,
    /// Number of messages that each pause gives back.
    refill: u32,
    pause: Duration,
    origin: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Messages of the burst that were let through, less those that time has given back.
    spent: u32,
    /// Time at which some were last given back.
    since: Option<Duration>,
    withheld: u64,
}

/// The kernel's limit: ten messages in five seconds.
impl Default for LogLimit {
    fn default() -> Self {
        Self::per(KERNEL_BURST, KERNEL_INTERVAL)
    }
}

impl LogLimit {
    /// Lets `burst` messages through at once, and one more in each `pause`.
    #[must_use]
    pub fn new(burst: u32, pause: Duration) -> Self {
        Self {
            burst,
            refill: 1,
            pause,
            origin: Instant::now(),
            state: Mutex::default(),
        }
    }

    /// Lets `count` messages through in each `interval`.
    #[must_use]
    pub fn per(count: u32, interval: Duration) -> Self {
        Self {
            refill: count,
            ..Self::new(count, interval)
        }
    }

    /// Asks for a message: how many were withheld before it, or `None` if it is withheld too.
    pub fn pass(&self) -> Option<u64> {
        self.pass_at(self.origin.elapsed())
    }

    /// Like [`Self::pass`], by a clock of the caller.
    pub fn pass_at(&self, now: Duration) -> Option<u64> {
        let mut state = self.state.lock();
        let since = *state.since.get_or_insert(now);
        let pauses = now.saturating_sub(since).as_nanos() / self.pause.as_nanos().max(1);
        if let Ok(pauses @ 1..) = u32::try_from(pauses.min(u32::MAX.into())) {
            state.spent = state.spent.saturating_sub(pauses.saturating_mul(self.refill));
            state.since = Some(now);
        }
        if state.spent >= self.burst {
            state.withheld = state.withheld.saturating_add(1);
            return None;
        }
        state.spent += 1;
        Some(std::mem::take(&mut state.withheld))
    }
}
