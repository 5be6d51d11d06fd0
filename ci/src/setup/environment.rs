// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Environment of a run: a QEMU, a kernel, a busybox; the user's own or those of the lock file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use guest_images::machine::board::Board;
use guest_images::machine::gic::Gic;
use guest_images::packages::archive::ArchiveError;
use guest_images::packages::lock::{Lock, Set};
use guest_images::packages::progress::Progress;
use guest_images::packages::store::{Error as StoreError, Store};
use guest_images::packages::wanted::Archive;
use guest_images::packages::wanted::Wanted;
use guest_images::system::inventory::Missing;
use guest_images::system::kernel::{Kernel, KernelChoice, KernelError};
use guest_images::system::qemu::QemuInstall;
use host_guard::signals;

use crate::boot::accel::{Accel, NoKvm};
use crate::recipe::Recipe;
use crate::setup::machine::Guest;
use crate::setup::needs::{Inventories, Needs};
use crate::setup::pages::PartialPage;
use crate::setup::qemu::{self, Qemu, Unfit};

/// Source of a QEMU of the lock file.
pub const LOCK_FILE: &str = "lock file";
/// Source of a QEMU that took its place.
pub const ARCHIVE: &str = "archive";

/// Choice of the user.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Accelerator of the guest's CPUs.
    pub accel: Accel,
    /// Interrupt controller of the board; that of a default board if left out.
    pub gic: Option<Gic>,
    /// QEMU to use.
    pub qemu: Option<PathBuf>,
    /// Kernel: `debian:RELEASE`, or the path of an Image or of a directory with one.
    pub kernel: Option<OsString>,
    /// Modules of an Image.
    pub modules: Option<PathBuf>,
    /// A static busybox for arm64.
    pub busybox: Option<PathBuf>,
    /// Packages of programs for the guest, by their names in the lock file.
    pub tools: Vec<String>,
    /// Drivers and options that the kernel has to have.
    pub needs: Needs,
    /// Kernels that were looked at; clones of a choice share them.
    pub inventories: Inventories,
    /// Directory of the cache.
    pub cache: Option<PathBuf>,
    /// Debian mirror.
    pub mirror: Option<String>,
    /// Takes nothing from the archive but what the lock file names.
    pub locked: bool,
}

/// Environment of a run.
#[derive(Debug, Clone)]
pub struct Environment {
    /// QEMU.
    pub qemu: Qemu,
    /// Kernel and busybox.
    pub guest: Guest,
    /// Source of the kernel, for people.
    pub kernel_source: String,
    /// Packages in the place of those of the lock file, one line each.
    pub instead_of_locked: Vec<String>,
    /// Directory of the snapshots of guests.
    pub snapshots: PathBuf,
}

/// Error of an environment: what is missing, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The QEMU that the user named.
    #[error("--qemu: {0}")]
    Qemu(#[from] Unfit),
    /// A signal asks for the end.
    #[error("interrupted")]
    Interrupted,
    /// The accelerator that the user named.
    #[error("--accel kvm: {0}")]
    Accel(#[from] NoKvm),
    /// The busybox that the user named.
    #[error("--busybox: {} is no file", .0.display())]
    Busybox(PathBuf),
    /// The cache or the mirror.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The kernel.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The kernel does not have the warning that the recipe looks for.
    #[error(
        "kernel {release}: this kernel cannot print it: `late IOMMU probe at driver bind`, which the recipe {recipe} \
         looks for, came with Linux 6.15. Take a later kernel (`boot-stress kernels` lists Debian's), or a recipe that \
         is about something else, like `disk`"
    )]
    CannotPrint {
        /// Release of the kernel.
        release: String,
        /// Name of the recipe.
        recipe: String,
    },
    /// Drivers or options that the kernel does not have.
    #[error(
        "kernel {kernel} cannot run this recipe: {missing}; `boot-stress kernel-config` prints what recipes need"
    )]
    Missing {
        /// Source of the kernel.
        kernel: String,
        /// Drivers and options that are missing.
        missing: Missing,
    },
    /// A reserved region that the kernel's pages do not divide.
    #[error("kernel {kernel} cannot run this recipe: {problem}")]
    Pages {
        /// Source of the kernel.
        kernel: String,
        /// The region.
        problem: PartialPage,
    },
    /// Modules that the recipe unloads, and the kernel has built in.
    #[error(
        "kernel {kernel} cannot run this recipe: {} cannot be unloaded, being built into this kernel (only drivers \
         whose devices all wait for a `load` are taken from them): `unbind` the devices, or take a kernel with modules",
        modules.join(", ")
    )]
    NotUnloaded {
        /// Source of the kernel.
        kernel: String,
        /// The modules.
        modules: Vec<String>,
    },
}

