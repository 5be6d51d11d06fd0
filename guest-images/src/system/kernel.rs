// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The guest's kernel: from the lock file, or the user's own.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use host_guard::file;

use crate::packages::digest;
use crate::packages::lock::Lock;
use crate::packages::store::{Error, Store};
use crate::system::inventory::Evidence;
use crate::system::modules::{ModuleTree, ModulesError};

mod image;
#[cfg(test)]
pub(crate) mod tests;

pub use image::page_kib;
use image::{check_image, check_length, decompress, is_image, magic, release_in, start_of};

/// Largest file that is taken for a kernel.
pub(crate) const MAX_FILE: u64 = 512 << 20;

/// Reason why a kernel cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// It cannot be read.
    #[error("kernel {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not an arm64 Linux Image.
    #[error(
        "kernel {}: {problem}; what boots is an arm64 Image (arch/arm64/boot/Image), Image.gz, or \
         vmlinuz.efi", path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Description of what was found.
        problem: String,
    },
    /// `--kernel` was not understood.
    #[error(
        "kernel {}: neither debian:RELEASE (like debian:6.16.3+deb13-arm64) nor a file or directory",
        .0.display()
    )]
    Choice(OsString),
    /// A directory has no kernel, or more than one.
    #[error("kernel {}: {problem}", path.display())]
    Directory {
        /// The directory, or the file in it.
        path: PathBuf,
        /// Description of what was found, and what to do.
        problem: String,
    },
    /// A configuration is none, or another kernel's.
    #[error("configuration {}: {problem}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Description of the problem.
        problem: String,
    },
    /// The store does not have it, and cannot get it.
    #[error(transparent)]
    Store(#[from] Error),
    /// A module is another kernel's, or cannot be read.
    #[error("modules: {0}")]
    Module(#[from] ModulesError),
    /// The modules are another kernel's.
    #[error("modules {}: {problem}", path.display())]
    Modules {
        /// The directory.
        path: PathBuf,
        /// Description of the problem.
        problem: String,
    },
}

/// Choice of the guest's kernel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum KernelChoice {
    /// The newest one of the lock file.
    #[default]
    Newest,
    /// One of Debian's, by release or the beginning of one: of the lock file, or of the archive.
    Debian(String),
    /// The user's own.
    Files {
        /// Image, Image.gz or an EFI zboot image.
        image: PathBuf,
        /// `lib/modules/<release>`, if it has modules.
        modules: Option<PathBuf>,
    },
    /// A directory with a kernel of the user's: a build, installed modules, an output of tuxmake.
    Directory {
        /// The directory.
        path: PathBuf,
        /// `lib/modules/<release>`, if not what the directory has.
        modules: Option<PathBuf>,
    },
}

impl KernelChoice {
    /// Reads `--kernel` and `--modules`.
    ///
    /// # Errors
    ///
    /// A file that does not exist, or modules for a kernel that brings its own.
    pub fn parse(kernel: Option<&OsStr>, modules: Option<PathBuf>) -> Result<Self, KernelError> {
        let choice = match kernel {
            None => Self::Newest,
            Some(text) => match text.to_str().and_then(|text| text.strip_prefix("debian:")) {
                Some(release) => Self::Debian(release.to_owned()),
                None if Path::new(text).is_file() => {
                    return Ok(Self::Files {
                        image: text.into(),
                        modules,
                    });
                }
                None if Path::new(text).is_dir() => {
                    return Ok(Self::Directory {
                        path: text.into(),
                        modules,
                    });
                }
                None => return Err(KernelError::Choice(text.to_owned())),
            },
        };
        match modules {
            None => Ok(choice),
            Some(path) => {
                let problem = "kernels of the lock file bring their own modules".to_owned();
                Err(KernelError::Modules { path, problem })
            }
        }
    }
}

/// Release of a kernel whose image does not tell.
pub const UNKNOWN: &str = "unknown";

/// A kernel that boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Uncompressed arm64 Image, for address [`KERNEL`](crate::machine::layout::KERNEL).
    pub image: PathBuf,
    /// `lib/modules/<release>`, if there are modules.
    pub modules: Option<PathBuf>,
    /// Output of `uname -r` in the guest; [`UNKNOWN`] if an image does not tell.
    pub release: String,
    /// Source of it, for reports: `debian:<release>` or the path that was named.
    pub source: String,
    /// Files that tell of its drivers.
    pub evidence: Evidence,
}

impl Kernel {
    /// The release, if the Image tells.
    pub fn known_release(&self) -> Option<&str> {
        Some(self.release.as_str()).filter(|release| *release != UNKNOWN)
    }
}

