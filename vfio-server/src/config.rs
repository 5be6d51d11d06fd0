// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The configuration: data only, with what can be checked without a socket or a file.

mod clock;
mod file;
pub mod masters;
mod names;
mod patience;

pub use clock::ClockConfig;
pub use file::{Config, ConfigError, MAX_SMMUS, SmmuConfig};
pub use masters::{Kind, MasterConfig, MasterError};
pub use patience::Patience;
