// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Packages that are wanted: the list from which the lock file is made, and the archive that has them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde::Deserialize;

/// `images.toml`: what is to be locked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Suites, in the order in which libraries are looked for.
    pub suites: Vec<String>,
    /// Suites in which kernels that are not locked are looked for besides, after the others.
    #[serde(default)]
    pub kernel_suites: Vec<String>,
    /// Kernel releases; `newest` is the one of the metapackage, `newest-16k` that of its sibling with pages of 16 KiB.
    pub kernels: Vec<String>,
    /// Host architectures for QEMU.
    pub qemu_hosts: Vec<String>,
    /// Dependencies of QEMU that are left out.
    pub qemu_without: Vec<String>,
    /// Packages of programs for the guest.
    #[serde(default)]
    pub tools: Vec<String>,
    /// Dependencies of these that are left out.
    #[serde(default)]
    pub tools_without: Vec<String>,
}

impl Wanted {
    /// Reads `images.toml`.
    ///
    /// # Errors
    ///
    /// A list that does not parse, or has keys that it must not have.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The list that belongs to this version of the project.
    ///
    /// # Errors
    ///
    /// A file that does not parse; the tests keep that from being released.
    pub fn shipped() -> Result<Self, toml::de::Error> {
        Self::parse(include_str!("../../images.toml"))
    }
}

/// Source of sets that the lock file does not have.
#[derive(Debug, Clone)]
pub struct Archive {
    /// Suites and packages.
    pub wanted: Wanted,
    /// Keys of the archive; those of the system if absent.
    pub keyring: Option<PathBuf>,
    /// Sets that took the place of locked ones, in this process.
    pub(crate) instead: Arc<Mutex<BTreeSet<String>>>,
}

impl Archive {
    /// The archive with these suites and keys.
    pub fn new(wanted: Wanted, keyring: Option<PathBuf>) -> Self {
        Self {
            wanted,
            keyring,
            instead: Arc::default(),
        }
    }
}
