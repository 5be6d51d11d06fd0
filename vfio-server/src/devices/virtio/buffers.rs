// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The buffers of one descriptor chain, and access to them.

use thiserror::Error;
use virtio_queue::DescriptorChain;
use virtio_queue::desc::split::Descriptor;
use vm_memory::{Address, Bytes, GuestAddress, GuestMemory, GuestMemoryError, Permissions};

/// The most descriptors of a chain, an indirect table's included. A driver makes no chain longer than the queue
/// (virtio 1.2 §2.7.5.3.1), and no queue here is longer.
pub const MAX_DESCRIPTORS: usize = 256;
/// Bytes of a descriptor.
const DESCRIPTOR: u32 = 16;

/// A chain that makes no sense, or cannot be read.
#[derive(Debug, Error)]
pub enum ChainError {
    /// It ends nowhere.
    #[error("a descriptor chain is longer than {MAX_DESCRIPTORS} descriptors or the queue: it may be a loop")]
    TooLong,
    /// The next descriptor cannot be read, or a reason that [`why_broken`] tells.
    #[error("a descriptor chain does not go on: its table cannot be read")]
    Broken,
    /// The number of the next descriptor.
    #[error("a descriptor chain goes on at {0}, beyond its table")]
    Index(u16),
    /// An indirect table within another one, or of a length that makes no sense.
    #[error("a descriptor chain has an invalid indirect table")]
    Indirect,
    /// More bytes than the standard allows (virtio 1.2 §2.7.5.2).
    #[error("a descriptor chain is longer than 2^32 bytes")]
    TooLarge,
    /// A buffer that the device reads comes after one that it writes.
    #[error("a descriptor chain has a buffer to read after one to write")]
    Order,
}

/// A part of memory, as the driver named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Address of the first byte.
    pub address: GuestAddress,
    /// Bytes.
    pub length: u32,
}

/// The buffers of a chain. Kept from one chain to the next, so that it does not allocate.
#[derive(Debug, Default)]
pub struct Buffers {
    /// Buffers that the device reads.
    pub readable: Vec<Buffer>,
    /// Buffers that the device writes.
    pub writable: Vec<Buffer>,
}

impl Buffers {
    /// Replaces them by those of a chain. Empty buffers are left out.
    ///
    /// # Errors
    /// [`ChainError`].
    pub fn gather<M: GuestMemory>(&mut self, mut chain: DescriptorChain<&M>) -> Result<(), ChainError> {
        self.readable.clear();
        self.writable.clear();
        for _ in 0..MAX_DESCRIPTORS {
            let descriptor = chain.next().ok_or(ChainError::Broken)?;
            let buffer = Buffer {
                address: descriptor.addr(),
                length: descriptor.len(),
            };
            if descriptor.is_write_only() {
                self.writable.push(buffer);
            } else if self.writable.is_empty() {
                self.readable.push(buffer);
            } else {
                return Err(ChainError::Order);
            }
            if !descriptor.has_next() {
                self.readable.retain(|buffer| buffer.length > 0);
                self.writable.retain(|buffer| buffer.length > 0);
                return Ok(());
            }
        }
        Err(ChainError::TooLong)
    }
}

/// Reason why virtio-queue does not go on with a chain of a queue with so many entries: it does not say.
pub fn why_broken<M: GuestMemory>(memory: &M, table: GuestAddress, size: u16, head: u16) -> ChainError {
    let (mut table, mut size, mut index) = (table, u32::from(size), head);
    let (mut seen, mut bytes, mut is_indirect) = (0, 0_u32, false);
    loop {
        if u32::from(index) >= size {
            return ChainError::Index(index);
        }
        if seen == size || seen as usize == MAX_DESCRIPTORS {
            return ChainError::TooLong;
        }
        let address = table.checked_add(u64::from(index) * u64::from(DESCRIPTOR));
        let Some(Ok(descriptor)) = address.map(|address| memory.read_obj::<Descriptor>(address)) else {
            return ChainError::Broken;
        };
        if descriptor.refers_to_indirect_table() {
            let entries = descriptor.len() / DESCRIPTOR;
            let is_whole = descriptor.len().is_multiple_of(DESCRIPTOR);
            if is_indirect || !is_whole || entries > u16::MAX.into() {
                return ChainError::Indirect;
            }
            (table, size, index) = (descriptor.addr(), entries, 0);
            (seen, is_indirect) = (0, true);
            continue;
        }
        let Some(sum) = bytes.checked_add(descriptor.len()) else {
            return ChainError::TooLarge;
        };
        if !descriptor.has_next() {
            // The bus failed, or the driver changed it: it may be better the next time.
            return ChainError::Broken;
        }
        (bytes, index) = (sum, descriptor.next());
        seen += 1;
    }
}

