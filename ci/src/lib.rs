// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Runs guests against the model: one boot or many, judged and reported.
//!
//! - [`cli`]: the command line.
//! - [`recipe`], [`script`]: what to boot, and what the guest does.
//! - [`environment`], [`qemu`], [`doctor`]: what a run stands on.
//! - [`machine`]: the machine as files and as QEMU's command line.
//! - [`reproduce`], [`run`], [`supervise`], [`rundir`]: many boots, one boot, its processes, its directory.
//! - [`console`], [`classify`]: what a guest's console says.
//! - [`results`], [`stats`], [`verdict`], [`progress`]: what stays, and what people are told.
#![forbid(unsafe_code)]

pub mod classify;
pub mod cli;
pub mod console;
pub mod doctor;
pub mod environment;
pub mod machine;
pub mod progress;
pub mod qemu;
pub mod recipe;
pub mod reproduce;
pub mod results;
pub mod run;
pub mod rundir;
pub mod script;
pub mod stats;
pub mod supervise;
pub mod verdict;
