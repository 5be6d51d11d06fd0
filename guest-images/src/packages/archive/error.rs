// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Errors of the archive.

use std::path::PathBuf;

use host_guard::program;

use crate::packages::download::FetchError;
use crate::packages::release::NoKernel;
use crate::packages::store::Error;

/// Reason why the archive did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The list of what is wanted is wrong.
    #[error("images.toml: {0}")]
    Wanted(#[from] toml::de::Error),
    /// No keys to check the signature with.
    #[error(
        "no keys of the Debian archive: {0}. Install the package debian-archive-keyring, or name a keyring \
         with `--keyring FILE`"
    )]
    NoKeyring(String),
    /// No program to check the signature with.
    #[error("the archive's signature cannot be checked: {0}. Install the package gpgv or sqv")]
    NoVerifier(program::ProgramError),
    /// The signature is not good.
    #[error("{suite}: the signature of InRelease is not good, by the keys in {}:\n{output}", keyring.display())]
    Signature {
        /// The suite.
        suite: String,
        /// The keyring that was used.
        keyring: PathBuf,
        /// Output of the program that checked it.
        output: String,
    },
    /// An index that is older than one seen before, as of a mirror that is behind, or of somebody who hides updates.
    #[error(
        "{suite}: its InRelease is of {date}, and one of {seen} was seen before: the mirror is behind, or \
         an old index is replayed. Name another mirror with `--mirror`; if this one is right, remove {}",
        path.display()
    )]
    Older {
        /// The suite.
        suite: String,
        /// Date of what the mirror has.
        date: String,
        /// Date of what was seen before.
        seen: String,
        /// Copy of what was seen before.
        path: PathBuf,
    },
    /// The archive has no kernel of that release, or several.
    #[error(transparent)]
    Kernel(#[from] NoKernel),
    /// The archive contradicts itself or lacks something.
    #[error("{suite}: {problem}")]
    Archive {
        /// The suite, or the list of them.
        suite: String,
        /// Description of the problem.
        problem: String,
    },
    /// The mirror fails, or temporary files cannot be written.
    #[error(transparent)]
    Store(#[from] Error),
}

impl ArchiveError {
    /// Whether there is no mirror, or it does not answer.
    pub fn is_of_network(&self) -> bool {
        matches!(
            self,
            Self::Store(Error::Mirror(_) | Error::Fetch(FetchError::Network { .. }))
        )
    }
}

/// The archive contradicts itself or lacks something.
pub(crate) fn archive_error(suite: &str, problem: String) -> ArchiveError {
    ArchiveError::Archive {
        suite: suite.to_owned(),
        problem,
    }
}
