// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The configuration of a clock controller.

use serde::{Deserialize, Serialize};

/// `[smmu.clock]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockConfig {
    /// Whether GATE and PLL are set at power-on, long enough ago for ON.
    #[serde(default)]
    pub on: bool,
    /// SETTLE_US at power-on.
    #[serde(default)]
    pub settle_us: u32,
    /// LOCK_US at power-on.
    #[serde(default)]
    pub lock_us: u32,
}
