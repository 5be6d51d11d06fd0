// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The configuration: data only, with what can be checked without a socket or a file.

mod clock;
pub mod dma_devices;
mod file;
mod interrupts;
mod names;
mod reply_timeout;

pub use clock::ClockConfig;
pub use dma_devices::{DmaDeviceConfig, DmaDeviceError, Kind};
pub use file::{Config, ConfigError, MAX_SMMUS, SmmuConfig};
pub use interrupts::Interrupts;
pub use reply_timeout::ReplyTimeout;
