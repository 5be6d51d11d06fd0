// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Physical memory, as the SMMU accesses it.

use thiserror::Error;

/// The memory system refused an access: the architecture's external abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no memory answers at this address")]
pub struct BusError;

/// Physical memory, for table walks.
pub trait Memory {
    /// Reads bytes, for a descriptor.
    ///
    /// # Errors
    /// [`BusError`] if any byte of the range is not memory; the walk then ends in an external fault.
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), BusError>;

    /// Replaces the little-endian word of eight bytes at an aligned address if it is `old`, atomically, and returns the
    /// word that it found. For hardware update of descriptors (`Config::hardware_update`).
    ///
    /// # Errors
    /// [`BusError`] if memory cannot do that there; the walk then ends in an external fault.
    fn compare_exchange(&self, address: u64, old: u64, new: u64) -> Result<u64, BusError>;
}

impl<T: Memory + ?Sized> Memory for &T {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        (**self).read(address, data)
    }

    fn compare_exchange(&self, address: u64, old: u64, new: u64) -> Result<u64, BusError> {
        (**self).compare_exchange(address, old, new)
    }
}

/// At most eight bytes as a number.
#[inline]
pub(crate) fn little_endian(data: &[u8]) -> u64 {
    // Words first: nearly all accesses are one, and a loop over bytes costs as much as the rest of a register write.
    if let Ok(word) = data.try_into() {
        u32::from_le_bytes(word).into()
    } else if let Ok(word) = data.try_into() {
        u64::from_le_bytes(word)
    } else {
        let bytes = data.iter().take(8).rev();
        bytes.fold(0, |value, &byte| value << 8 | u64::from(byte))
    }
}
