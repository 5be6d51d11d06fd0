// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Limit of log messages about what one peer does: a few at once, then one in a while.

use std::time::{Duration, Instant};

use crate::sync::Mutex;

#[cfg(test)]
mod tests;

/// A limit of messages, a token bucket. Messages that are withheld are counted for the next one that is not.
#[derive(Debug)]
pub struct LogLimit {
    burst: u32,
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Messages of the burst that were let through, less those that time has given back.
    spent: u32,
    /// Time at which one was last given back.
    since: Option<Instant>,
    withheld: u64,
}

impl LogLimit {
    /// Lets `burst` messages through at once, and one more in each `pause`.
    #[must_use]
    pub fn new(burst: u32, pause: Duration) -> Self {
        let state = Mutex::new(State {
            spent: 0,
            since: None,
            withheld: 0,
        });
        Self { burst, pause, state }
    }

    /// Asks for a message: how many were withheld before it, or `None` if it is withheld too.
    pub fn pass(&self) -> Option<u64> {
        self.pass_at(Instant::now())
    }

    fn pass_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        let since = *state.since.get_or_insert(now);
        let pauses = now.saturating_duration_since(since).as_nanos() / self.pause.as_nanos().max(1);
        if let Ok(pauses @ 1..) = u32::try_from(pauses.min(u32::MAX.into())) {
            state.spent = state.spent.saturating_sub(pauses);
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
