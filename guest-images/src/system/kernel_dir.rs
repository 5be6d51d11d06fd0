// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Directories that hold a kernel: one in which it is built (in its tree or with `O=`), `lib/modules/<release>` of an
//! installed one, and what tuxmake leaves.
//!
//! Nothing is written here, and nothing outside of the directory is read but what an installed kernel has beside its
//! modules: `boot/vmlinuz-<release>` and `boot/config-<release>` of the same root.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use host_guard::file;

use crate::packages::digest;
use crate::packages::store::Store;
use crate::system::inventory::Evidence;
use crate::system::kernel::{Kernel, KernelError, check_modules};
use crate::system::modules::is_build;

mod archive;
#[cfg(test)]
mod tests;

/// Largest text file that says what a build is: a release, or tuxmake's metadata.
const MAX_TEXT: u64 = 1 << 20;
/// The Image of a build, in its preferred forms.
const BOOT: &[&str] = &["Image", "Image.gz", "Image.zst", "Image.xz", "vmlinuz.efi"];
/// Largest archive of modules that is read; one of `allmodconfig` has 300 MiB.
const MAX_ARCHIVE: u64 = 2 << 30;
/// Most entries of a directory that are looked at for kernels.
const MAX_ENTRIES: usize = 10_000;

/// A kernel in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The Image, in any of its forms; more than one only if their releases have to be compared.
    pub images: Vec<PathBuf>,
    /// Directory of the modules.
    pub modules: Option<PathBuf>,
    /// Archive of the modules, which tuxmake makes.
    pub archive: Option<PathBuf>,
    /// Files that tell of the drivers.
    pub evidence: Evidence,
    /// The release that the directory claims, with the file that says so.
    pub release: Option<(String, PathBuf)>,
}

/// Looks for the kernel of a directory.
///
/// # Errors
/// There is none, or a file that is needed cannot be read.
pub fn look(directory: &Path) -> Result<Found, KernelError> {
    if is_build(directory) {
        return build(directory);
    }
    if is_source(directory) {
        let problem = "the sources of a kernel, in which none was built: build one (make ARCH=arm64 defconfig Image), \
                       or name the directory that was given as O=";
        return Err(error(directory, problem.to_owned()));
    }
    if ["modules.dep", "modules.order", "modules.builtin", "kernel"]
        .iter()
        .any(|name| directory.join(name).exists())
    {
        return installed(directory);
    }
    output(directory)
}

fn error(directory: &Path, problem: String) -> KernelError {
    let path = directory.to_owned();
    KernelError::Directory { path, problem }
}

/// The file, if it is one.
fn existing(path: PathBuf) -> Option<PathBuf> {
    path.is_file().then_some(path)
}

fn is_source(directory: &Path) -> bool {
    directory.join("Kbuild").is_file() && directory.join("arch/arm64").is_dir()
}

fn text(path: &Path) -> Result<String, KernelError> {
    let read = |source| KernelError::Read {
        path: path.to_owned(),
        source,
    };
    Ok(file::read_text(path, MAX_TEXT).map_err(read)?.trim().to_owned())
}

fn build(directory: &Path) -> Result<Found, KernelError> {
    let boot = directory.join("arch/arm64/boot");
    let Some(image) = BOOT.iter().find_map(|name| existing(boot.join(name))) else {
        let others = architectures(directory);
        let problem = if others.is_empty() {
            "a build directory without an Image: finish the build (make ARCH=arm64 Image)".to_owned()
        } else {
            format!(
                "a build directory of a kernel for {}, and the guest is arm64: name one that was built with ARCH=arm64",
                others.join(", ")
            )
        };
        return Err(error(&boot, problem));
    };
    let stated = directory.join("include/config/kernel.release");
    let release = match existing(stated) {
        Some(path) => Some((text(&path)?, path)),
        None => None,
    };
    // Without one, nothing but `make vmlinux` was run, or the kernel has no modules.
    let ordered = existing(directory.join("modules.order"));
    Ok(Found {
        images: vec![image],
        modules: ordered.map(|_| directory.to_owned()),
        archive: None,
        evidence: Evidence {
            config: existing(directory.join(".config")),
            builtin: existing(directory.join("modules.builtin")),
            symbols: existing(directory.join("System.map")),
        },
        release,
    })
}

/// Other architectures for which a kernel was built in a directory.
fn architectures(directory: &Path) -> Vec<&'static str> {
    [
        ("x86", "bzImage"),
        ("arm", "zImage"),
        ("riscv", "Image"),
        ("s390", "bzImage"),
    ]
    .into_iter()
    .filter(|(arch, name)| directory.join(format!("arch/{arch}/boot/{name}")).is_file())
    .map(|(arch, _)| arch)
    .collect()
}

fn installed(directory: &Path) -> Result<Found, KernelError> {
    let name = directory.file_name().and_then(|name| name.to_str());
    let release = name.filter(|name| name.starts_with(|first: char| first.is_ascii_digit()));
    let mut images = vec![directory.join("vmlinuz"), directory.join("Image")];
    let mut config = vec![directory.join("config")];
    if let Some(release) = release {
        for root in roots(directory) {
            for kernel in ["vmlinuz", "Image", "vmlinux"] {
                images.push(root.join(format!("boot/{kernel}-{release}")));
            }
            config.push(root.join(format!("boot/config-{release}")));
        }
    }
    for name in BOOT {
        images.push(directory.join("build/arch/arm64/boot").join(name));
    }
    config.push(directory.join("build/.config"));
    let Some(image) = images.iter().find(|path| path.is_file()) else {
        let looked: Vec<String> = images.iter().map(|path| path.display().to_string()).collect();
        let problem = format!(
            "modules, and no Image for them at any of {}; name it: --kernel IMAGE --modules {}",
            looked.join(", "),
            directory.display()
        );
        return Err(error(directory, problem));
    };
    Ok(Found {
        images: vec![image.clone()],
        modules: Some(directory.to_owned()),
        archive: None,
        evidence: Evidence {
            config: config.into_iter().find(|path| path.is_file()),
            builtin: None,
            symbols: None,
        },
        release: release.map(|release| (release.to_owned(), directory.to_owned())),
    })
}

