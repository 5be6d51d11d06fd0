// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Data on its way between an image and guest memory.
//!
//! It goes through a buffer that stays in the cache, piece by piece. A page of guest memory seldom lies beside the next
//! one, so without the buffer each would be a system call. What that gains is not established well (decision 0009). The
//! buffer also parts what needs a view of memory from what may be slow: TLB synchronisations, changes of memory and
//! resets wait for views, and none of them waits for a file.

use std::io;

use vm_memory::{GuestAddress, GuestMemoryError, Permissions};

use super::failure::Cause;
use super::image::Image;
use crate::devices::virtio::Dma;
use crate::devices::virtio::buffers::{Buffer, Buffers, each_slice};

/// Bytes of the buffer.
const BUFFER: usize = 64 << 10;

/// Position of the next piece in the buffers of a chain.
#[derive(Clone, Copy, Debug, Default)]
struct Position {
    buffer: usize,
    /// Bytes of it that are behind.
    offset: u32,
}

/// The data of one request. [`Transfer::access`] and [`Transfer::run`] in turns, until it is done.
#[derive(Debug)]
pub struct Transfer {
    /// From guest memory to the image, rather than the other way.
    write: bool,
    /// Address of the request's status.
    status: GuestAddress,
    /// Bytes of all of it.
    total: u64,
    /// Bytes of the image that are still to be moved, and where they begin.
    left: u64,
    at: u64,
    position: Position,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were filled, and not emptied.
    full: usize,
    failure: Option<io::Error>,
}

impl Transfer {
    /// So many bytes of an image from an offset on. `former` has a buffer to spare.
    pub fn new(write: bool, offset: u64, bytes: u64, status: GuestAddress, former: Option<Self>) -> Self {
        let mut buffer = former.map(|former| former.buffer).unwrap_or_default();
        // Once, and after a reset that found it at work.
        buffer.resize(BUFFER, 0);
        Self {
            write,
            status,
            total: bytes,
            left: bytes,
            at: offset,
            position: Position::default(),
            buffer,
            full: 0,
            failure: None,
        }
    }

    /// Whether it is a write of the image.
    pub fn is_write(&self) -> bool {
        self.write
    }

    /// Address of the request's status.
    pub fn status(&self) -> GuestAddress {
        self.status
    }

    /// Bytes of guest memory that it writes.
    pub fn written(&self) -> u64 {
        if self.write { 0 } else { self.total }
    }

    /// Whether all of it was moved.
    pub fn is_done(&self) -> bool {
        self.left == 0 && self.full == 0
    }

    /// Step under a view: fills the buffer from guest memory, or empties it into that. Changes nothing here if
    /// it fails.
    pub fn access<M: Dma>(&mut self, memory: &M, buffers: &Buffers) -> Result<(), Cause> {
        if let Some(error) = self.failure.take() {
            return Err(Cause::File(error));
        }
        let mut done = 0;
        if self.write {
            let piece = self.buffer.get_mut(..piece(self.left)).unwrap_or_default();
            self.position = each_part(&buffers.readable, self.position, piece.len(), |part| {
                each_slice(memory, &[part], Permissions::Read, |slice| {
                    done += slice.copy_to(piece.get_mut(done..).unwrap_or_default());
                    Ok(())
                })
            })?;
            self.full = piece.len();
        } else {
            let piece = self.buffer.get(..self.full).unwrap_or_default();
            self.position = each_part(&buffers.writable, self.position, piece.len(), |part| {
                each_slice(memory, &[part], Permissions::Write, |slice| {
                    slice.copy_from(piece.get(done..).unwrap_or_default());
                    done += slice.len();
                    Ok(())
                })
            })?;
            self.full = 0;
        }
        Ok(())
    }

    /// Step without a view: fills the buffer from the image, or empties it into that. A failure is for the next
    /// [`Transfer::access`] to tell.
    pub fn run(&mut self, image: &Image) {
        self.failure = self.move_piece(image).err();
    }

    fn move_piece(&mut self, image: &Image) -> io::Result<()> {
        let size = if self.write { self.full } else { piece(self.left) };
        let piece = self.buffer.get_mut(..size).unwrap_or_default();
        if self.write {
            if self.left == self.total {
                image.check(self.at.saturating_add(self.left))?;
            }
            image.write(piece, self.at)?;
            self.full = 0;
        } else {
            image.read(piece, self.at)?;
            self.full = size;
        }
        self.at = self.at.saturating_add(size as u64);
        self.left = self.left.saturating_sub(size as u64);
        Ok(())
    }
}

/// Bytes of the next piece.
fn piece(left: u64) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER)
}

/// Runs something over the next `size` bytes of buffers. Returns what comes after them.
fn each_part(
    buffers: &[Buffer],
    mut position: Position,
    size: usize,
    mut run: impl FnMut(Buffer) -> Result<(), GuestMemoryError>,
) -> Result<Position, GuestMemoryError> {
    let mut left = u32::try_from(size).unwrap_or(u32::MAX);
    while left > 0
        && let Some(buffer) = buffers.get(position.buffer)
    {
        let rest = buffer.length.saturating_sub(position.offset);
        let length = rest.min(left);
        run(Buffer {
            address: GuestAddress(buffer.address.0.wrapping_add(position.offset.into())),
            length,
        })?;
        left -= length;
        position.offset += length;
        if length == rest {
            position = Position {
                buffer: position.buffer + 1,
                offset: 0,
            };
        }
    }
    Ok(position)
}
