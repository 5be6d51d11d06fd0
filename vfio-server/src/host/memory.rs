// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Guest memory: the files of DMA_MAP requests, mapped.
//!
//! A client that cuts its file short would end the server with SIGBUS at the next access, so only files that cannot
//! shrink are mapped: a memfd, sealed by the client (QEMU's default) or else by the server. One of huge pages is not:
//! it takes the seal, but its pages come from a pool, and an access that finds the pool empty ends in SIGBUS too.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{FsWord, SealFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use thiserror::Error;
use vm_memory::{
    FileOffset, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap,
    MmapRegion,
};

mod blank;
mod ranges;
#[cfg(test)]
mod tests;

pub use ranges::Ranges;

/// The most ranges that a client may map; offered to it as `max_dma_maps`. Each holds a descriptor of the server, of
/// which all SMMUs together have as many as `RLIMIT_NOFILE` says. QEMU maps a handful.
pub const MAX_MAPS: usize = 128;

/// Bits of the addresses that the model puts out, at most: of a translation, and of a bypass, which drops the 49th bit
/// of a bus address (`IDR2.OAS` is 48 bits at most).
const ADDRESS_BITS: u32 = 48;

/// `TMPFS_MAGIC` of linux/magic.h, where memfds of ordinary pages are.
const TMPFS_MAGIC: FsWord = 0x0102_1994;

/// Option that a user of QEMU has to give.
pub const OPTION: &str = "-object memory-backend-memfd,id=ram,size=…,share=on -machine memory-backend=ram";

/// A mapping that is refused.
#[derive(Debug, Error)]
pub enum MapError {
    /// The memory cannot be reached from here.
    #[error("guest memory {0:#x}+{1:#x} comes without a file descriptor: start QEMU with `{OPTION}`")]
    NoFile(u64, u64),
    /// Accesses could end the server.
    #[error(
        "the file of guest memory {0:#x}+{1:#x} can shrink and takes no seal: start QEMU with `{OPTION}`"
    )]
    CanShrink(u64, u64),
    /// An access could find no page and end the server.
    #[error(
        "the file of guest memory {0:#x}+{1:#x} is not of ordinary pages, and of huge ones none may be left \
         when it is read: start QEMU with `{OPTION}`, without hugetlb=on"
    )]
    NotOrdinary(u64, u64),
    /// Size 0, or an end beyond the address space, or no right to read.
    #[error("guest memory {0:#x}+{1:#x} is no readable range")]
    Range(u64, u64),
    /// The range is not all in the file.
    #[error("guest memory {address:#x}+{size:#x} at {offset:#x} is beyond its file of {file:#x} bytes")]
    BeyondFile {
        /// Guest physical address.
        address: u64,
        /// Bytes.
        size: u64,
        /// Start in the file.
        offset: u64,
        /// Size of the file.
        file: u64,
    },
    /// Some of it is mapped.
    #[error("guest memory {0:#x}+{1:#x} overlaps a range that is mapped")]
    Overlap(u64, u64),
    /// [`MAX_MAPS`] is reached.
    #[error("more than {MAX_MAPS} ranges of guest memory")]
    TooMany,
    /// The kernel refused.
    #[error("cannot map guest memory {0:#x}+{1:#x}: {2}")]
    Map(u64, u64, String),
}

impl MapError {
    /// The errno to answer with.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Self::NoFile(..) | Self::Range(..) | Self::BeyondFile { .. } => Errno::INVAL,
            Self::CanShrink(..) | Self::NotOrdinary(..) => Errno::ACCESS,
            Self::Overlap(..) => Errno::EXIST,
            Self::TooMany => Errno::NOSPC,
            Self::Map(..) => Errno::NOMEM,
        }
    }
}

/// The memory of one guest as far as its client shares it.
#[derive(Debug, Default)]
pub struct GuestMemory {
    ranges: Arc<Ranges>,
    /// First and last address of ranges that no access reaches, since the SMMU does not put out such addresses. They
    /// are not mapped: the last page of the address space has an end that vm-memory cannot count to.
    beyond: Vec<(u64, u64)>,
}