/// Roots of the system that a `lib/modules/<release>` or `usr/lib/modules/<release>` is part of.
fn roots(directory: &Path) -> Vec<PathBuf> {
    // The link may lead elsewhere than its name says.
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let above = |steps: usize| directory.ancestors().nth(steps).map(Path::to_owned);
    if directory
        .parent()
        .is_some_and(|parent| parent.ends_with("usr/lib/modules"))
    {
        above(4).into_iter().collect()
    } else if directory
        .parent()
        .is_some_and(|parent| parent.ends_with("lib/modules"))
    {
        above(3).into_iter().collect()
    } else {
        Vec::new()
    }
}

/// Whether a file's name is that of a kernel.
fn is_kernel_name(name: &str) -> bool {
    BOOT.contains(&name)
        || name == "vmlinuz"
        || name.starts_with("vmlinuz-")
        || name.starts_with("Image-")
        || name == "bzImage"
}

fn output(directory: &Path) -> Result<Found, KernelError> {
    let read = |source| KernelError::Read {
        path: directory.to_owned(),
        source,
    };
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(read)?.take(MAX_ENTRIES) {
        let path = entry.map_err(read)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        if let (Some(name), true) = (name, path.is_file()) {
            files.insert(name, path);
        }
    }
    let images: Vec<PathBuf> = files
        .iter()
        .filter(|(name, _)| is_kernel_name(name))
        .map(|(_, path)| path.clone())
        .collect();
    if images.is_empty() {
        let problem = "neither a build directory of a kernel (arch/arm64/boot/Image, include/config), nor \
                       lib/modules/RELEASE, nor one with an Image, Image.gz or vmlinuz in it";
        return Err(error(directory, problem.to_owned()));
    }
    let archive = [
        "modules.tar.xz",
        "modules.tar.gz",
        "modules.tar.zst",
        "modules.tar",
    ];
    let file = |names: &[&str]| names.iter().find_map(|name| files.get(*name).cloned());
    Ok(Found {
        images,
        modules: None,
        archive: file(&archive),
        evidence: Evidence {
            config: file(&["config", ".config", "kernel.config"]),
            builtin: file(&["modules.builtin"]),
            symbols: file(&["System.map"]),
        },
        release: None,
    })
}

impl Store {
    /// The kernel that lies in a directory.
    pub(super) fn kernel_of_directory(
        &self,
        path: &Path,
        modules: Option<&Path>,
    ) -> Result<Kernel, KernelError> {
        let found = look(path)?;
        let mut kernels = Vec::with_capacity(found.images.len());
        for image in &found.images {
            kernels.push((image, self.own_kernel(image, None)?));
        }
        let two = kernels
            .iter()
            .zip(kernels.iter().skip(1))
            .find(|((_, one), (_, other))| one.release != other.release);
        if let Some(((one, first), (other, second))) = two {
            let problem = format!(
                "two kernels: {} is {}, and {} is {}; name one of the files",
                one.display(),
                first.release,
                other.display(),
                second.release
            );
            let path = path.to_owned();
            return Err(KernelError::Directory { path, problem });
        }
        let Some((_, mut kernel)) = kernels.into_iter().next() else {
            let (path, problem) = (path.to_owned(), "no kernel".to_owned());
            return Err(KernelError::Directory { path, problem });
        };
        if let (Some((stated, by)), Some(release)) = (&found.release, kernel.known_release())
            && stated != release
        {
            let problem = format!(
                "says {stated}, and the Image is {release}: build again (make Image modules), or name the Image with \
                 its own modules"
            );
            let path = by.clone();
            return Err(KernelError::Directory { path, problem });
        }
        let modules = match (modules, found.modules, &found.archive) {
            (Some(modules), _, _) => Some(modules.to_owned()),
            (None, Some(modules), _) => Some(modules),
            (None, None, Some(archive)) => Some(self.unpacked_modules(archive)?),
            (None, None, None) => None,
        };
        if let Some(directory) = &modules {
            check_modules(directory, kernel.known_release())?;
        }
        kernel.modules = modules;
        kernel.source = path.display().to_string();
        kernel.evidence = found.evidence;
        Ok(kernel)
    }

    /// The modules of an archive of tuxmake, unpacked into the cache.
    fn unpacked_modules(&self, archive: &Path) -> Result<PathBuf, KernelError> {
        let error = |problem: String| KernelError::Modules {
            path: archive.to_owned(),
            problem,
        };
        let read = |source| KernelError::Read {
            path: archive.to_owned(),
            source,
        };
        let packed = file::read(archive, MAX_ARCHIVE).map_err(read)?;
        let digest = digest::of_bytes(&packed);
        let trees = self.subdirectory("modules")?;
        let target = trees.join(digest.get(..24).unwrap_or_default());
        self.whole_tree(&target, |directory| {
            archive::unpack(&packed, directory).map_err(error)
        })?;
        let releases = target.join("lib/modules");
        let mut found: Vec<PathBuf> = fs::read_dir(&releases)
            .map_err(|source| KernelError::Read {
                path: releases.clone(),
                source,
            })?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        match (found.pop(), found.is_empty()) {
            (Some(directory), true) => Ok(directory),
            (None, _) => Err(error("no lib/modules/RELEASE is in it".to_owned())),
            (Some(_), false) => Err(error("it has modules of more than one kernel".to_owned())),
        }
    }
}
