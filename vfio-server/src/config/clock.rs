// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The configuration of a clock controller.

use serde::{Deserialize, Serialize};

/// `[smmu.clock]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClockConfig {
    /// Whether GATE and PLL are set at power-on, long enough ago for ON.
    pub on: bool,
    /// SETTLE_US at power-on.
    pub settle_us: u32,
    /// LOCK_US at power-on.
    pub lock_us: u32,
    /// Whether the SMMU keeps registers and TLB while the clock is off. One in a power domain that goes off does not:
    /// it starts again from reset.
    pub retains: bool,
}

impl Default for ClockConfig {
    fn default() -> Self {
        Self {
            on: false,
            settle_us: 0,
            lock_us: 0,
            retains: true,
        }
    }
}
