// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Results of a run: a directory with one line per boot, on disk before the boot counts, and consoles.

#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use guest_images::packages::store::base_directory;
use host_guard::file;
use serde::{Deserialize, Serialize};

use crate::boot::outcome::{BootReport, Outcome};
use crate::boot::run::OF_SERVER;
use crate::recipe::ExpectBoots;
use crate::report::date;
use crate::report::ndjson::Log;

/// Consoles to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Those of boots with kernel trouble, of inconclusive ones, and of those that decide the verdict.
    Hits,
    /// All of them.
    All,
    /// None.
    None,
}

/// The results of a run have no place.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The directory cannot be written.
    #[error("cannot write {}: {source}; choose a directory that can be written and has space with --results \
             DIR", .path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// There is no directory of the user's for them.
    #[error(
        "no place for results: neither XDG_STATE_HOME nor HOME is set; name a directory with --results DIR"
    )]
    NoPlace,
    /// The results were removed during the run.
    #[error("{} was removed while the run went on; what its boots showed is not on disk", .path.display())]
    Removed {
        /// The file.
        path: PathBuf,
    },
    /// Another process writes to the results.
    #[error("{} is in use by another run; wait for its end, or choose another directory with --results DIR",
            .path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The directory has the results of another run, whose boots have the same numbers.
    #[error("{} has the results of an earlier run; choose another directory with --results DIR, or remove \
             this one", .path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
}

/// The results of a run.
#[derive(Debug)]
pub struct Results {
    dir: PathBuf,
    keep: Keep,
    boots: ExpectBoots,
    log: Log,
    kept: Vec<PathBuf>,
    /// The directory is this run's own.
    made: bool,
}

/// The file with a line per boot.
pub const LOG: &str = "results.ndjson";
/// Name of the trace of a run that keeps it with its results.
pub const TRACE: &str = "trace.ndjson";
/// Bytes of a console in which its first line is looked for.
const START: u64 = 64 << 10;

/// One line of [`LOG`].
#[derive(Serialize)]
struct Line<'a> {
    boot: u32,
    seed: u64,
    #[serde(flatten)]
    report: &'a BootReport,
}

/// Makes the directory of a run's results: `dir` itself, or a new one below [`default_base`] that is called by the time
/// and by `name`.
///
/// # Errors
/// It cannot be made.
pub fn directory(dir: Option<&Path>, name: &str) -> Result<PathBuf, ResultsError> {
    if let Some(dir) = dir {
        make(dir)?;
        return Ok(dir.to_owned());
    }
    let base = default_base().ok_or(ResultsError::NoPlace)?;
    make(&base)?;
    new_below(&base, name)
}

/// Default directory of results: `$XDG_STATE_HOME/smmu-emu/runs`, else below `~/.local/state`.
pub fn default_base() -> Option<PathBuf> {
    Some(base_directory("XDG_STATE_HOME", ".local/state")?.join("smmu-emu/runs"))
}

impl Results {
    /// Makes a directory for a run of `recipe`: `dir` itself, or a new one below [`default_base`].
    ///
    /// # Errors
    /// It cannot be made or written, or has results already.
    pub fn create(
        dir: Option<&Path>,
        recipe: &str,
        boots: ExpectBoots,
        keep: Keep,
    ) -> Result<Self, ResultsError> {
        let made = dir.is_none_or(|dir| !dir.exists());
        let dir = directory(dir, recipe)?;
        let log = Log::open(&dir, LOG)?;
        if !log.is_empty()? {
            return Err(ResultsError::InUse { path: dir });
        }
        Ok(Self {
            dir,
            keep,
            boots,
            log,
            kept: Vec::new(),
            made,
        })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The consoles kept so far.
    pub fn kept(&self) -> &[PathBuf] {
        &self.kept
    }

    /// Ends a run without a single boot: its directory goes, unless a boot has printed something or the directory was
    /// there before. The console that stays.
    pub fn abandon(self) -> Option<PathBuf> {
        let console = self.console(1).filter(|console| console.exists());
        if let Some(console) = &console
            && has_guest_line(console)
        {
            return Some(console.clone());
        }
        if let Some(console) = console {
            let _ = fs::remove_file(console);
        }
        let _ = fs::remove_file(self.dir.join(LOG));
        let _ = fs::remove_file(self.dir.join(TRACE));
        if self.made {
            // Only if nothing was put there.
            let _ = fs::remove_dir(&self.dir);
        }
        None
    }

    /// Path of the console of boot number `boot` while it runs.
    pub fn console(&self, boot: u32) -> Option<PathBuf> {
        (self.keep != Keep::None).then(|| self.dir.join(format!("boot-{boot:03}.log")))
    }

    /// Puts a boot on disk; when this returns it may be counted.
    ///
    /// # Errors
    /// The line cannot be written.
    pub fn record(&mut self, boot: u32, seed: u64, report: &BootReport) -> Result<(), ResultsError> {
        self.log.append(&Line { boot, seed, report })?;
        if let Some(console) = self.console(boot) {
            if self.keep == Keep::All || self.is_of_interest(report) {
                self.kept.push(console);
            } else {
                let _ = fs::remove_file(console);
            }
        }
        Ok(())
    }
}

impl Results {
    /// Whether the console of a boot is worth a look.
    fn is_of_interest(&self, report: &BootReport) -> bool {
        let decides = match report.outcome {
            Outcome::AsExpected => self.boots == ExpectBoots::Some,
            Outcome::NotAsExpected(_) => self.boots == ExpectBoots::Every,
            Outcome::Inconclusive(_) | Outcome::NotBooted(_) => true,
        };
        decides || report.has_trouble()
    }
}

fn make(dir: &Path) -> Result<(), ResultsError> {
    fs::create_dir_all(dir).map_err(|source| ResultsError::Write {
        path: dir.to_owned(),
        source,
    })
}

/// Whether a copy of a console has anything of the guest among its first lines; the server's come before them.
fn has_guest_line(console: &Path) -> bool {
    let mut text = Vec::new();
    // What cannot be read is not shown to anyone.
    let _ = file::open(console).and_then(|file| file.take(START).read_to_end(&mut text));
    String::from_utf8_lossy(&text)
        .lines()
        .any(|line| !line.contains(OF_SERVER))
}

/// A directory that did not exist: runs that start in the same second get different ones.
fn new_below(base: &Path, recipe: &str) -> Result<PathBuf, ResultsError> {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    let mut attempt = 0;
    loop {
        let tail = if attempt == 0 {
            String::new()
        } else {
            format!("-{attempt}")
        };
        let dir = base.join(format!("{}-{recipe}{tail}", date::compact(seconds)));
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 1000 => attempt += 1,
            Err(source) => return Err(ResultsError::Write { path: dir, source }),
        }
    }
}
