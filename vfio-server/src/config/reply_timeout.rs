// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Time for which clients wait for a reply, and what follows for the rules of a plan.

use std::time::Duration;

use smmu_emu::{DelayRule, Plan, Site};

/// Default of QEMU's `x-msg-timeout`, in milliseconds.
pub const MESSAGE_TIMEOUT_MS: u64 = 5000;

/// Time for which clients wait for a reply before they give up the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTimeout {
    timeout: Duration,
}

impl Default for ReplyTimeout {
    fn default() -> Self {
        Self::of_ms(MESSAGE_TIMEOUT_MS)
    }
}

impl ReplyTimeout {
    /// Reply timeout of so many milliseconds.
    #[must_use]
    pub const fn of_ms(timeout: u64) -> Self {
        Self {
            timeout: Duration::from_millis(timeout),
        }
    }

    /// The time itself.
    #[must_use]
    pub fn timeout(self) -> Duration {
        self.timeout
    }

    /// No reply is held up for longer: four fifths of what clients wait.
    #[must_use]
    pub fn bound(self) -> Duration {
        self.timeout * 4 / 5
    }

    /// A reply that is held up for this long is worth a warning: half of what clients wait.
    #[must_use]
    pub fn near(self) -> Duration {
        self.timeout / 2
    }

    /// Checks that no rule holds a reply up for longer than [`Self::bound`].
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn check(self, plan: &Plan) -> Result<(), String> {
        let bound = u64::try_from(self.bound().as_micros()).unwrap_or(u64::MAX);
        let too_long = |rule: &DelayRule| rule.site == Site::Register && rule.longest_us() > bound;
        match plan.delays.iter().position(too_long) {
            None => Ok(()),
            Some(rule) => Err(format!(
                "delay rule {}: a reply may be late by at most {bound} microseconds, or QEMU gives the \
                 device up after {} ms; raise `x-msg-timeout` of vfio-user-pci and `message_timeout_ms` of \
                 the configuration",
                rule + 1,
                self.timeout.as_millis()
            )),
        }
    }
}
