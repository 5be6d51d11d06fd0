// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The directory of a run: sockets and generated files, gone when the run is over.

#[cfg(test)]
mod tests;

use std::env;
use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tempfile::TempDir;
use vfio_server::client::socket::MAX_PATH as SOCKET_PATH_MAX;

/// All directories of runs begin with this, and nothing else of this program does.
const PREFIX: &str = "smmu-emu-run-";
/// A directory may be taken for a leftover between its creation and its lock: as often as this another one is made.
const ATTEMPTS: u32 = 10;

/// A directory that only its owner can enter, removed on drop.
///
/// The directory itself is locked as long as the run lives, so that a later run can tell leftovers from neighbours. A
/// file in it would not do: a run that is killed before it makes the file, or while it removes the directory, would
/// leave a directory of which nothing can be told.
#[derive(Debug)]
pub struct RunDir {
    dir: TempDir,
    /// The directory, locked.
    _lock: File,
}

/// Reason why there is no run directory.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// It cannot be made.
    #[error("cannot make a directory for the run in {}: {source}; set XDG_RUNTIME_DIR or TMPDIR to a \
             directory that can be written", .base.display())]
    Create {
        /// Directory in which it was tried.
        base: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// The paths of sockets stand in the server's configuration, which is text.
    #[error("the directory for runs, {}, has a name that is not UTF-8; set XDG_RUNTIME_DIR or TMPDIR to \
             another directory", .0.display())]
    NotUtf8(PathBuf),
    /// A socket in it could not be bound.
    #[error("the socket path {} has {} bytes and the system allows {SOCKET_PATH_MAX}; set XDG_RUNTIME_DIR or \
             TMPDIR to a directory with a shorter path", .path.display(), .path.as_os_str().len())]
    PathTooLong {
        /// The path.
        path: PathBuf,
    },
}

/// Parent of run directories: `$XDG_RUNTIME_DIR`, else the directory for temporary files.
pub fn base() -> PathBuf {
    env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|dir| dir.is_absolute() && dir.is_dir())
        .unwrap_or_else(env::temp_dir)
}

/// Path of an SMMU's socket in `dir`.
///
/// # Errors
/// The path is longer than a socket's may be.
pub fn socket(dir: &Path, smmu: &str) -> Result<PathBuf, RunDirError> {
    let path = dir.join(format!("{smmu}.sock"));
    if path.as_os_str().len() > SOCKET_PATH_MAX {
        return Err(RunDirError::PathTooLong { path });
    }
    Ok(path)
}

impl RunDir {
    /// Makes one in [`base`], and removes what killed runs have left there.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn create() -> Result<Self, RunDirError> {
        Self::create_in(&base())
    }

    fn create_in(base: &Path) -> Result<Self, RunDirError> {
        let error = |source| RunDirError::Create {
            base: base.to_owned(),
            source,
        };
        if base.to_str().is_none() {
            return Err(RunDirError::NotUtf8(base.to_owned()));
        }
        sweep(base);
        let mut problem = io::ErrorKind::WouldBlock.into();
        for _ in 0..ATTEMPTS {
            let dir = tempfile::Builder::new()
                .prefix(PREFIX)
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(base)
                .map_err(error)?;
            match hold(dir.path()) {
                Ok(lock) => return Ok(Self { dir, _lock: lock }),
                Err(source)
                    if matches!(source.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotFound) =>
                {
                    problem = source;
                }
                Err(source) => return Err(error(source)),
            }
        }
        Err(error(problem))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Path of an SMMU's socket.
    ///
    /// # Errors
    /// The path is longer than a socket's may be.
    pub fn socket(&self, smmu: &str) -> Result<PathBuf, RunDirError> {
        socket(self.path(), smmu)
    }

    /// Removes it now.
    ///
    /// # Errors
    /// Something in it cannot be removed.
    pub fn close(self) -> io::Result<()> {
        self.dir.close()
    }
}

/// Locks a new directory; another run that begins just now may have taken it for a leftover.
fn hold(dir: &Path) -> io::Result<File> {
    let lock = open(dir)?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
        TryLockError::Error(error) => error,
    })?;
    // Removed between the two?
    let (held, there) = (lock.metadata()?, fs::metadata(dir)?);
    if held.ino() != there.ino() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(lock)
}

/// Removes directories whose run was killed too hard to do it. Whatever cannot be looked at is left alone.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(PREFIX)
            // Held until all is gone: a run that is just being made must not get it meanwhile.
            && let Some(_lock) = leftover(&entry.path())
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A directory of this user's that no run holds, locked.
fn leftover(dir: &Path) -> Option<File> {
    let lock = open(dir).ok()?;
    let metadata = lock.metadata().ok()?;
    let own = metadata.uid() == rustix::process::geteuid().as_raw();
    let private = metadata.mode() & 0o777 == 0o700;
    (own && private && lock.try_lock().is_ok()).then_some(lock)
}

/// The directory, which is not a link to one.
fn open(dir: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(dir, flags, Mode::empty())?.into())
}
