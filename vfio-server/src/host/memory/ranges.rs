// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Mappings at one moment: table walks and DMA use them, while the next mapping is being made.

use std::sync::atomic::{AtomicU64, Ordering};

use smmu_emu::{BusError, Memory};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, VolatileMemory};

/// The ranges of a client's memory. Every copy of them can be used: they are unmapped when the last one is gone.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    /// All of them.
    pub(super) readable: GuestMemoryMmap,
    /// Ranges that the client lets the device write; a write to another one would end the server.
    pub(super) writable: GuestMemoryMmap,
}

impl Memory for Ranges {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        Self::read(self, address, data)
    }

    fn compare_exchange(&self, address: u64, old: u64, new: u64) -> Result<u64, BusError> {
        Self::compare_exchange(self, address, old, new)
    }
}

impl Ranges {
    /// All ranges, to read.
    #[must_use]
    pub fn readable(&self) -> &GuestMemoryMmap {
        &self.readable
    }

    /// The ranges that may be written.
    #[must_use]
    pub fn writable(&self) -> &GuestMemoryMmap {
        &self.writable
    }

    /// Reads guest memory. Aligned reads of four and eight bytes are single accesses, as table walks need them.
    ///
    /// # Errors
    /// [`BusError`] if any byte is not mapped.
    pub fn read(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        let at = GuestAddress(address);
        match data.len() {
            8 if address.is_multiple_of(8) => {
                let value: u64 = self.readable.load(at, Ordering::Acquire).map_err(|_| BusError)?;
                data.copy_from_slice(&value.to_ne_bytes());
            }
            4 if address.is_multiple_of(4) => {
                let value: u32 = self.readable.load(at, Ordering::Acquire).map_err(|_| BusError)?;
                data.copy_from_slice(&value.to_ne_bytes());
            }
            _ => self.readable.read_slice(data, at).map_err(|_| BusError)?,
        }
        Ok(())
    }

    /// Writes guest memory. Aligned writes of four and eight bytes are single accesses.
    ///
    /// # Errors
    /// [`BusError`] if any byte is not mapped, or not to be written; bytes before it may have been written.
    pub fn write(&self, address: u64, data: &[u8]) -> Result<(), BusError> {
        let at = GuestAddress(address);
        if let (Ok(word), true) = (<[u8; 8]>::try_from(data), address.is_multiple_of(8)) {
            self.writable
                .store(u64::from_ne_bytes(word), at, Ordering::Release)
        } else if let (Ok(word), true) = (<[u8; 4]>::try_from(data), address.is_multiple_of(4)) {
            self.writable
                .store(u32::from_ne_bytes(word), at, Ordering::Release)
        } else {
            self.writable.write_slice(data, at)
        }
        .map_err(|_| BusError)
    }

    /// Replaces the little-endian word of eight bytes at an address if it is `old`; returns what it was.
    ///
    /// # Errors
    /// [`BusError`] if the word is not mapped, not to be written, or not aligned.
    pub fn compare_exchange(&self, address: u64, old: u64, new: u64) -> Result<u64, BusError> {
        let slice = self
            .writable
            .get_slice(GuestAddress(address), size_of::<u64>())
            .map_err(|_| BusError)?;
        let word = slice.get_atomic_ref::<AtomicU64>(0).map_err(|_| BusError)?;
        let (Ok(was) | Err(was)) =
            word.compare_exchange(old.to_le(), new.to_le(), Ordering::AcqRel, Ordering::Acquire);
        Ok(u64::from_le(was))
    }
}