impl EnvironmentError {
    /// Whether the kernel lacks what the recipe needs: others may run it.
    pub fn is_of_kernel(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. } | Self::CannotPrint { .. } | Self::Pages { .. } | Self::NotUnloaded { .. }
        )
    }

    /// Whether the command line is at fault: a kernel that is not one, or not in the lock file; a busybox that is not
    /// there.
    pub fn is_usage(&self) -> bool {
        if let Self::Store(StoreError::Archive(error))
        | Self::Kernel(KernelError::Store(StoreError::Archive(error))) = self
        {
            return matches!(**error, ArchiveError::Kernel(_));
        }
        self.is_of_kernel()
            || matches!(
                self,
                Self::Busybox(_)
                    | Self::Store(StoreError::Lock(_))
                    | Self::Kernel(
                        KernelError::Store(StoreError::Lock(_))
                            | KernelError::Read { .. }
                            | KernelError::Format { .. }
                            | KernelError::Choice(_)
                            | KernelError::Module(_)
                            | KernelError::Modules { .. }
                            | KernelError::Directory { .. }
                            | KernelError::Config { .. }
                    )
            )
    }
}

impl Choice {
    /// The cache that the user chose.
    ///
    /// # Errors
    /// There is no place for one.
    pub fn store(&self) -> Result<Store, EnvironmentError> {
        let store = Store::open(self.cache.clone(), self.mirror.clone())?;
        if self.locked {
            return Ok(store);
        }
        let wanted = Wanted::shipped()
            .map_err(ArchiveError::from)
            .map_err(StoreError::from)?;
        Ok(store.with_archive(Archive::new(wanted, None)))
    }

    /// Interrupt controller of the board.
    pub fn gic(&self) -> Gic {
        self.gic.unwrap_or_else(|| self.accel.gic(&Board::default()))
    }

    /// The kernel that the user chose, and what a run with it takes from Debian besides QEMU. A release that neither
    /// the lock file nor the cache knows is looked for in the archive's index.
    ///
    /// # Errors
    /// Mistakes of the user, for which [`EnvironmentError::is_usage`] holds; an index that cannot be had.
    pub fn guest(&self, store: &Store, lock: &Lock) -> Result<(KernelChoice, Vec<Set>), EnvironmentError> {
        let kernel = KernelChoice::parse(self.kernel.as_deref(), self.modules.clone())?;
        let mut sets = Vec::new();
        match &kernel {
            KernelChoice::Newest => sets.push(store.kernel_set(lock, None)?),
            KernelChoice::Debian(release) => sets.push(store.kernel_set(lock, Some(release))?),
            KernelChoice::Files { .. } | KernelChoice::Directory { .. } => {}
        }
        if let Some(kernel) = sets.first() {
            self.needs.check_release(&kernel.name)?;
        }
        match self.busybox.as_deref() {
            None => sets.push(lock.busybox().map_err(StoreError::from)?.clone()),
            Some(path) if path.is_file() => {}
            Some(path) => return Err(EnvironmentError::Busybox(path.to_owned())),
        }
        for name in &self.tools {
            sets.push(lock.tools(name).map_err(StoreError::from)?.clone());
        }
        Ok((kernel, sets))
    }

