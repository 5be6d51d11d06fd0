// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The cache: packages as they were fetched, and trees that they were unpacked to.
//!
//! ```text
//! <cache>/packages/   *.deb, and *.part of what is under way
//! <cache>/trees/      one directory per set of packages, named after its hashes; there whole or not at all; and
//!                     beside it its manifest, with the hash of each file
//! <cache>/images/     kernel images that had to be decompressed
//! <cache>/modules/    archives of modules that the user named, unpacked as in trees/
//! <cache>/index/      the archive's signed index, as it was last seen
//! <cache>/resolved/   packages that the lock file does not have: their versions and hashes
//! <cache>/lock        held by the process that is writing
//! ```

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use host_guard::file;

use crate::packages::deb::{self, DebError};
use crate::packages::download::Downloader;
use crate::packages::lock::{Package, Set, SetKind};
use crate::packages::mirror::{self, Mirror};
use crate::packages::progress::{Progress, Silent};
use crate::packages::wanted::Archive;

mod error;
mod manifest;

pub use error::Error;
use manifest::{Depth, Found};

#[cfg(test)]
mod tests;

/// Longest wait for another process that fills the cache. Several hundred MiB come over a slow line in this time.
const LOCK_PATIENCE: Duration = Duration::from_secs(2 * 3600);
/// Interval at which the lock is tried.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// The cache and where it is filled from.
#[derive(Debug, Clone)]
pub struct Store {
    cache: PathBuf,
    mirror: Option<String>,
    progress: Arc<dyn Progress>,
    patience: Duration,
    /// Source of what the lock file does not have; absent if only locked packages are allowed.
    archive: Option<Archive>,
}

impl Store {
    /// A store in `cache`, or in the user's cache directory. Nothing is written and no mirror is looked for until
    /// something has to be fetched.
    ///
    /// # Errors
    ///
    /// [`Error::NoCache`].
    pub fn open(cache: Option<PathBuf>, mirror: Option<String>) -> Result<Self, Error> {
        let default = || Some(base_directory("XDG_CACHE_HOME", ".cache")?.join("smmu-emu"));
        let cache = cache.or_else(default).ok_or(Error::NoCache)?;
        // The loader and QEMU get paths into it, whatever directory they are started in.
        let cache = std::path::absolute(&cache).map_err(|source| Error::Cache { path: cache, source })?;
        Ok(Self {
            cache,
            mirror,
            progress: Arc::new(Silent),
            patience: LOCK_PATIENCE,
            archive: None,
        })
    }

    /// Returns this store with `progress` as the receiver of its progress.
    #[must_use]
    pub fn with_progress(self, progress: Arc<dyn Progress>) -> Self {
        Self { progress, ..self }
    }

    /// Returns this store with the archive as a source of what the lock file does not have.
    #[must_use]
    pub fn with_archive(self, archive: Archive) -> Self {
        Self {
            archive: Some(archive),
            ..self
        }
    }

