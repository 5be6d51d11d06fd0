// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What a run stands on: a QEMU, a kernel, a busybox; the user's own or those of the lock file.

use std::path::PathBuf;

use crate::machine::Guest;
use crate::qemu::{self, Qemu, Unfit};

/// What the user chose.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// QEMU to use.
    pub qemu: Option<PathBuf>,
    /// Kernel: `debian:RELEASE`, or the path of an Image.
    pub kernel: Option<String>,
    /// Modules of an Image.
    pub modules: Option<PathBuf>,
    /// A static busybox for arm64.
    pub busybox: Option<PathBuf>,
    /// Directory of the cache.
    pub cache: Option<PathBuf>,
    /// Debian mirror.
    pub mirror: Option<String>,
}

/// What a run stands on.
#[derive(Debug, Clone)]
pub struct Environment {
    /// QEMU.
    pub qemu: Qemu,
    /// Kernel and busybox.
    pub guest: Guest,
    /// Where the kernel comes from, for people.
    pub kernel_source: String,
}

/// What is missing, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The QEMU that the user named.
    #[error("--qemu: {0}")]
    Qemu(#[from] Unfit),
    /// A kernel that the user named.
    #[error("--kernel {path}: {problem}")]
    Kernel {
        /// As given.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

impl Choice {
    /// Finds or fetches everything.
    ///
    /// # Errors
    /// Something is missing and cannot be fetched.
    pub fn resolve(&self, note: &mut dyn FnMut(&str)) -> Result<Environment, EnvironmentError> {
        let program = self.qemu.clone().or_else(qemu::in_path).unwrap_or_default();
        note("looking for QEMU");
        let qemu = Qemu::examine(&program, "--qemu")?;
        let kernel = self.kernel.clone().unwrap_or_default();
        let guest = Guest {
            image: PathBuf::from(&kernel),
            modules: self.modules.clone(),
            busybox: self.busybox.clone().unwrap_or_default(),
            release: kernel.clone(),
        };
        Ok(Environment { qemu, guest, kernel_source: kernel })
    }
}
