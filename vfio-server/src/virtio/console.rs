// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! virtio-console (virtio 1.2 §5.3) with one port: what the guest writes is appended to a file, what it reads comes from one.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;
use virtio_queue::DescriptorChain;
use vm_memory::{GuestMemoryError, Permissions, ReadVolatile, VolatileMemoryError, WriteVolatile};

use super::Dma;
use super::buffers::{Buffers, clip, each_slice};
use super::complaint::Complaints;
use super::mmio::Identity;
use super::ring::{Completion, Handler, Problem, Step, Worked};

#[cfg(test)]
mod tests;

/// VIRTIO_ID_CONSOLE.
const ID: u32 = 3;
/// Entries of each queue.
pub const QUEUE_SIZE: u16 = 128;
/// The most bytes of one chain, either way; what is longer is cut.
const MOST: u32 = 1 << 20;

/// What a driver sees of it: the fields of its configuration space belong to features that are not offered.
#[must_use]
pub fn identity() -> Identity {
    Identity {
        device: ID,
        features: 0,
        config: vec![0; 12],
    }
}

/// Opens the files of a console: one queue to the guest, one from it.
///
/// # Errors
/// Which file, why, and what to do.
pub fn open(
    output: &Path,
    input: Option<&Path>,
    complaints: &Arc<Complaints>,
) -> Result<[Console; 2], String> {
    let input = input.map(open_input).transpose()?;
    let output = OpenOptions::new()
        .append(true)
        .create(true)
        // A pipe that nobody reads must not hold the server up, neither here nor later.
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(output)
        .map_err(|error| format!("`output`: cannot open {}: {error}", output.display()))?;
    let queue = |end| Console {
        end,
        buffers: Buffers::default(),
    };
    Ok([
        queue(End::Input { file: input, at: 0 }),
        queue(End::Output {
            file: Arc::new(output),
            complaints: Arc::clone(complaints),
        }),
    ])
}

fn open_input(path: &Path) -> Result<File, String> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path);
    let is_file = |file: &File| file.metadata().is_ok_and(|data| data.is_file());
    match file {
        Ok(file) if is_file(&file) => Ok(file),
        Ok(_) => Err(format!(
            "`input`: {} is no regular file, and only those can be read",
            path.display()
        )),
        Err(error) => Err(format!("`input`: cannot open {}: {error}", path.display())),
    }
}

/// One queue of a virtio-console.
#[derive(Debug)]
pub struct Console {
    end: End,
    buffers: Buffers,
}

#[derive(Debug)]
enum End {
    /// To the guest: the file is read once, from its start.
    Input { file: Option<File>, at: u64 },
    /// From the guest.
    Output {
        file: Arc<File>,
        complaints: Arc<Complaints>,
    },
}

/// Bytes to append to a file. Not under a view: a file may be slow, and bytes must not be appended twice.
#[derive(Debug)]
pub struct Append {
    file: Arc<File>,
    bytes: Vec<u8>,
    complaints: Arc<Complaints>,
}

impl Handler for Console {
    type Job = Append;

    fn serve<M: Dma>(&mut self, memory: &M, chain: DescriptorChain<&M>) -> Result<Step<Append>, Problem> {
        let Self { end, buffers } = self;
        match end {
            End::Input { file: None, .. } => Ok(Step::NotYet),
            End::Input { file: Some(file), at } => {
                buffers.gather(chain)?;
                clip(&mut buffers.writable, MOST);
                let read = fill(memory, buffers, file, *at)?;
                if read == 0 {
                    return Ok(Step::NotYet);
                }
                if !memory.is_stalled() {
                    *at += read;
                }
                Ok(Step::Done(Completion {
                    written: u32::try_from(read).unwrap_or(0),
                    status: None,
                    moved: read,
                }))
            }
            End::Output { file, complaints } => {
                buffers.gather(chain)?;
                clip(&mut buffers.readable, MOST);
                let mut bytes = Vec::new();
                each_slice(memory, &buffers.readable, Permissions::Read, |slice| {
                    bytes.write_all_volatile(&slice)?;
                    Ok::<_, GuestMemoryError>(())
                })?;
                Ok(Step::Later(Append {
                    file: Arc::clone(file),
                    bytes,
                    complaints: Arc::clone(complaints),
                }))
            }
        }
    }

    fn refuse<M: Dma>(&mut self, _: &M, _: DescriptorChain<&M>) -> Result<Completion, Problem> {
        Err(Problem::Terminated)
    }

    fn work(job: Append) -> Worked<Append> {
        if let Err(error) = (&*job.file).write_all(&job.bytes) {
            job.complaints
                .warn(&format_args!("what the guest wrote is lost: {error}"));
        }
        Worked::Done(Completion {
            written: 0,
            status: None,
            moved: job.bytes.len() as u64,
        })
    }

    fn reset(&mut self) {
        if let End::Input { at, .. } = &mut self.end {
            *at = 0;
        }
    }
}

/// Reads a file from `at` on into the buffers of a chain. Returns how many bytes there were; a file that cannot be read has
/// ended.
fn fill<M: Dma>(memory: &M, buffers: &Buffers, file: &mut File, at: u64) -> Result<u64, GuestMemoryError> {
    file.seek(SeekFrom::Start(at))
        .map_err(GuestMemoryError::IOError)?;
    let mut read = 0;
    let mut ended = false;
    each_slice(memory, &buffers.writable, Permissions::Write, |mut slice| {
        while !ended && !slice.is_empty() {
            match file.read_volatile(&mut slice) {
                Ok(0) => ended = true,
                Ok(size) => {
                    read += size as u64;
                    slice = slice.offset(size)?;
                }
                Err(VolatileMemoryError::IOError(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => ended = true,
            }
        }
        Ok::<_, GuestMemoryError>(())
    })?;
    Ok(read)
}
