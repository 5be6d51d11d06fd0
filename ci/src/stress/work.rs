// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! One boot of a stress run: made, classified, and its directory kept if it is of interest.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::class::{Class, is_other_bug};
use super::kept::{self, KeptBoot};
use super::prepare::{Cache, Launch, Ready};
use super::record::{Boot, Title};
use super::repeat;
use super::schedule::Job;
use super::store::BOOTS;
use crate::boot::outcome::{BootReport, Outcome};
use crate::boot::run::BootError;
use crate::boot::rundir::RunDir;
use crate::report::results::Keep;
use crate::report::shell;
use crate::reproduce::boot_seed;

/// Settings that all boots of a run share.
#[derive(Debug)]
pub struct Bench<'a> {
    /// Settings of every boot.
    pub launch: Launch<'a>,
    /// The cells.
    pub cells: &'a [Ready],
    /// Files of their machines.
    pub cache: Cache,
    /// Directory of the results.
    pub results: PathBuf,
    /// Seed of the run.
    pub seed: u64,
    /// Seed of every boot, if they have one instead of one each.
    pub boot_seed: Option<u64>,
    /// Boots whose directories are kept.
    pub keep: Keep,
}

/// Reason why a boot has no result at all.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// A request to end.
    #[error("interrupted")]
    Interrupted,
    /// A file of the boot cannot be written.
    #[error("{}: {source}; choose a directory with space with --results DIR, or keep less with --keep-logs none",
            .path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its console cannot be written.
    #[error(transparent)]
    Console(BootError),
    /// A defect of this program.
    #[error("a boot ended in a panic of boot-stress; the message above says where")]
    Panicked,
}

/// The seed with which `reproduce` makes boot number `boot` of a cell in its first boot; 63 bits. It depends on nothing
/// else.
pub fn seed(run: u64, cell: &str, boot: u32) -> u64 {
    let mut hash = Sha256::new();
    hash.update(run.to_le_bytes());
    hash.update(boot.to_le_bytes());
    hash.update(cell.as_bytes());
    let bytes = hash.finalize();
    let first = bytes.first_chunk::<8>().copied().unwrap_or_default();
    u64::from_le_bytes(first) >> 1
}

impl Bench<'_> {
    /// Makes a boot.
    ///
    /// # Errors
    /// [`WorkError`]; whatever else fails is [`Class::Infra`].
    pub fn boot(&self, job: Job, ready: &Ready, guests: u32) -> Result<Boot, WorkError> {
        let began = Instant::now();
        let own_seed = || seed(self.seed, &ready.part.key, job.boot);
        let seed = self.boot_seed.unwrap_or_else(own_seed);
        let dir = BootDir::make(self, job, ready, seed)?;
        let outcome = self.outcome(job, ready, seed, &dir);
        let mut boot = Boot {
            cell: ready.part.key.clone(),
            boot: job.boot,
            attempt: job.attempt,
            seed,
            start: ready.cell.start,
            class: Class::Infra,
            reason: None,
            titles: Vec::new(),
            console_sha256: None,
            boot_ms: None,
            total_ms: 0,
            guests,
            dir: None,
        };
        match outcome {
            Ok(report) => {
                boot.class = Class::of(&report, &ready.cell.recipe.expect);
                boot.reason = reason(&report.outcome);
                boot.titles = titles(&report, ready);
                boot.console_sha256 = report.console.as_ref().map(|console| console.sha256.clone());
                boot.boot_ms = report.boot_ms;
                boot.total_ms = report.total_ms;
                dir.report(&report)?;
            }
            Err(Failure::Infra(reason)) => {
                boot.reason = Some(reason);
                boot.total_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            }
            Err(Failure::Fatal(error)) => {
                dir.remove();
                return Err(error);
            }
        }
        if self.keep == Keep::All || self.keep == Keep::Hits && boot.class != Class::Clean {
            boot.dir = dir.name.clone();
            dir.describe(&boot, ready)?;
        } else {
            dir.remove();
        }
        Ok(boot)
    }

    fn outcome(&self, job: Job, ready: &Ready, seed: u64, dir: &BootDir) -> Result<BootReport, Failure> {
        let infra = |error: &dyn std::fmt::Display| Failure::Infra(error.to_string());
        let prepared = self.cache.get(job.cell, ready, &self.launch).map_err(|reason| {
            // A snapshot may be under way when the run is to end.
            if self.launch.has_to_end() {
                Failure::Fatal(WorkError::Interrupted)
            } else {
                Failure::Infra(reason)
            }
        })?;
        let sockets = RunDir::create().map_err(|error| infra(&error))?;
        let recipe = &ready.cell.recipe;
        for smmu in &recipe.smmus {
            sockets.socket(&smmu.name).map_err(|error| infra(&error))?;
        }
        let runner = self
            .launch
            .runner(ready, &sockets, prepared.program(ready, sockets.path()));
        dir.command(&shell::command(&runner.qemu))
            .map_err(Failure::Fatal)?;
        runner
            .boot(boot_seed(seed, 1), dir.console().as_deref(), &mut |_| {})
            .map_err(|error| match error {
                BootError::Interrupted => Failure::Fatal(WorkError::Interrupted),
                BootError::Write { ref path, .. } if path.starts_with(&self.results) => {
                    Failure::Fatal(WorkError::Console(error))
                }
                error => infra(&error),
            })
    }
}

