// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The results of a run, on disk and for people.
//!
//! - [`results`]: a line per boot and the consoles, on disk.
//! - [`file_error`]: files that cannot be used.
//! - [`ndjson`]: a file of results, a line each.
//! - [`journal`]: work that goes on after an interruption, a line for each decision.
//! - [`shell`]: commands as text.
//! - [`verdict`]: the answer, as text and as JSON.
//! - [`bundle`]: a bug report to be mailed.
//! - [`mail`]: lines of mails.
//! - [`date`]: times as text.
//! - [`progress`]: reports while boots are under way.

pub mod bundle;
pub mod date;
pub mod file_error;
pub mod journal;
pub mod mail;
pub mod ndjson;
pub mod progress;
pub mod results;
pub mod shell;
pub mod verdict;
