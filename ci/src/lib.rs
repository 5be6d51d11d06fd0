// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Runs guests against the model: one boot or many, judged and reported.
//!
//! - [`console`], [`classify`]: what a guest's console says.
//! - [`recipe`]: what to boot and what the guest does.
//! - [`script`]: the guest's part as a shell script.
//! - [`stats`]: rates and intervals.
#![forbid(unsafe_code)]

pub mod classify;
pub mod console;
pub mod recipe;
pub mod script;
pub mod stats;
