// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The image of a disk: a raw file.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use host_guard::confine::{Access, Places};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

#[cfg(test)]
mod tests;

/// Bytes of a sector.
pub const SECTOR: u64 = 512;

/// Image that all queues of a disk share.
#[derive(Debug)]
pub struct Image {
    /// Its lock is held as long as it is open.
    file: File,
    sectors: u64,
    read_only: bool,
    can_punch: bool,
}

impl Image {
    /// Opens and locks an image of these `files`: for this server alone if it is to be written.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn open(path: &Path, read_only: bool, files: &Places) -> Result<Arc<Self>, String> {
        let name = path.display();
        let access = if read_only { Access::Read } else { Access::Write };
        let file = files.open(path, access).map_err(|error| match error.kind() {
            // Not what the kernel said of the file.
            _ if error.raw_os_error().is_none() => format!("`image`: {name}: {error}"),
            io::ErrorKind::NotFound => {
                format!("`image`: {name} does not exist: make one, for example `truncate -s 1G {name}`")
            }
            io::ErrorKind::PermissionDenied if !read_only => {
                format!("`image`: {name} cannot be written: permit it, or set `read_only = true`")
            }
            _ => format!("`image`: cannot open {name}: {error}"),
        })?;
        let data = file
            .metadata()
            .map_err(|error| format!("`image`: {name}: {error}"))?;
        let sectors = data.len() / SECTOR;
        if sectors == 0 || data.len() % SECTOR != 0 {
            return Err(format!(
                "`image`: {name} has {} bytes, which is no whole number of sectors of {SECTOR}: is it a raw image?",
                data.len()
            ));
        }
        let locked = if read_only {
            file.try_lock_shared()
        } else {
            file.try_lock()
        };
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!(
                    "`image`: {name} is in use: give each disk that is written its own copy"
                ));
            }
            Err(TryLockError::Error(error)) => return Err(format!("`image`: cannot lock {name}: {error}")),
        }
        // Beyond its end there is nothing that could be lost.
        let probe = fallocate(&file, punch(), data.len(), SECTOR);
        Ok(Arc::new(Self {
            file,
            sectors,
            read_only,
            can_punch: !read_only && probe.is_ok(),
        }))
    }

    /// Its size when it was opened, in sectors.
    #[must_use]
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    /// Whether it cannot be written.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Whether ranges of it can be given back to the file system; they read zero then.
    #[must_use]
    pub fn can_punch(&self) -> bool {
        self.can_punch
    }

    /// Fails unless the file still has everything up to an offset: a write would make it longer again, and zeros beyond
    /// its end would be lost. A cut between this and a write still meets the former.
    ///
    /// # Errors
    /// Those of the file, its end included.
    pub fn check(&self, end: u64) -> io::Result<()> {
        if self.file.metadata()?.len() < end {
            return Err(io::Error::other("the image has become shorter"));
        }
        Ok(())
    }

    /// Reads all of the bytes from an offset on.
    ///
    /// # Errors
    /// Those of the file, its end included.
    pub fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    /// Writes all of the bytes from an offset on.
    ///
    /// # Errors
    /// Those of the file.
    pub fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    /// Makes writes lasting (fdatasync).
    ///
    /// # Errors
    /// Those of the file.
    pub fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Makes a range read zero, and keeps its place in the file system if `keep`.
    ///
    /// # Errors
    /// Those of the file, its end included.
    pub fn zero(&self, offset: u64, length: u64, keep: bool) -> io::Result<()> {
        self.check(offset.saturating_add(length))?;
        if keep {
            let zero = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
            match fallocate(&self.file, zero, offset, length) {
                // Not every file system keeps the place; the zeros are what counts.
                Err(Errno::OPNOTSUPP) => {}
                result => return Ok(result?),
            }
        }
        Ok(fallocate(&self.file, punch(), offset, length)?)
    }
}

fn punch() -> FallocateFlags {
    FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE
}