/// Reason why a boot has no report.
enum Failure {
    Infra(String),
    Fatal(WorkError),
}

fn reason(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::AsExpected => None,
        Outcome::NotAsExpected(reason) | Outcome::Inconclusive(reason) | Outcome::NotBooted(reason) => {
            Some(reason.clone())
        }
    }
}

/// Findings by kind and title; those of several devices together.
fn titles(report: &BootReport, ready: &Ready) -> Vec<Title> {
    let mut titles: Vec<Title> = Vec::new();
    for finding in &report.findings {
        let known = titles
            .iter_mut()
            .find(|known| (known.kind, &known.title) == (finding.kind, &finding.title));
        match known {
            Some(known) => known.count = known.count.saturating_add(finding.count),
            None => titles.push(Title {
                kind: finding.kind,
                title: finding.title.clone(),
                count: finding.count,
                other_bug: is_other_bug(finding, &ready.cell.recipe.expect),
            }),
        }
    }
    titles
}

/// Directory of one boot; there is none if nothing is to be kept.
struct BootDir {
    path: Option<PathBuf>,
    /// Path below the directory of the results.
    name: Option<String>,
}

/// Name of a directory for a cell: its number, and its key as far as file names can have it.
pub fn cell_dir(number: usize, key: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.+@=,".contains(c) {
            c
        } else {
            '_'
        }
    };
    let key: String = key.chars().map(plain).take(100).collect();
    format!("{:04}-{key}", number + 1)
}

impl BootDir {
    /// Makes the directory of a boot, with its recipe and the script that makes the boot again.
    fn make(bench: &Bench<'_>, job: Job, ready: &Ready, seed: u64) -> Result<Self, WorkError> {
        if bench.keep == Keep::None {
            return Ok(Self {
                path: None,
                name: None,
            });
        }
        let cell = cell_dir(job.cell, &ready.part.key);
        let name = format!("{BOOTS}/{cell}/{:06}.{}", job.boot, job.attempt);
        let path = bench.results.join(&name);
        // Of an attempt that was cut short.
        if path.exists() {
            fs::remove_dir_all(&path).map_err(|source| write_error(&path, source))?;
        }
        fs::create_dir_all(&path).map_err(|source| write_error(&path, source))?;
        let dir = Self {
            path: Some(path),
            name: Some(name),
        };
        dir.write(kept::RECIPE, &ready.cell.text)?;
        dir.write("repro.sh", &repro(bench, job, ready, seed))?;
        Ok(dir)
    }

    fn console(&self) -> Option<PathBuf> {
        self.path.as_ref().map(|path| path.join("console.log"))
    }

    fn command(&self, command: &str) -> Result<(), WorkError> {
        self.write("qemu.sh", &format!("{command}\n"))
    }

    fn report(&self, report: &BootReport) -> Result<(), WorkError> {
        let text = serde_json::to_string_pretty(report).unwrap_or_default();
        self.write("verdict.json", &format!("{text}\n"))
    }

    /// Writes the description by which the boot is made again.
    fn describe(&self, boot: &Boot, ready: &Ready) -> Result<(), WorkError> {
        let kept = KeptBoot {
            schema: kept::SCHEMA.to_owned(),
            kernel: repeat::kernel(&ready.part, &ready.cell.kernel_argument)
                .to_string_lossy()
                .into_owned(),
            cell: ready.part.clone(),
            boot: boot.clone(),
        };
        let text = serde_json::to_string_pretty(&kept).unwrap_or_default();
        self.write(kept::FILE, &format!("{text}\n"))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), WorkError> {
        let Some(dir) = &self.path else { return Ok(()) };
        let path = dir.join(name);
        fs::write(&path, text).map_err(|source| write_error(&path, source))
    }

    /// Removes it; what cannot be removed is removed when the run is resumed.
    fn remove(&self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_dir_all(path);
        }
    }
}

fn write_error(path: &Path, source: io::Error) -> WorkError {
    WorkError::Write {
        path: path.to_owned(),
        source,
    }
}

/// Script that makes a boot again, with the machine, kernel and seed that it had.
fn repro(bench: &Bench<'_>, job: Job, ready: &Ready, seed: u64) -> String {
    let mut arguments = repeat::arguments(
        &ready.part,
        kept::RECIPE.as_ref(),
        &ready.cell.kernel_argument,
        seed,
    );
    for path in bench.launch.allowed.paths().into_iter().flatten() {
        arguments.extend(["--allow-path".into(), path.clone().into_os_string()]);
    }
    let mut text = format!(
        "#!/bin/sh\n# Boot {} of {}, again. QEMU was {}.\n\
         cd \"$(dirname \"$0\")\" || exit\nexec \"${{BOOT_STRESS:-boot-stress}}\" reproduce",
        job.boot,
        host_guard::text::printable(&ready.part.key).replace('\n', " "),
        ready.environment.qemu.version,
    );
    for argument in &arguments {
        let _ = write!(text, " {}", shell::quote(argument));
    }
    text.push_str(" \"$@\"\n");
    text
}
