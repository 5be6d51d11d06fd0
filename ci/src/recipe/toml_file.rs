// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! TOML files of the user's: read up to a size, without control characters, with the place of each mistake.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use host_guard::file;
use serde::de::DeserializeOwned;
use toml::de::DeTable;

use super::texts;

/// Largest file that is read, in bytes; the longest shipped recipe has 12 KiB.
pub const MAX_FILE: u64 = 1 << 20;

/// Error in a TOML file, with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TomlError {
    file: String,
    /// Line and column, both from 1.
    place: Option<(usize, usize)>,
    problem: String,
}

impl fmt::Display for TomlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl TomlError {
    /// Error of the whole file of that name.
    pub fn of_file(file: &str, problem: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: None,
            problem: problem.into(),
        }
    }

    /// Mistake without its place, for a text that the user has not written.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// Error at some bytes of `text`, which is that of the file of that name.
    pub fn at(file: &str, text: &str, span: Option<Range<usize>>, problem: impl Into<String>) -> Self {
        Self {
            place: span.map(|span| line_and_column(text, span.start)),
            ..Self::of_file(file, problem)
        }
    }
}

/// The text of a file.
///
/// # Errors
/// It is no regular file, is larger than [`MAX_FILE`], or no UTF-8.
pub fn read_text(path: &Path) -> Result<String, TomlError> {
    file::read_text(path, MAX_FILE)
        .map_err(|error| TomlError::of_file(&path.display().to_string(), error.to_string()))
}

/// A value from its text; `file` is the name in errors.
///
/// # Errors
/// A mistake of syntax, a control character, an unknown key, a value that does not fit.
pub fn parse<T: DeserializeOwned>(text: &str, file: &str) -> Result<T, TomlError> {
    let error = |span, problem: String| TomlError::at(file, text, span, problem);
    let table = DeTable::parse(text).map_err(|e| error(e.span(), e.message().to_owned()))?;
    if let Some((span, problem)) = texts::problem(table.get_ref()) {
        return Err(error(Some(span), problem));
    }
    toml::from_str(text).map_err(|e| error(e.span(), e.message().to_owned()))
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    (line, column)
}
