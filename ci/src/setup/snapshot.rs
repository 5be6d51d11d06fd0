// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Snapshots of guests that wait before their first step: made once, kept in the cache under a key of all that went
//! into them, and shared read-only by the boots that start from them.

#[cfg(test)]
mod tests;

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use guest_images::packages::digest;
use host_guard::program::Program;
use host_guard::signals;

use crate::boot::run::{BootError, BootRunner};
use crate::recipe::Recipe;
use crate::setup::machine::Files;

/// Snapshots that are kept, of some 80 MiB each; the one that was used longest ago goes.
const KEPT: usize = 16;
/// Prefix of a snapshot that is being written.
const UNFINISHED: &str = ".writing-";
/// Held by the process that makes a snapshot or removes some.
const LOCK: &str = "lock";
/// Interval at which the lock is tried.
const PAUSE: Duration = Duration::from_millis(100);
/// Hexadecimal digits of a key.
const DIGITS: usize = 32;
/// Form of what a snapshot holds; a change of the guest's side of it that its files do not show needs another one.
const FORM: &str = "smmu-emu snapshot 1";

/// Reason why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The cache.
    #[error("cannot write {}: {source}; snapshots need some 80 MiB each in the cache (--cache DIR), cold starts \
             none", .path.display())]
    Cache {
        /// The file or directory.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// A file that the guest is made of.
    #[error("{}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// A path that QEMU's options cannot name.
    #[error("the cache {} has a comma in its path, which QEMU takes for the end of the name; choose another with \
             --cache DIR", .0.display())]
    Comma(PathBuf),
    /// The guest, or QEMU.
    #[error(transparent)]
    Boot(#[from] BootError),
}

/// A snapshot that is not removed while this is there.
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
    key: String,
    /// Keeps a shared lock.
    _held: File,
}

impl Snapshot {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name in results: the beginning of the key.
    pub fn id(&self) -> &str {
        self.key.get(..12).unwrap_or(&self.key)
    }
}

/// Everything that goes into a snapshot, and nothing else: QEMU with its arguments, and what the guest's memory holds.
/// Not in it are seed, delays, injections and marks: a plan can be tuned without a new snapshot.
///
/// # Errors
/// A file cannot be read.
fn key(qemu: &Program, dir: &Path, files: &Files, image: &Path) -> Result<String, SnapshotError> {
    // Parts with their lengths, so that no two sets of parts are one text.
    let mut text = Vec::new();
    let mut part = |bytes: &[u8]| {
        text.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        text.extend_from_slice(bytes);
    };
    part(FORM.as_bytes());
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| SnapshotError::Read { path, source }
    };
    let metadata = fs::metadata(&qemu.path).map_err(read(&qemu.path))?;
    let changed = metadata.modified().ok();
    let changed = changed.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    part(qemu.path.as_os_str().as_bytes());
    part(&metadata.len().to_le_bytes());
    part(&changed.unwrap_or_default().as_nanos().to_le_bytes());
    let [shim, device_tree, initramfs] = files.paths();
    // Their contents are in the key, and not where they are.
    let contents = [shim, device_tree, initramfs, image];
    for argument in &qemu.args {
        let names = contents.iter().zip(["SHIM", "TREE", "INITRAMFS", "IMAGE"]);
        let text = names.fold(argument.to_string_lossy().into_owned(), |text, (path, name)| {
            text.replace(&*path.to_string_lossy(), name)
        });
        part(text.replace(&*dir.to_string_lossy(), "SOCKETS").as_bytes());
    }
    for path in contents {
        part(digest::of_file(path).map_err(read(path))?.as_bytes());
    }
    let mut key = digest::of_bytes(&text);
    key.truncate(DIGITS);
    Ok(key)
}

/// The recipe of the boot in which the snapshot is taken: every SMMU's first probe fails, so that no register of an
/// SMMU has a value that the next server would have to know.
fn before_first_access(recipe: &Recipe) -> Recipe {
    let mut recipe = recipe.clone();
    for smmu in &mut recipe.smmus {
        smmu.delays.clear();
        smmu.injections = vec![no_translation()];
    }
    recipe
}

