// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Errors of the store.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::packages::archive::ArchiveError;
use crate::packages::deb::DebError;
use crate::packages::download::{FetchError, advice};
use crate::packages::lock::LockError;
use crate::packages::mirror::MirrorError;

/// Reason why the store cannot give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cache directory cannot be used.
    #[error("cache {}: {source}{}", path.display(), advice(source))]
    Cache {
        /// The path concerned.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no place for a cache.
    #[error("no place for the cache: neither XDG_CACHE_HOME nor HOME is set; name one with `--cache DIR`")]
    NoCache,
    /// No mirror, or a bad one.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// A package could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The lock file does not have it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The archive's index does not give what the lock file lacks.
    #[error(transparent)]
    Archive(Box<ArchiveError>),
    /// Packages are gone, and what would take their place cannot be had.
    #[error(
        "{set}: the mirror no longer has what images.lock names, and it could not be resolved anew: {source}"
    )]
    Again {
        /// Name of the set.
        set: String,
        /// Why.
        source: Box<ArchiveError>,
    },
    /// A package is not what it should be.
    #[error("{package}: {source}")]
    Unpack {
        /// Package and version.
        package: String,
        /// Problem of the package.
        source: DebError,
    },
    /// An unpacked set is not as it was unpacked.
    #[error(
        "the cache is damaged: {}: {problem}. Remove the directory {}; it is then unpacked again, and \
         nothing is fetched for it",
        path.display(), tree.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Description of the difference.
        problem: String,
        /// The tree to remove.
        tree: PathBuf,
    },
    /// Another process does not finish.
    #[error(
        "cache {}: another process has been filling it for {} min. If it hangs, end it; or name another \
         cache with `--cache`",
        path.display(), waited.as_secs() / 60
    )]
    Busy {
        /// The cache.
        path: PathBuf,
        /// Time that was waited for it.
        waited: Duration,
    },
    /// An unpacked set lacks a file that it should have.
    #[error("{set}: the packages have no {missing}; the layout of Debian's packages may have changed")]
    Incomplete {
        /// Name of the set.
        set: String,
        /// Path of the missing file.
        missing: String,
    },
}

impl From<ArchiveError> for Error {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Store(error) => error,
            error => Self::Archive(Box::new(error)),
        }
    }
}
