// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Limits on what the product takes from its host, for every package that reads files, runs programs or gets signals.
//!
//! - [`mod@file`]: regular files only, read up to a size.
//! - [`confine`]: files below the directories that a user has named, and no others.
//! - [`program`]: external programs, up to a time and an amount of output.
//! - [`signals`]: one signal asks for an orderly end, the next one ends the process.
//! - [`text`]: text without control characters, for a terminal.
#![forbid(unsafe_code)]

pub mod confine;
pub mod file;
pub mod program;
pub mod signals;
pub mod text;
