// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Time to poll for the next bytes before going to sleep for them.
//!
//! To wake a thread on a core that sleeps takes longer than the access that it is woken for, above all on a virtual
//! machine (docs/performance.md). So a receiver asks for a while first. Accesses come in bursts, and a driver that
//! waits for interrupts makes some for each: where bytes came soon after those before, it asks for longer, as a
//! hypervisor does before it lets a virtual CPU sleep (the kernel's `halt_poll_ns`).

use std::time::Duration;

#[cfg(test)]
mod tests;

/// After bytes that came late.
pub const LEAST: Duration = Duration::from_micros(100);
/// However soon they come.
pub const MOST: Duration = Duration::from_millis(1);

/// Pace of the peer, as the receiver has learnt it.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    span: Duration,
    most: Duration,
}

impl Attention {
    /// Attention of a process that may use so many cores. With one, the peer would need the core that is asked on:
    /// then there is none.
    #[must_use]
    pub fn on(cores: usize) -> Self {
        let [span, most] = if cores > 1 {
            [LEAST, MOST]
        } else {
            [Duration::ZERO; 2]
        };
        Self { span, most }
    }

    /// Time to poll.
    #[must_use]
    pub fn span(&self) -> Duration {
        self.span
    }

    /// Bytes came so long after they were first asked for.
    pub fn learn(&mut self, wait: Duration) {
        self.span = if wait > self.most {
            LEAST.min(self.most)
        } else if wait > self.span {
            self.span.saturating_mul(2).min(self.most)
        } else {
            self.span
        };
    }
}
