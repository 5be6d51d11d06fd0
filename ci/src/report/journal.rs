// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Journals: directories of work that goes on after any interruption. A first line says what the work is, each other
//! line is a decision, on disk before it counts.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::file_error::FileError;
use super::ndjson::{self, Log};
use super::results::{ResultsError, directory};

/// Reason why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It cannot be written, is in use, or is there already.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// It cannot be read, or is no journal of this work.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A journal without its first line, locked against others.
#[derive(Debug)]
pub struct Blank {
    dir: PathBuf,
    log: Log,
}

/// A journal, locked against others.
#[derive(Debug)]
pub struct Journal<F, L> {
    dir: PathBuf,
    log: Log,
    /// The first line.
    pub first: F,
    /// The other lines.
    pub lines: Vec<L>,
}

impl Blank {
    /// Makes a directory with an empty journal.
    ///
    /// # Errors
    /// It has a journal with lines, is in use, or cannot be written.
    pub fn create(dir: &Path, name: &str) -> Result<Self, JournalError> {
        let dir = directory(Some(dir), name)?;
        let log = Log::open(&dir, name)?;
        log.lock()?;
        if !log.is_empty()? {
            return Err(ResultsError::InUse { path: dir }.into());
        }
        Ok(Self { dir, log })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Puts the first line on disk.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin<F: Serialize, L>(mut self, first: F) -> Result<Journal<F, L>, JournalError> {
        self.log.append(&first)?;
        Ok(Journal {
            dir: self.dir,
            log: self.log,
            first,
            lines: Vec::new(),
        })
    }
}

impl<F: DeserializeOwned, L: Serialize + DeserializeOwned> Journal<F, L> {
    /// Goes on with the journal of that name in a directory. A last line that was cut is taken away: it did not count.
    ///
    /// # Errors
    /// There is none, it is in use, or a line is damaged.
    pub fn open(dir: &Path, name: &str) -> Result<Self, JournalError> {
        let path = dir.join(name);
        let (mut first, mut others, mut problem) = (None, Vec::new(), None);
        let read = ndjson::read(&path, |number, text| {
            let result = if number == 1 {
                serde_json::from_str(text).map(|line| first = Some(line))
            } else {
                serde_json::from_str(text).map(|line| others.push(line))
            };
            if let Err(error) = result {
                problem.get_or_insert(format!("line {number}: {error}"));
            }
        });
        let read = read.map_err(|source| FileError::Read {
            path: path.clone(),
            source,
        })?;
        let format = |problem: String| FileError::Format {
            path: path.clone(),
            problem,
        };
        if let Some(problem) = problem {
            return Err(format(problem).into());
        }
        let first = first.ok_or_else(|| format("it has no whole line: nothing was begun".to_owned()))?;
        let log = Log::open(dir, name)?;
        log.lock()?;
        log.cut(read.length)?;
        Ok(Self {
            dir: dir.to_owned(),
            log,
            first,
            lines: others,
        })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Puts a line on disk; when this returns it may count.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn append(&mut self, line: L) -> Result<(), JournalError> {
        self.log.append(&line)?;
        self.lines.push(line);
        Ok(())
    }
}