impl GuestMemory {
    /// Maps `size` bytes of a file, from `offset` on, at a guest physical address.
    ///
    /// # Errors
    /// [`MapError`]; nothing is mapped then.
    pub fn map(
        &mut self,
        address: u64,
        size: u64,
        offset: u64,
        can_write: bool,
        file: Option<OwnedFd>,
    ) -> Result<(), MapError> {
        let file = file.ok_or(MapError::NoFile(address, size))?;
        let length = usize::try_from(size).ok().filter(|&length| length > 0);
        let last = size.checked_sub(1).and_then(|last| address.checked_add(last));
        let (Some(length), Some(last)) = (length, last) else {
            return Err(MapError::Range(address, size));
        };
        if self.maps() >= MAX_MAPS {
            return Err(MapError::TooMany);
        }
        let overlaps = |first_byte: u64, last_byte: u64| first_byte <= last && last_byte >= address;
        let is_mapped = |region: &GuestRegionMmap| overlaps(region.start_addr().0, region.last_addr().0);
        if self.ranges.readable.iter().any(is_mapped)
            || self
                .beyond
                .iter()
                .any(|&(first_byte, last_byte)| overlaps(first_byte, last_byte))
        {
            return Err(MapError::Overlap(address, size));
        }
        seal(&file).map_err(|_| MapError::CanShrink(address, size))?;
        if !is_of_ordinary_pages(&file).map_err(|_| MapError::NotOrdinary(address, size))? {
            return Err(MapError::NotOrdinary(address, size));
        }
        // After the seal: from now on the size can only grow.
        let file = File::from(file);
        let failed = |error: &dyn std::fmt::Display| MapError::Map(address, size, error.to_string());
        let end = file.metadata().map_err(|error| failed(&error))?.len();
        if offset.checked_add(size).is_none_or(|needed| needed > end) {
            return Err(MapError::BeyondFile {
                address,
                size,
                offset,
                file: end,
            });
        }
        if address >> ADDRESS_BITS != 0 {
            self.beyond.push((address, last));
            return Ok(());
        }
        let mut prot = ProtFlags::READ;
        prot.set(ProtFlags::WRITE, can_write);
        let flags = MapFlags::SHARED | MapFlags::NORESERVE;
        let file = FileOffset::new(file, offset);
        let region = MmapRegion::build(
            Some(file),
            length,
            prot.bits().cast_signed(),
            flags.bits().cast_signed(),
        )
        .map_err(|error| failed(&error))?;
        let region =
            GuestRegionMmap::new(region, GuestAddress(address)).ok_or(MapError::Range(address, size))?;
        let region = Arc::new(region);
        let Ranges { readable, writable } = &*self.ranges;
        let with = |ranges: &GuestMemoryMmap| ranges.insert_region(Arc::clone(&region));
        let readable = with(readable).map_err(|error| failed(&error))?;
        let writable = if can_write {
            with(writable)
        } else {
            Ok(writable.clone())
        };
        let writable = writable.map_err(|error| failed(&error))?;
        self.ranges = Arc::new(Ranges { readable, writable });
        Ok(())
    }

    /// Unmaps all ranges within `size` bytes at `address`.
    ///
    /// # Errors
    /// `ENOENT` if there is none, `EINVAL` if a range is only partly within; nothing is unmapped then.
    pub fn unmap(&mut self, address: u64, size: u64) -> Result<(), Errno> {
        let last = size
            .checked_sub(1)
            .and_then(|last| address.checked_add(last))
            .ok_or(Errno::INVAL)?;
        let is_within = |&(first_byte, last_byte): &(u64, u64)| first_byte >= address && last_byte <= last;
        let partly = |&(first_byte, last_byte): &(u64, u64)| first_byte <= last && last_byte >= address;
        if self.beyond.iter().any(|range| partly(range) && !is_within(range)) {
            return Err(Errno::INVAL);
        }
        let mut within = Vec::new();
        for region in self.ranges.readable.iter() {
            let (first_byte, last_byte) = (region.start_addr().0, region.last_addr().0);
            if first_byte >= address && last_byte <= last {
                within.push((region.start_addr(), region.len()));
            } else if first_byte <= last && last_byte >= address {
                return Err(Errno::INVAL);
            }
        }
        if within.is_empty() && !self.beyond.iter().any(is_within) {
            return Err(Errno::NOENT);
        }
        self.beyond.retain(|range| !is_within(range));
        let mut ranges = Ranges::clone(&self.ranges);
        for (start, length) in within {
            let (readable, _) = ranges
                .readable
                .remove_region(start, length)
                .map_err(|_| Errno::INVAL)?;
            ranges.readable = readable;
            // It is not there if it was mapped to be read only.
            if let Ok((writable, _)) = ranges.writable.remove_region(start, length) {
                ranges.writable = writable;
            }
        }
        self.ranges = Arc::new(ranges);
        Ok(())
    }

    /// Unmaps everything.
    pub fn unmap_all(&mut self) {
        self.ranges = Arc::default();
        self.beyond.clear();
    }

    /// Whether there are ranges and nothing but zeros in their files. Once a guest runs, its kernel is in its memory:
    /// then the files are not its memory, because QEMU has it privately (no `share=on`).
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.ranges.readable.num_regions() > 0 && blank::is_blank(&self.ranges.readable)
    }

    /// Number of mapped ranges.
    #[must_use]
    pub fn maps(&self) -> usize {
        self.ranges.readable.num_regions() + self.beyond.len()
    }

    /// The present mappings.
    #[must_use]
    pub fn ranges(&self) -> &Arc<Ranges> {
        &self.ranges
    }
}

/// Makes sure that a file cannot shrink any more.
fn seal(file: &OwnedFd) -> Result<(), Errno> {
    if rustix::fs::fcntl_get_seals(file)?.contains(SealFlags::SHRINK) {
        return Ok(());
    }
    rustix::fs::fcntl_add_seals(file, SealFlags::SHRINK)
}

/// Whether the kernel gives a page to every access within the file, as long as it has any memory.
fn is_of_ordinary_pages(file: &OwnedFd) -> Result<bool, Errno> {
    Ok(rustix::fs::fstatfs(file)?.f_type == TMPFS_MAGIC)
}
