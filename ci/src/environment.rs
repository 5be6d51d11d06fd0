// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What a run stands on: a QEMU, a kernel, a busybox; the user's own or those of the lock file.

use std::path::PathBuf;
use std::sync::Arc;

use guest_images::kernel::{Kernel, KernelChoice};
use guest_images::lock::Lock;
use guest_images::progress::Progress;
use guest_images::qemu::QemuInstall;
use guest_images::store::{Error as StoreError, Store};

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
    /// The busybox that the user named.
    #[error("--busybox: {} is no file", .0.display())]
    Busybox(PathBuf),
    /// The cache, the mirror or the kernel.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl EnvironmentError {
    /// Whether the command line is at fault: a kernel that is not one, or not in the lock file; a busybox that is not there.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Busybox(_) | Self::Store(StoreError::Kernel(_) | StoreError::Lock(_))
        )
    }
}

impl Choice {
    /// The cache that the user chose.
    ///
    /// # Errors
    /// There is no place for one.
    pub fn store(&self) -> Result<Store, EnvironmentError> {
        Ok(Store::open(self.cache.clone(), self.mirror.clone())?)
    }

    /// Finds or fetches everything, telling `progress`.
    ///
    /// # Errors
    /// Something is missing and cannot be fetched.
    pub fn resolve(&self, progress: Arc<dyn Progress>) -> Result<Environment, EnvironmentError> {
        let store = self.store()?.with_progress(Arc::clone(&progress));
        let lock = Lock::shipped().map_err(StoreError::from)?;
        let choice =
            KernelChoice::parse(self.kernel.as_deref(), self.modules.clone()).map_err(StoreError::from)?;
        // Mistakes of the user are told before anything is fetched.
        if let KernelChoice::Debian(release) = &choice {
            lock.kernel(Some(release)).map_err(StoreError::from)?;
        }
        if let Some(path) = self.busybox.as_deref().filter(|path| !path.is_file()) {
            return Err(EnvironmentError::Busybox(path.to_owned()));
        }
        let qemu = self.qemu(&store, &lock, progress.as_ref())?;
        let Kernel {
            image,
            modules,
            release,
            source,
        } = store.kernel(&lock, &choice)?;
        let busybox = match &self.busybox {
            Some(busybox) => busybox.clone(),
            None => store.busybox(&lock)?,
        };
        let guest = Guest {
            image,
            modules,
            busybox,
            release,
        };
        Ok(Environment {
            qemu,
            guest,
            kernel_source: source,
        })
    }

    /// The user's QEMU, or the one in PATH if it is fit, or that of the lock file.
    fn qemu(&self, store: &Store, lock: &Lock, progress: &dyn Progress) -> Result<Qemu, EnvironmentError> {
        if let Some(program) = &self.qemu {
            return Ok(Qemu::examine(program, &program.display().to_string())?);
        }
        if let Some(program) = qemu::in_path() {
            match Qemu::examine(&program, &program.display().to_string()) {
                Ok(qemu) => return Ok(qemu),
                Err(unfit) => progress.note(&format!("{unfit}; taking the QEMU of the lock file")),
            }
        }
        let QemuInstall {
            program,
            prefix_args,
            environment,
            version,
        } = store.qemu(lock)?;
        // Libraries of the host are for another libc than the one that comes with it.
        let host = ["LD_PRELOAD", "LD_LIBRARY_PATH"].map(Into::into).to_vec();
        Ok(Qemu {
            program,
            args: prefix_args,
            env: environment,
            env_remove: host,
            version,
            source: "lock file".to_owned(),
        })
    }
}
