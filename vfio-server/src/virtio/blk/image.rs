// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The image of a disk: a raw file. Data goes between it and guest memory without a copy in between.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use vm_memory::bitmap::BitmapSlice;
use vm_memory::{ReadVolatile, VolatileMemoryError, VolatileSlice, WriteVolatile};

/// Bytes of a sector.
pub const SECTOR: u64 = 512;

/// What all queues of a disk share.
#[derive(Debug)]
pub struct Image {
    /// Its lock is held as long as it is open.
    file: File,
    sectors: u64,
    read_only: bool,
    can_punch: bool,
}

/// One queue's own way to the image, with a position of its own.
#[derive(Debug)]
pub struct Cursor {
    image: Arc<Image>,
    file: File,
    /// Where the file is, if that is known.
    at: Option<u64>,
}

impl Image {
    /// Opens and locks an image: for this server alone if it is to be written.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn open(path: &Path, read_only: bool) -> Result<Arc<Self>, String> {
        let name = path.display();
        let file = OpenOptions::new()
            .read(true)
            .write(!read_only)
            .open(path)
            .map_err(|error| match error.kind() {
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
        if !data.is_file() {
            return Err(format!("`image`: {name} is no regular file"));
        }
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

    /// A way to it for one queue.
    ///
    /// # Errors
    /// It cannot be opened once more.
    pub fn cursor(self: &Arc<Self>) -> io::Result<Cursor> {
        // The same file, whatever has its name now, with a position of its own.
        let file = OpenOptions::new()
            .read(true)
            .write(!self.read_only)
            .open(format!("/proc/self/fd/{}", self.file.as_raw_fd()))?;
        Ok(Cursor {
            image: Arc::clone(self),
            file,
            at: None,
        })
    }

    /// What was written lasts from now on.
    ///
    /// # Errors
    /// Those of the file.
    pub fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Makes a range read zero, and keeps its place in the file system if `keep`.
    ///
    /// # Errors
    /// Those of the file.
    pub fn zero(&self, offset: u64, length: u64, keep: bool) -> io::Result<()> {
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

impl Cursor {
    /// The image.
    #[must_use]
    pub fn image(&self) -> &Arc<Image> {
        &self.image
    }

    /// Goes to an offset.
    ///
    /// # Errors
    /// Those of the file.
    pub fn seek(&mut self, offset: u64) -> io::Result<()> {
        if self.at != Some(offset) {
            self.at = None;
            self.file.seek(SeekFrom::Start(offset))?;
            self.at = Some(offset);
        }
        Ok(())
    }

    /// Whether the file still has everything up to an offset. A write would make it longer again.
    ///
    /// # Errors
    /// Those of the file.
    pub fn has(&self, end: u64) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() >= end)
    }

    /// Reads on into guest memory.
    ///
    /// # Errors
    /// Those of the file, its end included.
    pub fn read<B: BitmapSlice>(&mut self, mut slice: VolatileSlice<'_, B>) -> io::Result<()> {
        let length = slice.len();
        self.moved(length, |file| file.read_exact_volatile(&mut slice))
    }

    /// Writes on from guest memory.
    ///
    /// # Errors
    /// Those of the file.
    pub fn write<B: BitmapSlice>(&mut self, slice: &VolatileSlice<'_, B>) -> io::Result<()> {
        self.moved(slice.len(), |file| file.write_all_volatile(slice))
    }

    fn moved(
        &mut self,
        length: usize,
        io: impl FnOnce(&mut File) -> Result<(), VolatileMemoryError>,
    ) -> io::Result<()> {
        let at = self.at.take();
        io(&mut self.file).map_err(|error| match error {
            VolatileMemoryError::IOError(error) => error,
            error => io::Error::other(error),
        })?;
        self.at = at.and_then(|at| at.checked_add(length as u64));
        Ok(())
    }
}