    /// The cache directory.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    pub(crate) fn archive(&self) -> Option<&Archive> {
        self.archive.as_ref()
    }

    pub(crate) fn progress(&self) -> &dyn Progress {
        &*self.progress
    }

    pub(crate) fn mirror(&self) -> Result<Mirror, Error> {
        let variable = env::var(mirror::VARIABLE).ok();
        Ok(mirror::find(
            self.mirror.as_deref(),
            variable.as_deref(),
            Path::new("/etc/apt"),
        )?)
    }

    /// Whether the set is unpacked, so that no network is needed for it.
    pub fn has(&self, set: &Set) -> bool {
        self.tree_path(set).is_dir()
    }

    /// Looks at every byte of an unpacked set. True if it is as it was unpacked, false if an earlier version has
    /// unpacked it and left no hashes.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`].
    pub fn verify(&self, set: &Set) -> Result<bool, Error> {
        self.look(&self.tree_path(set), Depth::Contents)
    }

    fn look(&self, tree: &Path, depth: Depth) -> Result<bool, Error> {
        match manifest::check(tree, &manifest_of(tree), depth) {
            Found::Whole => Ok(true),
            Found::Unknown => Ok(false),
            Found::Damaged { path, problem } => Err(Error::Damaged {
                path,
                problem,
                tree: tree.to_owned(),
            }),
        }
    }

    fn tree_path(&self, set: &Set) -> PathBuf {
        self.cache.join("trees").join(set.tree_name())
    }

    /// The directory that a set is unpacked in; fetched and unpacked first if it is not there. Of several processes
    /// that want it at once, one does the work and the others wait.
    ///
    /// # Errors
    ///
    /// A cache that cannot be written, no mirror, packages that are gone or damaged.
    pub fn tree(&self, set: &Set) -> Result<PathBuf, Error> {
        let tree = self.tree_path(set);
        self.whole_tree(&tree, |directory| {
            self.fetch_packages(set)?;
            self.unpack(set, directory)
        })?;
        Ok(tree)
    }

    /// Makes sure that the directory `tree` of the cache is there: looked at if it is, else made of what `fill` puts
    /// into a directory, with its manifest beside it. `fill` runs with the lock held.
    pub(crate) fn whole_tree<E: From<Error>>(
        &self,
        tree: &Path,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        if tree.is_dir() {
            self.look(tree, Depth::Sizes)?;
            return Ok(());
        }
        let _lock = self.lock()?;
        // Another process may have been faster.
        if tree.is_dir() {
            return Ok(());
        }
        let error = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Cache { path, source }
        };
        let trees = tree.parent().unwrap_or(&self.cache);
        fs::create_dir_all(trees).map_err(error(trees))?;
        remove_leftovers(trees);
        let temporary = tempfile::Builder::new()
            .prefix(LEFTOVER)
            .tempdir_in(trees)
            .map_err(error(trees))?;
        fill(temporary.path())?;
        let manifest = manifest_of(tree);
        manifest::of(temporary.path())
            .and_then(|text| {
                let mut file = tempfile::Builder::new().prefix(LEFTOVER).tempfile_in(trees)?;
                io::Write::write_all(&mut file, text.as_bytes())?;
                Ok(file.persist(&manifest)?)
            })
            .map_err(error(&manifest))?;
        // The tree's name says that it is whole, also after a power cut.
        File::open(trees)
            .and_then(|directory| Ok(rustix::fs::syncfs(directory)?))
            .map_err(error(trees))?;
        fs::rename(temporary.path(), tree).map_err(error(tree))?;
        // It has moved: there is nothing left to remove.
        let _ = temporary.keep();
        Ok(())
    }

    fn fetch_packages(&self, set: &Set) -> Result<(), Error> {
        let packages = self.subdirectory("packages")?;
        let all: Vec<&Package> = set.packages.iter().collect();
        // With everything there already, no mirror is needed.
        let missing = all.iter().any(|p| !packages.join(p.file_name()).exists());
        let mirror = match self.mirror() {
            Ok(mirror) => mirror,
            Err(e) if missing => return Err(e),
            Err(_) => Mirror {
                url: String::new(),
                from: String::new(),
            },
        };
        let doing = if missing { "fetching" } else { "checking" };
        self.progress.begin(&format!("{doing} {}", set.name), set.size());
        let result = Downloader::new(&mirror, self.progress()).fetch_all(&all, &packages);
        self.progress.end();
        Ok(result?)
    }

    fn unpack(&self, set: &Set, directory: &Path) -> Result<(), Error> {
        let packages = self.subdirectory("packages")?;
        self.progress
            .begin(&format!("unpacking {}", set.name), set.size());
        let result = set.packages.iter().try_for_each(|package| {
            let path = packages.join(package.file_name());
            let file = file::open(&path).map_err(|source| Error::Cache {
                path: path.clone(),
                source,
            })?;
            let keep = |path: &str| wanted(set.kind, path);
            let unpacked = deb::unpack(io::BufReader::new(file), directory, &keep);
            self.progress.advance(package.size);
            unpacked.map_err(|source| match source {
                DebError::Write { path, source } => Error::Cache { path, source },
                source => Error::Unpack {
                    package: package.describe(),
                    source,
                },
            })
        });
        self.progress.end();
        result
    }

    /// Makes sure that only this process writes to the cache until the returned file is dropped.
    fn lock(&self) -> Result<File, Error> {
        let error = |path: &Path, source| Error::Cache {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(&self.cache).map_err(|source| error(&self.cache, source))?;
        let path = self.cache.join("lock");
        let open = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let file = open.map_err(|source| error(&path, source))?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => {
                let note = format!("waiting for another process that fills {}", self.cache.display());
                self.progress.note(&note);
            }
            Err(fs::TryLockError::Error(source)) => return Err(error(&path, source)),
        }
        let since = Instant::now();
        while since.elapsed() < self.patience {
            std::thread::sleep(LOCK_PAUSE.min(self.patience));
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(fs::TryLockError::WouldBlock) => {}
                Err(fs::TryLockError::Error(source)) => return Err(error(&path, source)),
            }
        }
        Err(Error::Busy {
            path: self.cache.clone(),
            waited: self.patience,
        })
    }

    pub(crate) fn subdirectory(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.cache.join(name);
        fs::create_dir_all(&path).map_err(|source| Error::Cache {
            path: path.clone(),
            source,
        })?;
        Ok(path)
    }
}

