// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Ranges of DISCARD and WRITE_ZEROES: `struct virtio_blk_discard_write_zeroes`, once or several times.

use virtio_bindings::virtio_blk::VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;

use super::failure::{Cause, Failure};
use super::image::SECTOR;
use crate::devices::virtio::Dma;
use crate::devices::virtio::buffers::{Buffer, length, take};

/// The most sectors of a range: 1 GiB.
pub(super) const MAX_SECTORS: u32 = 1 << 21;
/// The most ranges of a request.
pub(super) const MAX_RANGES: u32 = 16;
/// Bytes of each.
const SIZE: usize = 16;

/// A part of the image, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// Reads the ranges of a request, and whether they are to keep their place in the file system.
pub(super) fn parse<M: Dma>(
    memory: &M,
    buffers: &mut Vec<Buffer>,
    sectors: u64,
    discard: bool,
) -> Result<(Vec<Range>, bool), Failure> {
    let bytes = length(buffers);
    let size = SIZE as u64;
    if bytes == 0 || !bytes.is_multiple_of(size) || bytes / size > u64::from(MAX_RANGES) {
        return Err(Failure::Io(
            "discard or write zeroes with no, half or too many ranges",
            Cause::Request,
        ));
    }
    let mut ranges = Vec::new();
    let mut unmap = true;
    for _ in 0..bytes / size {
        let mut range = [0; SIZE];
        take(memory, buffers, &mut range)
            .map_err(|error| Failure::Io("discard or write zeroes", Cause::Memory(error)))?;
        let [a, b, c, d, e, f, g, h, i, j, k, l, flags @ ..] = range;
        let sector = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let count = u32::from_le_bytes([i, j, k, l]);
        let flags = u32::from_le_bytes(flags);
        // Discard has no flags (virtio 1.2 §5.2.6.2).
        let known = if discard {
            0
        } else {
            VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP
        };
        if flags & !known != 0 {
            return Err(Failure::Unsupported(format!(
                "discard or write zeroes with flags {flags:#x}"
            )));
        }
        let inside = sector.checked_add(count.into()).is_some_and(|end| end <= sectors);
        if !inside || count > MAX_SECTORS {
            return Err(Failure::Io(
                "discard or write zeroes beyond the end, or too much at once",
                Cause::Request,
            ));
        }
        unmap &= discard || flags != 0;
        if count > 0 {
            ranges.push(Range {
                offset: sector.saturating_mul(SECTOR),
                length: u64::from(count) * SECTOR,
            });
        }
    }
    Ok((ranges, !unmap))
}
