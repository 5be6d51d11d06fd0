// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Options of the parts of a run: QEMU, kernel, busybox, and the files that recipes may use.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use host_guard::confine::Places;

use super::output::Failure;
use crate::boot::accel::Accel;
use crate::setup::environment::Choice;
use crate::setup::needs::{Inventories, Needs};

/// Accelerator of the guest's CPUs.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct AccelArgs {
    /// Accelerator of the guest's CPUs: KVM for hosts that are arm64 themselves.
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = Accel::Tcg)]
    accel: Accel,
    /// Make boots that depend on nothing but recipe, seed and kernel: all CPUs in one thread, on a clock that counts
    /// instructions. Another seed is another interleaving.
    #[arg(long, conflicts_with = "accel")]
    deterministic: bool,
}

impl AccelArgs {
    /// Those of deterministic boots.
    pub const DETERMINISTIC: Self = Self {
        accel: Accel::Tcg,
        deterministic: true,
    };

    /// The accelerator.
    pub fn accel(self) -> Accel {
        if self.deterministic {
            Accel::Icount
        } else {
            self.accel
        }
    }
}

/// Sources of QEMU, kernel and busybox, and the accelerator.
#[derive(Debug, Args)]
pub(super) struct Parts {
    #[command(flatten)]
    pub accel: AccelArgs,
    #[command(flatten)]
    pub kernel: KernelArgs,
    #[command(flatten)]
    pub programs: ProgramArgs,
}

/// Source of the kernel.
#[derive(Debug, Default, Args)]
pub(super) struct KernelArgs {
    /// Kernel: debian:RELEASE (or the beginning of one, see `boot-stress kernels`), a build directory,
    /// lib/modules/RELEASE, an output of tuxmake, or an Image [default: the newest of the lock file]
    #[arg(long, value_name = "debian:RELEASE|DIR|IMAGE")]
    pub kernel: Option<OsString>,
    /// Modules of the kernel, if it is not all built in: the directory that has modules.dep.
    #[arg(long, value_name = "DIR", requires = "kernel")]
    pub modules: Option<PathBuf>,
    /// Load the modules before the first step, and then treat them as drivers that are built in.
    #[arg(long, hide = true)]
    pub as_built_in: bool,
}

/// Sources of the programs.
#[derive(Debug, Args)]
pub(super) struct ProgramArgs {
    /// QEMU to use [default: the one in PATH if it is fit, else the one of the lock file]
    #[arg(long, value_name = "PROGRAM")]
    pub qemu: Option<PathBuf>,
    /// A static busybox for arm64 [default: the one of the lock file]
    #[arg(long, value_name = "FILE")]
    pub busybox: Option<PathBuf>,
    /// Cache for what is fetched [default: $XDG_CACHE_HOME/smmu-emu]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Debian mirror to fetch from [default: $SMMU_EMU_MIRROR, else those of this machine's apt]
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
    /// Take nothing but what the lock file names, and fail if the mirror no longer has it.
    #[arg(long)]
    pub locked: bool,
}

impl From<Parts> for Choice {
    fn from(parts: Parts) -> Self {
        let Parts {
            accel,
            kernel:
                KernelArgs {
                    kernel,
                    modules,
                    as_built_in,
                },
            programs:
                ProgramArgs {
                    qemu,
                    busybox,
                    cache,
                    mirror,
                    locked,
                },
        } = parts;
        Self {
            accel: accel.accel(),
            gic: None,
            qemu,
            kernel,
            modules,
            busybox,
            tools: Vec::new(),
            needs: Needs {
                as_built_in,
                ..Needs::default()
            },
            inventories: Inventories::default(),
            cache,
            mirror,
            locked,
        }
    }
}

/// Files of the host that recipes may use.
#[derive(Debug, Args)]
pub(super) struct AllowArgs {
    /// Let the recipe use this file, or files below this directory: images and consoles outside of the run; may be
    /// repeated
    #[arg(long, value_name = "PATH")]
    allow_path: Vec<PathBuf>,
}

impl AllowArgs {
    /// The files and directories, as absolute paths.
    pub(super) fn places(self) -> Result<Places, Failure> {
        let absolute = |path: PathBuf| match std::path::absolute(&path) {
            Ok(path) if path.to_str().is_some() => Ok(path),
            Ok(path) => Err(format!(
                "{} is not UTF-8, as paths of recipes are",
                path.display()
            )),
            Err(error) => Err(format!("{}: {error}", path.display())),
        };
        let places: Result<_, String> = self.allow_path.into_iter().map(absolute).collect();
        places
            .map(Places::new)
            .map_err(|problem| Failure::usage(&format!("--allow-path: {problem}")))
    }
}