/// Bytes of buffers. A chain has no more than 2^32, as virtio-queue sees to.
#[must_use]
pub fn length(buffers: &[Buffer]) -> u64 {
    buffers.iter().map(|buffer| u64::from(buffer.length)).sum()
}

/// Keeps no more than the first `most` bytes of buffers. What runs over them then translates no more than that either.
pub fn clip(buffers: &mut Vec<Buffer>, most: u32) {
    let mut left = most;
    for buffer in buffers.iter_mut() {
        buffer.length = buffer.length.min(left);
        left -= buffer.length;
    }
    buffers.retain(|buffer| buffer.length > 0);
}

/// Takes the last byte of buffers away.
pub fn take_last_byte(buffers: &mut Vec<Buffer>) -> Option<GuestAddress> {
    let last = buffers.last_mut()?;
    last.length = last.length.checked_sub(1)?;
    let address = GuestAddress(last.address.0.wrapping_add(last.length.into()));
    if last.length == 0 {
        buffers.pop();
    }
    Some(address)
}

/// Reads the beginning of buffers and takes it away; false if they have less.
///
/// # Errors
/// Memory that cannot be read.
pub fn take<M: GuestMemory>(
    memory: &M,
    buffers: &mut Vec<Buffer>,
    mut data: &mut [u8],
) -> Result<bool, GuestMemoryError> {
    if length(buffers) < data.len() as u64 {
        return Ok(false);
    }
    let mut gone = 0;
    for buffer in buffers.iter_mut() {
        if data.is_empty() {
            break;
        }
        let here = data
            .len()
            .min(usize::try_from(buffer.length).unwrap_or(usize::MAX));
        let (part, rest) = data.split_at_mut(here);
        memory.read_slice(part, buffer.address)?;
        data = rest;
        // No longer than the buffer, which is of 32 bits.
        let taken = u32::try_from(here).unwrap_or(buffer.length);
        buffer.address = GuestAddress(buffer.address.0.wrapping_add(taken.into()));
        buffer.length -= taken;
        gone += usize::from(buffer.length == 0);
    }
    buffers.drain(..gone);
    Ok(true)
}

/// Writes bytes to the beginning of buffers, as far as there is room. Returns how many.
///
/// # Errors
/// Memory that cannot be written.
pub fn put<M: GuestMemory>(memory: &M, buffers: &[Buffer], mut data: &[u8]) -> Result<u32, GuestMemoryError> {
    let mut written = 0;
    for buffer in buffers {
        let here = data
            .len()
            .min(usize::try_from(buffer.length).unwrap_or(usize::MAX));
        let (part, rest) = data.split_at(here);
        memory.write_slice(part, buffer.address)?;
        data = rest;
        written += u32::try_from(here).unwrap_or(buffer.length);
    }
    Ok(written)
}

/// Action on the buffers' memory, piece by piece: [`each_slice`].
pub type Slice<'a, M> = vm_memory::VolatileSlice<'a, vm_memory::bitmap::BS<'a, <M as GuestMemory>::Bitmap>>;

/// Runs something over the memory of buffers, piece by piece as it lies in the server.
///
/// # Errors
/// Memory that cannot be reached, or what `run` says; the pieces before it are done.
pub fn each_slice<'a, M: GuestMemory, E: From<GuestMemoryError>>(
    memory: &'a M,
    buffers: &[Buffer],
    access: Permissions,
    mut run: impl FnMut(Slice<'a, M>) -> Result<(), E>,
) -> Result<(), E> {
    for buffer in buffers {
        let length = usize::try_from(buffer.length).unwrap_or(usize::MAX);
        for slice in memory.get_slices(buffer.address, length, access)? {
            run(slice?)?;
        }
    }
    Ok(())
}
