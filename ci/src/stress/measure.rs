// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A matrix measured: from its cells over the boots on disk to the report.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use host_guard::confine::Places;

use super::matrix::Matrix;
use super::prepare::{self, PrepareError};
use super::record::{Header, SCHEMA};
use super::report::{CellReport, Report};
use super::run::{End, GivenUp, Options, run};
use super::shard::Shard;
use super::store::{self, Recorded, Store, StoreError};
use crate::report::progress::Progress;
use crate::report::results::{Keep, LOG, directory};
use crate::reproduce::new_seed;
use crate::setup::environment::Choice;

/// Place of the results.
#[derive(Debug, Clone)]
pub enum Place {
    /// A directory without results; a new one of the user's if absent.
    New(Option<PathBuf>),
    /// A directory with the results of the same run, which goes on.
    Resume(PathBuf),
}

impl Place {
    /// A directory that may have results: of the same run, which was interrupted.
    pub fn of(dir: PathBuf) -> Self {
        if dir.join(LOG).exists() {
            Self::Resume(dir)
        } else {
            Self::New(Some(dir))
        }
    }
}

/// Settings of a run beside its matrix.
#[derive(Debug, Clone)]
pub struct Settings<'a> {
    /// This program, with its hidden subcommands.
    pub helper: &'a Path,
    /// QEMU, busybox, accelerator; its kernel is not used.
    pub choice: Choice,
    /// Files and directories outside of the run that recipes may use.
    pub allowed: Places,
    /// Guests at a time; measured if absent.
    pub jobs: Option<u32>,
    /// Seed of the run, instead of the matrix's.
    pub seed: Option<u64>,
    /// Seed of every boot, which each derives from that of the run if absent.
    pub boot_seed: Option<u64>,
    /// Boots of each cell, instead of the matrix's.
    pub boots: Option<u32>,
    /// No boot begins later than this after the start, instead of the matrix's.
    pub time: Option<Duration>,
    /// Boots whose directories are kept, instead of the matrix's.
    pub keep: Option<Keep>,
    /// The shard to make.
    pub shard: Shard,
}

/// A run that is over, or was ended.
#[derive(Debug)]
pub struct Measured {
    /// Report on all results.
    pub report: Report,
    /// End of the run.
    pub end: End,
    /// Cells that were given up.
    pub given_up: GivenUp,
    /// Directory of the results.
    pub dir: PathBuf,
}

impl Measured {
    /// The cell of a run that has one, and got to its end.
    ///
    /// # Errors
    /// The run was ended, or its results cannot be kept.
    pub fn only_cell(&self) -> Result<&CellReport, MeasureError> {
        match &self.end {
            End::Signal(signal) => return Err(MeasureError::Interrupted(*signal)),
            End::Broken(why) => return Err(MeasureError::Broken(why.clone())),
            End::Complete | End::Time | End::Infra(_) => {}
        }
        let cell = self.report.cells.first();
        cell.ok_or_else(|| MeasureError::Broken("the report has no cell".to_owned()))
    }
}

/// Reason why a run has no report, or none to the end.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The results cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No cell can be made ready.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The cells of a command line.
    #[error("{0}")]
    Matrix(String),
    /// A signal has asked for the end.
    #[error("interrupted")]
    Interrupted(i32),
    /// Results cannot be kept.
    #[error("{0}")]
    Broken(String),
    /// Shards without a seed.
    #[error("the shards of a run need one seed: write `seed = N` into the matrix, or give each --seed N")]
    NoSeed,
    /// A cell that is to be compared cannot be made ready.
    #[error("the cells cannot be compared: {0}")]
    NoPair(String),
}

/// Makes the boots of a matrix that have no result yet, and reports on all.
///
/// # Errors
/// The run cannot begin, or its results cannot be written or read.
pub fn measure(
    matrix: &Matrix,
    settings: Settings<'_>,
    place: Place,
    progress: &mut Progress,
) -> Result<Measured, MeasureError> {
    // A wrong directory is told before anything is fetched.
    let old = match &place {
        Place::Resume(dir) => Some(store::read(dir)?.header.seed),
        Place::New(_) => None,
    };
    let seed = settings.seed.or(matrix.seed).or(old);
    if seed.is_none() && settings.shard.count > 1 {
        return Err(MeasureError::NoSeed);
    }
    let told = Arc::from(guest_images::packages::progress::on_stderr());
    let (cells, skipped) = prepare::all(matrix, &settings.choice, &settings.allowed, told)?;
    if let Some(left_out) = skipped.first().filter(|_| matrix.stop.pairs.is_some()) {
        let problem = format!("{}: {}", left_out.key, left_out.reason);
        return Err(MeasureError::NoPair(problem));
    }
    let header = Header {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: matrix.name.clone(),
        matrix: matrix.text.clone(),
        seed: seed.unwrap_or_else(new_seed),
        boot_seed: settings.boot_seed,
        boots: settings.boots.unwrap_or(matrix.boots),
        stop: matrix.stop,
        retries: matrix.retries,
        shards: vec![settings.shard],
        cells: cells.iter().map(|ready| ready.part.clone()).collect(),
        skipped,
    };
    let (mut store, boots) = match place {
        Place::Resume(dir) => {
            let (store, Recorded { boots, .. }) = Store::resume(dir, &header)?;
            (store, boots)
        }
        Place::New(dir) => {
            let dir = directory(dir.as_deref(), &header.name).map_err(StoreError::from)?;
            (Store::create(dir, &header)?, Vec::new())
        }
    };
    let wanted = u64::from(header.boots) * header.cells.len() as u64;
    progress.line(&format!(
        "{} cells, {wanted} boots in all, seed {}, results in {}",
        header.cells.len(),
        header.seed,
        store.dir().display()
    ));
    let options = Options {
        helper: settings.helper,
        cells: &cells,
        header: &header,
        shard: settings.shard,
        jobs: settings.jobs,
        keep: settings.keep.unwrap_or(matrix.keep),
        timeout: matrix.timeout,
        time: settings.time.or(matrix.time),
        allowed: settings.allowed,
    };
    let (end, given_up) = run(&options, &mut store, &boots, progress)?;
    let dir = store.dir().to_owned();
    drop(store);
    Ok(Measured {
        report: Report::new(&store::read(&dir)?),
        end,
        given_up,
        dir,
    })
}
