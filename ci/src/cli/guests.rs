// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Options and failures of the commands that boot guests side by side.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};
use host_guard::signals;

use super::output::{Failure, code};
use super::parts::{AccelArgs, AllowArgs, KernelArgs, Parts, ProgramArgs};
use crate::boot::accel::Accel;
use crate::boot::supervise::SELF;
use crate::report::file_error::FileError;
use crate::report::progress::Progress;
use crate::report::results::{Keep, ResultsError};
use crate::stress::kept::KeptBoot;
use crate::stress::measure::{MeasureError, Place, Settings};
use crate::stress::prepare::PrepareError;
use crate::stress::run::JOBS_MAX;
use crate::stress::shard::Shard;
use crate::stress::store::StoreError;

/// Guests, and the programs that they need.
#[derive(Debug, Args)]
pub(super) struct GuestArgs {
    /// Guests at a time [default: measured, more as long as that makes more boots an hour]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(JOBS_MAX)))]
    jobs: Option<u32>,
    /// Say every boot.
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
    #[command(flatten)]
    allowed: AllowArgs,
    #[command(flatten)]
    accel: AccelArgs,
    #[command(flatten)]
    programs: ProgramArgs,
}

/// Results of a run.
#[derive(Debug, Args)]
pub(super) struct ResultsArgs {
    /// Directory for results [default: a new one in $XDG_STATE_HOME/smmu-emu/runs]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    results: Option<PathBuf>,
    /// Go on with the run whose results are in this directory: boots that have a result are not made again.
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    /// Boots whose directories are kept [default: hits, or the matrix's `keep`]; `hits` includes all that are not clean
    #[arg(long, value_enum, value_name = "WHICH")]
    pub keep_logs: Option<Keep>,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

impl GuestArgs {
    /// The accelerator; a deterministic boot is made again, or shrunk, as one.
    pub(super) fn accel(&self, kept: Option<&KeptBoot>) -> Accel {
        if kept.is_some_and(KeptBoot::is_deterministic) {
            Accel::Icount
        } else {
            self.accel.accel()
        }
    }

    pub(super) fn progress(&self) -> Progress {
        Progress::new(self.verbose > 0)
    }

    /// Settings of a whole run.
    pub(super) fn settings(self) -> Result<Settings<'static>, Failure> {
        let parts = Parts {
            accel: self.accel,
            kernel: KernelArgs::default(),
            programs: self.programs,
        };
        Ok(Settings {
            helper: Path::new(SELF),
            choice: parts.into(),
            allowed: self.allowed.places()?,
            jobs: self.jobs,
            seed: None,
            boot_seed: None,
            boots: None,
            time: None,
            keep: None,
            shard: Shard::WHOLE,
        })
    }
}

/// The boot that was kept in a directory.
pub(super) fn kept_boot(dir: &Path) -> Result<KeptBoot, Failure> {
    KeptBoot::read(dir).map_err(|error| {
        let hint = match error {
            FileError::Read { .. } => {
                "; a directory that a boot was kept in has it: boots/CELL/NUMBER.ATTEMPT below the results of \
                 `boot-stress stress`"
            }
            FileError::Format { .. } => "",
        };
        Failure::usage(&format!("{error}{hint}"))
    })
}

impl ResultsArgs {
    pub(super) fn place(self) -> Place {
        match self.resume {
            Some(dir) => Place::Resume(dir),
            None => Place::New(self.results),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let status = match &error {
            StoreError::Results(ResultsError::InUse { .. } | ResultsError::Locked { .. })
            | StoreError::File(FileError::Format { .. })
            | StoreError::Other { .. } => code::USAGE,
            StoreError::Results(_) | StoreError::File(FileError::Read { .. }) => code::ENVIRONMENT,
        };
        Self(status, error.to_string())
    }
}

impl From<PrepareError> for Failure {
    fn from(error: PrepareError) -> Self {
        let status = match signals::asked() {
            Some(signal) => code::of_signal(signal),
            None if error.is_usage() => code::USAGE,
            None => code::ENVIRONMENT,
        };
        Self(status, error.to_string())
    }
}

impl From<MeasureError> for Failure {
    fn from(error: MeasureError) -> Self {
        match error {
            MeasureError::Store(error) => error.into(),
            MeasureError::Prepare(error) => error.into(),
            MeasureError::Interrupted(signal) => Self(code::of_signal(signal), error.to_string()),
            MeasureError::Broken(_) => Self(code::ENVIRONMENT, error.to_string()),
            MeasureError::Matrix(_) | MeasureError::NoSeed | MeasureError::NoPair(_) => Self::usage(&error),
        }
    }
}
