// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Runs guests against the model: one boot or many, judged and reported.
//!
//! Layers, each of which uses those above it only:
//!
//! - [`recipe`]: the machine to boot, and the script that its guest runs.
//! - [`stats`]: rates, intervals, tests.
//! - [`timeline`]: the guest's trace and the server's, as one.
//! - [`boot`]: one boot: its directory, its processes, its console.
//! - [`report`]: the results of a run, on disk and for people.
//! - [`setup`]: QEMU, kernel and the machine's files.
//! - [`reproduce`]: a run of many boots.
//! - [`stress`]: runs of many cells, their rates and reports.
//! - [`bisect`]: the first commit with a bug, by stress runs of the commits between.
//! - [`shrink`]: the smallest recipe that still hits.
//! - [`cli`]: the command line.
#![forbid(unsafe_code)]

pub mod bisect;
pub mod boot;
pub mod cli;
pub mod recipe;
pub mod report;
pub mod reproduce;
pub mod setup;
pub mod shrink;
pub mod stats;
pub mod stress;
pub mod timeline;
