// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Sets of packages that the lock file does not have: kernels by a release that the user names, and what takes the
//! place of packages that the archive has dropped.
//!
//! A set that was resolved once is kept in the cache (`<cache>/resolved/`), so that the next run takes the same
//! packages and needs no network for it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use host_guard::file;
use serde::{Deserialize, Serialize};

use crate::packages::archive::{ArchiveError, Suites};
use crate::packages::download::FetchError;
use crate::packages::lock::{Lock, Package, Set, SetKind};
use crate::packages::release::{Name, Offered, is_in_full, is_release, offered, pick};
use crate::packages::renew;
use crate::packages::store::{Error, Store};
use crate::packages::wanted::{Archive, Wanted};

#[cfg(test)]
mod tests;

/// Largest file of a resolved set that is read.
const MAX_RECORD: u64 = 1 << 20;
/// Most texts of users that are kept with a kernel.
const MAX_ASKED: usize = 64;

/// A set as it is kept in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// Texts of users that meant this kernel.
    #[serde(default)]
    asked: BTreeSet<String>,
    /// The set, as a lock file of its own.
    lock: Lock,
}

impl Record {
    fn new(set: &Set) -> Self {
        Self {
            asked: BTreeSet::new(),
            lock: Lock::new(vec![set.clone()]),
        }
    }

    /// Reads a record; `None` if there is none, or one that is damaged: it is then resolved anew.
    fn read(path: &std::path::Path) -> Option<Self> {
        let text = file::read_text(path, MAX_RECORD).ok()?;
        let record: Self = toml::from_str(&text).ok()?;
        (record.lock.validate().is_ok() && record.lock.sets.len() == 1).then_some(record)
    }

    fn set(&self) -> Option<&Set> {
        self.lock.sets.first()
    }

    fn kernel(&self) -> Option<&Set> {
        self.set().filter(|set| set.kind == SetKind::Kernel)
    }
}