/// IDR0 reads 0: "no translation support!", and arm_smmu_device_probe() gives up.
fn no_translation() -> smmu_emu::InjectionRule {
    let rule = toml::from_str("kind = \"register-value\"\nregister = \"IDR0\"\nvalue = 0");
    rule.expect("a rule of this program's")
}

/// The snapshot for boots of `runner`, which has the files and the Image; taken if the directory does not have it.
///
/// # Errors
/// [`SnapshotError`]
pub fn of(
    runner: BootRunner<'_>,
    files: &Files,
    image: &Path,
    directory: &Path,
    step: &mut dyn FnMut(&str),
) -> Result<Snapshot, SnapshotError> {
    let key = key(&runner.qemu, runner.dir.path(), files, image)?;
    obtain(directory, &key, runner, step)
}

fn obtain(
    directory: &Path,
    key: &str,
    runner: BootRunner<'_>,
    step: &mut dyn FnMut(&str),
) -> Result<Snapshot, SnapshotError> {
    let cache = |path: &Path| {
        let path = path.to_owned();
        move |source| SnapshotError::Cache { path, source }
    };
    if directory.as_os_str().as_bytes().contains(&b',') {
        return Err(SnapshotError::Comma(directory.to_owned()));
    }
    fs::create_dir_all(directory).map_err(cache(directory))?;
    let path = directory.join(key);
    if let Some(there) = hold(&path, key) {
        return Ok(there);
    }
    let lock = directory.join(LOCK);
    let lock = File::create(&lock).map_err(cache(&lock))?;
    acquire(&lock, step).map_err(|error| match error {
        Some(source) => cache(directory)(source),
        None => BootError::Interrupted.into(),
    })?;
    // Another process may have been faster.
    if let Some(there) = hold(&path, key) {
        return Ok(there);
    }
    tidy(directory);
    step("making a snapshot of the guest before its first step");
    let unfinished = directory.join(format!("{UNFINISHED}{key}"));
    let quiet = before_first_access(runner.recipe);
    let saved = BootRunner {
        recipe: &quiet,
        ..runner
    }
    .save(&unfinished, step);
    let whole = saved.and_then(|()| {
        // The name says that it is whole, also after a power cut.
        File::open(&unfinished)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&unfinished, &path))
            .map_err(|source| BootError::Write {
                path: path.clone(),
                source,
            })
    });
    if let Err(error) = whole {
        let _ = fs::remove_file(&unfinished);
        return Err(error.into());
    }
    hold(&path, key).ok_or_else(|| cache(&path)(io::ErrorKind::NotFound.into()))
}

/// Opens a snapshot, notes that it is used, and keeps others from removing it.
fn hold(path: &Path, key: &str) -> Option<Snapshot> {
    let held = File::options().read(true).append(true).open(path).ok()?;
    held.lock_shared().ok()?;
    // Removed between the two?
    fs::metadata(path).ok()?;
    let _ = held.set_modified(SystemTime::now());
    Some(Snapshot {
        path: path.to_owned(),
        key: key.to_owned(),
        _held: held,
    })
}

/// Waits for the lock; `None` as an error is a request to end.
fn acquire(lock: &File, step: &mut dyn FnMut(&str)) -> Result<(), Option<io::Error>> {
    let mut told = false;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(Some(error)),
        }
        if signals::asked().is_some() {
            return Err(None);
        }
        if !std::mem::replace(&mut told, true) {
            step("waiting for another process that makes a snapshot");
        }
        thread::sleep(PAUSE);
    }
}

/// Removes what a killed process left, and the snapshots that were used longest ago, so that there is room for one
/// more.
fn tidy(directory: &Path) {
    let mut kept = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(UNFINISHED) {
            let _ = fs::remove_file(entry.path());
        } else if name.len() == DIGITS && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let used = entry.metadata().and_then(|metadata| metadata.modified());
            kept.push((used.unwrap_or(SystemTime::UNIX_EPOCH), entry.path()));
        }
    }
    kept.sort();
    let excess = (kept.len() + 1).saturating_sub(KEPT);
    for (_, path) in kept.into_iter().take(excess) {
        // Boots that start from it hold it.
        if File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(path);
        }
    }
}
