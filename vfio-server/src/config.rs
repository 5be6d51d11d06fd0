// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The configuration.

mod file;
pub mod masters;

pub use file::{Config, ConfigError, MAX_SMMUS, SmmuConfig};
pub(crate) use file::{NAME_RULE, is_word};