impl Store {
    /// Packages that took the place of locked ones in this process, one line each.
    pub fn instead_of_locked(&self) -> Vec<String> {
        let instead = self.archive().and_then(|archive| archive.instead.lock().ok());
        instead
            .map(|lines| lines.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// The kernel that `wanted` means: of the lock file, or, of a store with an archive, one that was resolved before
    /// or that the archive has.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Kernel`] with the kernels that there are; whatever befalls the archive's index.
    pub fn kernel_set(&self, lock: &Lock, wanted: Option<&str>) -> Result<Set, Error> {
        let in_full = |set: &&Set| {
            let version = set.packages.first().map(|package| package.version.as_str());
            wanted.is_some_and(|wanted| is_in_full(wanted, &set.name, version.unwrap_or_default()))
        };
        if let Some(set) = lock.kernels().find(in_full) {
            return Ok(set.clone());
        }
        let (wanted, archive) = match (lock.kernel(wanted), self.archive(), wanted) {
            // No kernel begins otherwise: the archive need not be asked.
            (Err(_), Some(archive), Some(wanted)) if wanted.starts_with(|c: char| c.is_ascii_digit()) => {
                (wanted, archive)
            }
            (locked, _, _) => return Ok(locked?.clone()),
        };
        let known = self.records("kernel-").into_iter().find(|record| {
            // Less than a release may mean another one, too.
            let named = |set: &Set| is_release(wanted, &set.name);
            record.asked.contains(wanted) || record.kernel().is_some_and(named)
        });
        if let Some(set) = known.as_ref().and_then(Record::kernel) {
            return Ok(set.clone());
        }
        Ok(self.resolve_kernel(archive, wanted)?)
    }

    fn resolve_kernel(&self, archive: &Archive, wanted: &str) -> Result<Set, ArchiveError> {
        let suites = self.suites_of_kernels(archive)?;
        let index = suites.index("arm64", &|name| name.starts_with("linux-"))?;
        let offered = offered(&index);
        let picked = pick(wanted, &offered)?;
        let set = renew::kernel(&picked.release, &index)
            .map_err(|problem| crate::packages::archive::archive_error(&picked.suite, problem))?;
        let Offered {
            release,
            version,
            suite,
            ..
        } = picked;
        self.progress().note(&format!(
            "kernel {wanted}: {release}, version {version} of {suite}"
        ));
        let path = self.record_path(&format!("kernel-{release}"))?;
        let mut record = Record::new(&set);
        if let Some(old) = Record::read(&path) {
            record.asked = old.asked;
        }
        if record.asked.len() < MAX_ASKED {
            record.asked.insert(wanted.to_owned());
        }
        self.write(&path, &record)?;
        Ok(set)
    }

    /// The set's directory, and the set itself: of a store with an archive another one, if the mirror no longer has the
    /// packages of the one that is asked for.
    ///
    /// # Errors
    ///
    /// See [`Store::tree`]; [`Error::Archive`] if there is nothing to take the set's place.
    pub fn obtain(&self, set: &Set) -> Result<(Set, PathBuf), Error> {
        let Some(archive) = self.archive() else {
            return Ok((set.clone(), self.tree(set)?));
        };
        if !self.has(set) {
            let path = self.record_path(&format!("instead-{}", set.tree_name()))?;
            if let Some(other) = Record::read(&path).and_then(|record| record.set().cloned())
                && other.kind == set.kind
                && self.has(&other)
            {
                self.tell(archive, set, &other, "the cache has what took its place before");
                return Ok((other.clone(), self.tree(&other)?));
            }
            let error = match self.tree(set) {
                Err(error) => error,
                Ok(tree) => return Ok((set.clone(), tree)),
            };
            let Error::Fetch(FetchError::Gone { what, .. }) = &error else {
                return Err(error);
            };
            let why = format!("the mirror no longer has {what}");
            let other = renew::again(self, &archive.wanted, archive.keyring.as_deref(), set);
            let other = other.map_err(|source| Error::Again {
                set: set.name.clone(),
                source: Box::new(source),
            })?;
            // An index that names what is gone is no help.
            if other.packages == set.packages {
                return Err(error);
            }
            self.tell(archive, set, &other, &why);
            let tree = self.tree(&other)?;
            self.write(&path, &Record::new(&other))?;
            return Ok((other, tree));
        }
        Ok((set.clone(), self.tree(set)?))
    }

    /// Says in two lines that `other` takes the place of `set`, and keeps it for the verdict.
    fn tell(&self, archive: &Archive, set: &Set, other: &Set, why: &str) {
        let main = |set: &Set| -> String {
            let package = set.packages.iter().find(|package| is_main(set, package));
            package
                .or(set.packages.first())
                .map(Package::describe)
                .unwrap_or_default()
        };
        let suite = other.packages.iter().find(|package| is_main(other, package));
        let suite = suite
            .map(|package| package.suite.as_str())
            .unwrap_or("the archive");
        let (old, new) = (main(set), main(other));
        self.progress().note(&format!("{}: {why}", set.name));
        self.progress().note(&format!(
            "{}: taking {new} of {suite} instead, by the archive's signature; `--locked` refuses that",
            set.name
        ));
        if let Ok(mut instead) = archive.instead.lock() {
            instead.insert(format!("{new} of {suite}, in the place of {old}"));
        }
    }

    /// Kernels that were resolved before.
    pub fn resolved_kernels(&self) -> Vec<Set> {
        let records = self.records("kernel-");
        let kernels = records.iter().filter_map(Record::kernel);
        kernels.cloned().collect()
    }

    /// Kernels that the archive has, from old to new; none of a store without an archive.
    ///
    /// # Errors
    ///
    /// Whatever befalls the archive's index.
    pub fn offered_kernels(&self) -> Result<Vec<Offered>, ArchiveError> {
        let Some(archive) = self.archive() else {
            return Ok(Vec::new());
        };
        let suites = self.suites_of_kernels(archive)?;
        Ok(offered(
            &suites.index("arm64", &|name| name.starts_with("linux-"))?,
        ))
    }

    fn suites_of_kernels(&self, archive: &Archive) -> Result<Suites<'_>, ArchiveError> {
        let Wanted {
            suites,
            kernel_suites,
            ..
        } = &archive.wanted;
        Suites::open(self, suites, kernel_suites, archive.keyring.as_deref())
    }

    fn record_path(&self, name: &str) -> Result<PathBuf, Error> {
        Ok(self.subdirectory("resolved")?.join(format!("{name}.toml")))
    }

    fn records(&self, prefix: &str) -> Vec<Record> {
        let entries = fs::read_dir(self.cache().join("resolved"));
        let paths = entries.into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = paths
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
            .map(|entry| entry.path())
            .collect();
        paths.sort();
        paths.iter().filter_map(|path| Record::read(path)).collect()
    }

    fn write(&self, path: &std::path::Path, record: &Record) -> Result<(), Error> {
        let text = toml::to_string(record).map_err(|error| Error::Cache {
            path: path.to_owned(),
            source: std::io::Error::other(error),
        })?;
        self.replace(path, text.as_bytes())
    }
}

/// Whether a package is the one that the set is named after.
fn is_main(set: &Set, package: &Package) -> bool {
    let name = package.package.as_str();
    match set.kind {
        SetKind::Qemu => name == crate::packages::lock::QEMU_PACKAGE,
        SetKind::Busybox => name == "busybox-static",
        SetKind::Tools => name == set.name,
        SetKind::Kernel => Name::of(&set.name).is_some() && name.ends_with(&set.name),
    }
}
