// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `images.lock`: which Debian packages the guest and QEMU are made of, with their hashes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::packages::release::version_key;

#[cfg(test)]
mod tests;

/// Format of the file; raised when its meaning changes.
const FORMAT: u32 = 1;
/// The package whose version is QEMU's.
pub(crate) const QEMU_PACKAGE: &str = "qemu-system-arm";
/// End of the release of a kernel with pages of 16 KiB.
const PAGES_16K: &str = "-16k";
/// No package is larger.
const MAX_PACKAGE: u64 = 2 << 30;

/// Error in a lock file.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Not TOML of the right shape.
    #[error("images.lock: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A well-formed entry that cannot be right.
    #[error("images.lock: {place}: {problem}")]
    Entry {
        /// The set or package.
        place: String,
        /// Description of the problem.
        problem: String,
    },
    /// Nothing of that name is locked.
    #[error("images.lock has no {wanted}; it has {available}")]
    NotLocked {
        /// Name of the set that was asked for, with its kind.
        wanted: String,
        /// Names of that kind in the lock file.
        available: String,
    },
}

/// Purpose of a set of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SetKind {
    /// QEMU and every library it loads, for a host architecture.
    Qemu,
    /// A kernel for the guest, with its modules.
    Kernel,
    /// Static busybox for the guest.
    Busybox,
    /// A package of programs for the guest, with the libraries that they load.
    Tools,
}

/// One file of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Package name.
    pub package: String,
    /// Version with epoch and revision.
    pub version: String,
    /// Debian architecture, or `all`.
    pub architecture: String,
    /// Suite whose index it was found in.
    pub suite: String,
    /// Path below the mirror.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

impl Package {
    /// Last part of the path.
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// `package version (architecture)`, for messages.
    pub fn describe(&self) -> String {
        format!("{} {} ({})", self.package, self.version, self.architecture)
    }
}

/// Packages that are unpacked together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// Purpose of the set.
    pub kind: SetKind,
    /// `qemu-<host architecture>`, the kernel's release, `busybox`, or the package of tools.
    pub name: String,
    /// The packages.
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
}

impl Set {
    /// Bytes to download.
    pub fn size(&self) -> u64 {
        self.packages.iter().map(|p| p.size).sum()
    }

    /// Name of the unpacked tree in the cache; it changes with every hash.
    pub(crate) fn tree_name(&self) -> String {
        let mut hash = Sha256::new();
        for package in &self.packages {
            hash.update(package.package.as_bytes());
            hash.update(package.sha256.as_bytes());
        }
        let digest = hash.finalize();
        let digest: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{digest}", self.name)
    }
}

/// The lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    format: u32,
    /// The sets, QEMU first, then kernels from old to new.
    #[serde(rename = "set")]
    pub sets: Vec<Set>,
}

impl Lock {
    /// A lock of these sets.
    pub fn new(sets: Vec<Set>) -> Self {
        Self { format: FORMAT, sets }
    }

    /// The lock file that belongs to this version of the project.
    ///
    /// # Errors
    ///
    /// A file that does not parse; the tests keep that from being released.
    pub fn shipped() -> Result<Self, LockError> {
        Self::parse(include_str!("../../images.lock"))
    }