impl Store {
    /// The kernel; fetched first if it is one of Debian's and not in the cache.
    ///
    /// # Errors
    ///
    /// See [`Store::tree`]; [`KernelError`] for a file that is not a kernel, or modules that do not belong to it.
    pub fn kernel(&self, lock: &Lock, choice: &KernelChoice) -> Result<Kernel, KernelError> {
        let release = match choice {
            KernelChoice::Files { image, modules } => return self.own_kernel(image, modules.as_deref()),
            KernelChoice::Directory { path, modules } => {
                return self.kernel_of_directory(path, modules.as_deref());
            }
            KernelChoice::Newest => None,
            KernelChoice::Debian(release) => Some(release.as_str()),
        };
        let set = self.kernel_set(lock, release)?;
        let (set, tree) = self.obtain(&set)?;
        let release = &set.name;
        let modules = tree.join("usr/lib/modules").join(release);
        // One package until 6.18, with the image in /boot; several since.
        let places = [
            tree.join(format!("boot/vmlinuz-{release}")),
            modules.join("vmlinuz"),
        ];
        let incomplete = |missing| Error::Incomplete {
            set: set.name.clone(),
            missing,
        };
        let image = places.iter().find(|path| path.is_file());
        let image = image.ok_or_else(|| incomplete(format!("kernel image vmlinuz for {release}")))?;
        if !modules.join("kernel").is_dir() {
            return Err(incomplete(format!("modules in usr/lib/modules/{release}")).into());
        }
        let image = self.plain_image(image)?;
        let mut source = format!("debian:{release}");
        if let Some(package) = set.packages.first().filter(|_| !lock.sets.contains(&set)) {
            source.push_str(&format!(", version {} of {}", package.version, package.suite));
        }
        Ok(Kernel {
            image,
            modules: Some(modules),
            release: release.clone(),
            source,
            evidence: Evidence::default(),
        })
    }

    pub(super) fn own_kernel(&self, path: &Path, modules: Option<&Path>) -> Result<Kernel, KernelError> {
        let image = self.plain_image(path)?;
        let read = |source| KernelError::Read {
            path: image.clone(),
            source,
        };
        let plain = file::read(&image, MAX_FILE).map_err(read)?;
        check_length(&plain, plain.len() as u64).map_err(|problem| format_error(path, problem))?;
        let release = release_in(&plain);
        if let Some(directory) = modules {
            check_modules(directory, release.as_deref())?;
        }
        let release = release.unwrap_or_else(|| UNKNOWN.to_owned());
        let source = path.display().to_string();
        Ok(Kernel {
            image,
            modules: modules.map(Path::to_owned),
            release,
            source,
            evidence: Evidence::default(),
        })
    }

    /// The file itself if it is an Image, else a decompressed copy in the cache.
    fn plain_image(&self, path: &Path) -> Result<PathBuf, KernelError> {
        let read = |source| KernelError::Read {
            path: path.to_owned(),
            source,
        };
        let start = start_of(path).map_err(read)?;
        if is_image(&start) {
            check_image(&start).map_err(|problem| format_error(path, problem))?;
            return Ok(path.to_owned());
        }
        let packed = file::read(path, MAX_FILE).map_err(read)?;
        let plain = decompress(&packed).map_err(|problem| format_error(path, problem))?;
        if !is_image(&plain) {
            let problem = format!("what is compressed in it is {}", magic(&plain));
            return Err(format_error(path, problem));
        }
        check_image(&plain).map_err(|problem| format_error(path, problem))?;
        let images = self.subdirectory("images")?;
        let digest = digest::of_bytes(&packed);
        let target = images.join(digest.get(..24).unwrap_or_default());
        // Compared rather than believed: damage of the cache ends here.
        if file::read(&target, MAX_FILE).is_ok_and(|found| found == plain) {
            return Ok(target);
        }
        self.replace(&target, &plain)?;
        Ok(target)
    }
}

/// Whether modules are those of the kernel with this release.
pub(super) fn check_modules(directory: &Path, release: Option<&str>) -> Result<(), KernelError> {
    let error = |problem| KernelError::Modules {
        path: directory.to_owned(),
        problem,
    };
    if !directory.is_dir() {
        return Err(error("no such directory".to_owned()));
    }
    let name = directory.file_name().and_then(|name| name.to_str());
    if let (Some(name), Some(release)) = (name, release)
        && name != release
        && directory
            .parent()
            .is_some_and(|parent| parent.ends_with("modules"))
    {
        let problem = format!("these are modules of another kernel; the image is {release}");
        return Err(error(problem));
    }
    // A directory may have any name; the modules themselves name their kernel.
    ModuleTree::open(directory, release)?.check_one()?;
    Ok(())
}

fn format_error(path: &Path, problem: String) -> KernelError {
    KernelError::Format {
        path: path.to_owned(),
        problem,
    }
}

impl Store {
    /// Static busybox for the guest; fetched first if it is not in the cache.
    ///
    /// # Errors
    ///
    /// See [`Store::tree`].
    pub fn busybox(&self, lock: &Lock) -> Result<PathBuf, Error> {
        let (set, tree) = self.obtain(lock.busybox()?)?;
        let program = tree.join("usr/bin/busybox");
        if program.is_file() {
            return Ok(program);
        }
        Err(Error::Incomplete {
            set: set.name.clone(),
            missing: "usr/bin/busybox".to_owned(),
        })
    }
}
