// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Files of results, journals and boots that cannot be used.

use std::io;
use std::path::PathBuf;

/// Reason why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not one of the kind that was asked for.
    #[error("{}: {problem}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Mistake in it.
        problem: String,
    },
}
