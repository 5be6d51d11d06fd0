// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Reasons for which a run ends without a verdict.

use std::io;
use std::path::PathBuf;

use super::twice::Difference;
use crate::boot::run::BootError;
use crate::boot::rundir::RunDirError;
use crate::report::results::ResultsError;
use crate::setup::machine::FilesError;
use crate::setup::snapshot::SnapshotError;

/// Reason why a run has no verdict.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A signal has asked to end, before any boot was over.
    #[error("interrupted")]
    Interrupted {
        /// Number of the signal.
        signal: i32,
    },
    /// The run's directory.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The files of the machine.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The results.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// A boot.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The snapshot that boots were to start from.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A boot that was made twice was not equal.
    #[error("boot {boot} was made twice and not equal: {difference}\n  see {} and {}", .first.display(),
             .second.display())]
    NotEqual {
        /// Number of the boot.
        boot: u32,
        /// First difference.
        difference: Box<Difference>,
        /// Console of the boot.
        first: PathBuf,
        /// Console of its repetition.
        second: PathBuf,
    },
    /// The timeline of a boot.
    #[error("cannot make the timeline {}: {source}", .path.display())]
    Timeline {
        /// Its file.
        path: PathBuf,
        /// Error of the system, or of the server's trace.
        source: io::Error,
    },
    /// Two boots cannot be compared.
    #[error("cannot compare two boots: {0}")]
    Compare(io::Error),
}
