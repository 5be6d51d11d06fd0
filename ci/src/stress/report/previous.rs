// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Results of earlier runs, for a comparison.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use super::Report;
use super::changes::Night;
use crate::report::file_error::FileError;
use crate::report::results::LOG;
use crate::stress::store::{self, StoreError};

/// Earlier runs that are kept: the last ones.
const NIGHTS_MAX: usize = 60;

/// Earlier runs, in order, and those below a directory that cannot be read.
#[derive(Debug, Default)]
pub struct Previous {
    /// The runs.
    pub nights: Vec<Night>,
    /// Why others are left out.
    pub left_out: Vec<StoreError>,
}

impl Previous {
    /// Reads earlier runs: each path is a directory of results, or one that has such. The run in `this` is left out.
    ///
    /// # Errors
    /// A directory that was named cannot be read, or has the results of something else.
    pub fn read(paths: &[PathBuf], this: &Path) -> Result<Self, StoreError> {
        let same = |path: &Path| fs::canonicalize(path).ok() == fs::canonicalize(this).ok();
        let mut previous = Self::default();
        for path in paths {
            if path.join(LOG).exists() {
                if !same(path) {
                    previous.nights.push(night(path)?);
                }
                continue;
            }
            let entries = fs::read_dir(path).map_err(|source| FileError::Read {
                path: path.clone(),
                source,
            })?;
            let below = entries.flatten().map(|entry| entry.path());
            for dir in below.filter(|dir| dir.join(LOG).exists() && !same(dir)) {
                match night(&dir) {
                    Ok(night) => previous.nights.push(night),
                    Err(error) => previous.left_out.push(error),
                }
            }
        }
        previous
            .nights
            .sort_by(|a, b| (a.report.began, &a.dir).cmp(&(b.report.began, &b.dir)));
        let excess = previous.nights.len().saturating_sub(NIGHTS_MAX);
        previous.nights.drain(..excess);
        Ok(previous)
    }
}

fn night(dir: &Path) -> Result<Night, StoreError> {
    Ok(Night {
        dir: dir.to_owned(),
        report: Report::new(&store::read(dir)?),
    })
}