    /// Reads a lock file.
    ///
    /// # Errors
    ///
    /// Text that is not a lock file, or entries that contradict themselves.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        let lock: Self = toml::from_str(text)?;
        lock.validate()?;
        Ok(lock)
    }

    /// The file's text.
    ///
    /// # Errors
    ///
    /// None that a lock can cause.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        let head = "# Written by `guest-images lock`, from images.toml and the archive's signed index.\n\n";
        Ok(format!("{head}{}", toml::to_string(self)?))
    }

    pub(crate) fn validate(&self) -> Result<(), LockError> {
        let error = |place: &str, problem: String| {
            Err(LockError::Entry {
                place: place.to_owned(),
                problem,
            })
        };
        if self.format != FORMAT {
            let problem = format!(
                "{} is not {FORMAT}, the format that this version reads",
                self.format
            );
            return error("format", problem);
        }
        let mut names = BTreeSet::new();
        for set in &self.sets {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b".+-_~".contains(&b);
            if set.name.is_empty() || set.name.starts_with('.') || !set.name.bytes().all(plain) {
                return error(&format!("set {:?}", set.name), "not a plain name".to_owned());
            }
            if !names.insert(&set.name) {
                return error(&set.name, "two sets have this name".to_owned());
            }
            if set.packages.is_empty() {
                return error(&set.name, "no packages".to_owned());
            }
            let mut files = BTreeSet::new();
            for package in &set.packages {
                let place = format!("{}: {}", set.name, package.describe());
                if let Some(problem) = package_problem(package) {
                    return error(&place, problem.to_owned());
                }
                if !files.insert(package.file_name()) {
                    return error(&place, "listed twice".to_owned());
                }
            }
        }
        Ok(())
    }

    /// QEMU for this host.
    ///
    /// # Errors
    ///
    /// [`LockError::NotLocked`] on a host architecture that nothing is locked for.
    pub fn qemu(&self) -> Result<&Set, LockError> {
        self.find(SetKind::Qemu, &format!("qemu-{}", host_architecture()))
    }

    /// Version of the locked QEMU, like `11.1.3`.
    pub fn qemu_version(set: &Set) -> Option<&str> {
        let package = set.packages.iter().find(|p| p.package == QEMU_PACKAGE)?;
        let version = package
            .version
            .split_once(':')
            .map_or(package.version.as_str(), |(_, v)| v);
        version.split(['+', '-', '~']).next()
    }

    /// Static busybox.
    ///
    /// # Errors
    ///
    /// [`LockError::NotLocked`].
    pub fn busybox(&self) -> Result<&Set, LockError> {
        self.find(SetKind::Busybox, "busybox")
    }

    /// The package of tools of that name.
    ///
    /// # Errors
    ///
    /// [`LockError::NotLocked`] with those that are.
    pub fn tools(&self, name: &str) -> Result<&Set, LockError> {
        self.find(SetKind::Tools, name)
    }

    /// The kernel with that release, or the newest one with pages of 4 KiB. `7.3.4` finds `7.3.4+deb13-arm64`.
    ///
    /// # Errors
    ///
    /// [`LockError::NotLocked`] with the releases that are.
    pub fn kernel(&self, release: Option<&str>) -> Result<&Set, LockError> {
        match release {
            Some(release) => {
                let short = |set: &&Set| set.name.split('+').next() == Some(release);
                self.kernels()
                    .find(short)
                    .map_or_else(|| self.find(SetKind::Kernel, release), Ok)
            }
            None => {
                let usual = self.kernels().filter(|set| !set.name.ends_with(PAGES_16K));
                let newest = usual.max_by_key(|set| version_key(&set.name));
                newest.map_or_else(|| self.find(SetKind::Kernel, "kernel"), Ok)
            }
        }
    }

    /// The kernels.
    pub fn kernels(&self) -> impl Iterator<Item = &Set> {
        self.sets.iter().filter(|set| set.kind == SetKind::Kernel)
    }

    /// The packages of tools.
    pub fn all_tools(&self) -> impl Iterator<Item = &Set> {
        self.sets.iter().filter(|set| set.kind == SetKind::Tools)
    }

    fn find(&self, kind: SetKind, name: &str) -> Result<&Set, LockError> {
        let found = self.sets.iter().find(|set| set.kind == kind && set.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = self
                .sets
                .iter()
                .filter(|set| set.kind == kind)
                .map(|set| set.name.as_str())
                .collect();
            let available = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            let wanted = match kind {
                SetKind::Kernel => format!("kernel \"{name}\""),
                SetKind::Tools => format!("tools \"{name}\""),
                _ => format!("\"{name}\""),
            };
            LockError::NotLocked { wanted, available }
        })
    }
}

/// Debian's name of the architecture that this program was built for.
pub fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn package_problem(package: &Package) -> Option<&'static str> {
    let word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"/\\\"'".contains(&b))
    };
    if ![
        &package.package,
        &package.version,
        &package.architecture,
        &package.suite,
    ]
    .iter()
    .all(|t| word(t))
    {
        return Some("package, version, architecture and suite are single words");
    }
    let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if package.sha256.len() != 64 || !package.sha256.bytes().all(hexadecimal) {
        return Some("sha256 is 64 digits of lower-case hexadecimal");
    }
    if package.size == 0 || package.size > MAX_PACKAGE {
        return Some("the size is not that of a package");
    }
    let parts_ok = package
        .path
        .split('/')
        .all(|part| word(part) && !part.starts_with('.'));
    if !package.path.starts_with("pool/") || !parts_ok {
        return Some("the path is not below pool/");
    }
    let version = package
        .version
        .split_once(':')
        .map_or(package.version.as_str(), |(_, version)| version);
    if package.file_name() != format!("{}_{version}_{}.deb", package.package, package.architecture) {
        return Some("the path does not end in the package's name, version and architecture");
    }
    None
}
