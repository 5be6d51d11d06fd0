// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Whether files of guest memory hold anything.

use std::os::unix::fs::FileExt;

use rustix::fs::SeekFrom;
use vm_memory::{GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion};

/// Bytes looked at in one go.
const CHUNK: usize = 64 << 10;
/// Bytes looked at in all, without holes. QEMU puts what the CPU starts with into the lowest page.
const MOST: u64 = 64 << 20;

/// Memory of less is no machine's: a client that tests the server.
const LEAST: u64 = 16 << 20;

/// Whether there is nothing but zeros, as far as this looks. A private mapping of a file leaves pages of zeros in it:
/// they are what the copies were made of.
pub(super) fn is_blank(memory: &GuestMemoryMmap) -> bool {
    if memory.iter().map(GuestMemoryRegion::len).sum::<u64>() < LEAST {
        return false;
    }
    let mut chunk = vec![0; CHUNK];
    let mut left = MOST;
    for region in memory.iter() {
        let Some(at) = region.file_offset() else { continue };
        let end = at.start().saturating_add(region.len());
        let mut next = at.start();
        // An error is the end of the file, or that the rest of it is a hole.
        while let Ok(from) = rustix::fs::seek(at.file(), SeekFrom::Data(next)) {
            let wanted = end.saturating_sub(from).min(CHUNK as u64).min(left);
            let Some(part) = usize::try_from(wanted)
                .ok()
                .and_then(|size| chunk.get_mut(..size))
            else {
                break;
            };
            match at.file().read_at(part, from) {
                Ok(read) if read > 0 => {
                    if part.iter().any(|&byte| byte != 0) {
                        return false;
                    }
                    next = from.saturating_add(read as u64);
                    left = left.saturating_sub(read as u64);
                }
                _ => break,
            }
        }
    }
    true
}