impl Store {
    /// Replaces a file of the cache as a whole, also after a power cut. Takes the lock, which the caller does not hold.
    pub(crate) fn replace(&self, path: &Path, contents: &[u8]) -> Result<(), Error> {
        let error = |source| Error::Cache {
            path: path.to_owned(),
            source,
        };
        let directory = path.parent().unwrap_or(&self.cache);
        let _lock = self.lock()?;
        remove_leftovers(directory);
        let mut temporary = tempfile::Builder::new()
            .prefix(LEFTOVER)
            .tempfile_in(directory)
            .map_err(error)?;
        io::Write::write_all(&mut temporary, contents).map_err(error)?;
        temporary.as_file().sync_all().map_err(error)?;
        temporary.persist(path).map_err(|e| error(e.error))?;
        Ok(())
    }
}

/// Path of the manifest of a tree: beside it, since all that is in it may go to the guest.
fn manifest_of(tree: &Path) -> PathBuf {
    let mut name = tree.as_os_str().to_owned();
    name.push(".manifest");
    name.into()
}

/// A base directory of the XDG specification: what `variable` names, or else `below_home`. Relative paths do not count.
pub fn base_directory(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |variable| {
        env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute(variable).or_else(|| Some(absolute("HOME")?.join(below_home)))
}

/// Prefix of the names of what is not whole yet.
const LEFTOVER: &str = ".unpacking-";

/// Removes what a killed process left in a directory; the caller holds the lock, so no process is using it.
fn remove_leftovers(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(LEFTOVER) {
            // What cannot be removed now is tried again the next time.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                fs::remove_dir_all(entry.path()).ok();
            } else {
                fs::remove_file(entry.path()).ok();
            }
        }
    }
}

/// Whether a path of a package is unpacked.
fn wanted(kind: SetKind, path: &str) -> bool {
    match kind {
        SetKind::Busybox => path == "usr/bin/busybox",
        SetKind::Tools => {
            let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
            let is_library = name.ends_with(".so") || name.contains(".so.");
            match directory {
                "usr/bin" | "usr/sbin" | "etc" => true,
                "usr/lib" | "usr/lib/aarch64-linux-gnu" | "usr/lib/aarch64-linux-gnu/systemd" => is_library,
                _ => directory.split('/').take(3).eq(["usr", "lib", "systemd"]),
            }
        }
        SetKind::Kernel => {
            let in_modules = path
                .strip_prefix("usr/lib/modules/")
                .and_then(|rest| rest.split_once('/'));
            path.starts_with("boot/vmlinuz-") || in_modules.is_some_and(|(_, rest)| !rest.starts_with("dtb/"))
        }
        SetKind::Qemu => {
            let name = path.rsplit('/').next().unwrap_or_default();
            let library = path.starts_with("usr/lib") && (name.ends_with(".so") || name.contains(".so."));
            library || path == "usr/bin/qemu-system-aarch64" || path.starts_with("usr/share/qemu/")
        }
    }
}