    /// The environment of a run of `recipe`, whatever `tools`, `gic` and `needs` of the choice say.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn environment(
        &self,
        recipe: &Recipe,
        progress: Arc<dyn Progress>,
    ) -> Result<Environment, EnvironmentError> {
        let choice = Self {
            tools: recipe.tools.clone(),
            gic: Some(recipe.board.gic()),
            needs: Needs {
                as_built_in: self.needs.as_built_in,
                ..Needs::of(recipe)
            },
            ..self.clone()
        };
        choice.resolve(progress)
    }

    /// Finds or fetches everything, telling `progress`.
    ///
    /// # Errors
    /// Something is missing and cannot be fetched.
    pub fn resolve(&self, progress: Arc<dyn Progress>) -> Result<Environment, EnvironmentError> {
        let store = self.store()?.with_progress(Arc::clone(&progress));
        let lock = Lock::shipped().map_err(StoreError::from)?;
        // Mistakes of the user come before anything is fetched, and of what is fetched the kernel comes first: it may
        // lack a driver.
        let (choice, _) = self.guest(&store, &lock)?;
        progress.note(&self.accel.why()?);
        let kernel = || -> Result<_, EnvironmentError> {
            let kernel = store.kernel(&lock, &choice)?;
            let present = self.needs.check(&kernel, &self.inventories)?;
            Ok((kernel, present))
        };
        let (own_qemu, (kernel, present)) = match &choice {
            KernelChoice::Newest | KernelChoice::Debian(_) => {
                let own = self.own_qemu(progress.as_ref())?;
                (own, kernel()?)
            }
            KernelChoice::Files { .. } | KernelChoice::Directory { .. } => {
                let kernel = kernel()?;
                (self.own_qemu(progress.as_ref())?, kernel)
            }
        };
        let qemu = match own_qemu {
            Some(own) => own,
            None => locked_qemu(&store, &lock)?,
        };
        let Kernel {
            image,
            modules,
            release,
            source,
            evidence: _,
        } = kernel;
        let busybox = match &self.busybox {
            Some(busybox) => busybox.clone(),
            None => store.busybox(&lock)?,
        };
        let tools = self.tools.iter().map(|name| {
            let set = lock.tools(name).map_err(StoreError::from)?;
            store.obtain(set).map(|(_, tree)| tree)
        });
        let tools = tools.collect::<Result<_, StoreError>>()?;
        let guest = Guest {
            image,
            modules,
            present,
            busybox,
            tools,
            release,
            accel: self.accel,
            trace: None,
        };
        Ok(Environment {
            qemu,
            guest,
            kernel_source: source,
            instead_of_locked: store.instead_of_locked(),
            snapshots: store.cache().join("snapshots"),
        })
    }

    /// The user's QEMU, or the one in PATH if it is fit.
    fn own_qemu(&self, progress: &dyn Progress) -> Result<Option<Qemu>, EnvironmentError> {
        if let Some(program) = &self.qemu {
            return self.examine(program).map(Some);
        }
        let Some(program) = qemu::in_path() else {
            return Ok(None);
        };
        match self.examine(&program) {
            Err(EnvironmentError::Qemu(unfit)) => {
                progress.note(&format!("{unfit}; taking the QEMU of the lock file"));
                Ok(None)
            }
            examined => examined.map(Some),
        }
    }

    /// Looks at a QEMU of the user's.
    fn examine(&self, program: &Path) -> Result<Qemu, EnvironmentError> {
        let examined = Qemu::examine(program, self.gic(), &program.display().to_string());
        match signals::asked() {
            Some(_) => Err(EnvironmentError::Interrupted),
            None => Ok(examined?),
        }
    }
}

/// The QEMU of the lock file, or what takes its place.
fn locked_qemu(store: &Store, lock: &Lock) -> Result<Qemu, EnvironmentError> {
    let QemuInstall {
        program,
        version,
        is_locked,
    } = store.qemu(lock)?;
    Ok(Qemu {
        program,
        version,
        source: if is_locked { LOCK_FILE } else { ARCHIVE }.to_owned(),
    })
}
