// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The results of a run, on disk and for people.
//!
//! - [`results`]: a line per boot and the consoles, on disk.
//! - [`stats`]: rates and their intervals.
//! - [`verdict`]: the answer, as text and as JSON.
//! - [`bundle`]: a bug report to be mailed.
//! - [`progress`]: reports while boots are under way.

pub mod bundle;
pub mod progress;
pub mod results;
pub mod stats;
pub mod verdict;
