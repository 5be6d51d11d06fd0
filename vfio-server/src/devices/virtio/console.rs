// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! virtio-console (virtio 1.2 §5.3) with one port: what the guest writes is appended to a file, what it reads comes
//! from one.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use host_guard::confine::{Access, Places};
use virtio_queue::DescriptorChain;
use vm_memory::{GuestMemoryError, Permissions, WriteVolatile};

use super::Dma;
use super::buffers::{Buffers, clip, each_slice, length, put};
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

/// Its identity for the driver: the fields of its configuration space belong to features that are not offered.
#[must_use]
pub fn identity() -> Identity {
    Identity {
        device: ID,
        features: 0,
        config: vec![0; 12],
    }
}

/// Opens the files of a console, which have to be of these `files`: one queue to the guest, one from it.
///
/// # Errors
/// Which file, why, and what to do.
pub fn open(
    output: &Path,
    input: Option<&Path>,
    files: &Places,
    complaints: &Arc<Complaints>,
) -> Result<[Console; 2], String> {
    let open = |key: &str, path: &Path, access| {
        let opened = files.open(path, access);
        opened.map_err(|error| format!("`{key}`: cannot open {}: {error}", path.display()))
    };
    let input = input
        .map(|input| open("input", input, Access::Read))
        .transpose()?;
    let output = open("output", output, Access::Append)?;
    let queue = |end| Console {
        end,
        buffers: Buffers::default(),
    };
    Ok([
        queue(End::Input {
            file: input.map(Arc::new),
            at: 0,
            bytes: Vec::new(),
        }),
        queue(End::Output {
            file: Arc::new(output),
            complaints: Arc::clone(complaints),
        }),
    ])
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
    Input {
        file: Option<Arc<File>>,
        at: u64,
        /// Data read for the chain that goes on, or for the one before.
        bytes: Vec<u8>,
    },
    /// From the guest.
    Output {
        file: Arc<File>,
        complaints: Arc<Complaints>,
    },
}

/// Work on a file, which may be slow, and so not under a view.
#[derive(Debug)]
pub enum Job {
    /// Bytes that a chain has room for are read from here on.
    Read {
        /// The input.
        file: Arc<File>,
        /// Offset in it.
        at: u64,
        /// As long as there is room before, and as there was something after.
        bytes: Vec<u8>,
    },
    /// Bytes are appended: not twice, whatever stalls.
    Append {
        /// The output.
        file: Arc<File>,
        /// Data that the guest wrote.
        bytes: Vec<u8>,
        /// Receiver of the complaint that they are lost.
        complaints: Arc<Complaints>,
    },
}

impl Handler for Console {
    type Job = Job;

    fn serve<M: Dma>(&mut self, memory: &M, chain: DescriptorChain<&M>) -> Result<Step<Job>, Problem> {
        let Self { end, buffers } = self;
        match end {
            End::Input { file: None, .. } => Ok(Step::NotYet),
            End::Input {
                file: Some(file),
                at,
                bytes,
            } => {
                buffers.gather(chain)?;
                clip(&mut buffers.writable, MOST);
                let mut bytes = std::mem::take(bytes);
                bytes.resize(usize::try_from(length(&buffers.writable)).unwrap_or(0), 0);
                Ok(Step::Later(Job::Read {
                    file: Arc::clone(file),
                    at: *at,
                    bytes,
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
                Ok(Step::Later(Job::Append {
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

    fn work(mut job: Job) -> Worked<Job> {
        match &mut job {
            Job::Read { file, at, bytes } => {
                let size = fill(file, *at, bytes);
                bytes.truncate(size);
                Worked::Back(job)
            }
            Job::Append {
                file,
                bytes,
                complaints,
            } => {
                if let Err(error) = (&**file).write_all(bytes) {
                    complaints.warn(&format_args!("what the guest wrote is lost: {error}"));
                }
                Worked::Done(Completion {
                    written: 0,
                    status: None,
                    moved: bytes.len() as u64,
                })
            }
        }
    }

    fn is_part_of_batch(job: &Job) -> bool {
        matches!(job, Job::Read { .. })
    }

    fn take_back(&mut self, job: Job) {
        if let (End::Input { bytes, .. }, Job::Read { bytes: read, .. }) = (&mut self.end, job) {
            *bytes = read;
        }
    }

    fn resume<M: Dma>(&mut self, memory: &M) -> Result<Step<Job>, Problem> {
        let End::Input { at, bytes, .. } = &mut self.end else {
            return Err(Problem::Unanswerable("does not go on after a job"));
        };
        if bytes.is_empty() {
            return Ok(Step::NotYet);
        }
        let written = put(memory, &self.buffers.writable, bytes)?;
        if !memory.is_stalled() {
            *at = at.saturating_add(written.into());
        }
        Ok(Step::Done(Completion {
            written,
            status: None,
            moved: written.into(),
        }))
    }

    fn reset(&mut self) {
        if let End::Input { at, .. } = &mut self.end {
            *at = 0;
        }
    }
}

/// Reads a file from `at` on. Returns how many bytes there were; a file that cannot be read has ended.
fn fill(file: &File, at: u64, bytes: &mut [u8]) -> usize {
    let mut read = 0;
    while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at.saturating_add(read as u64)) {
            Ok(0) => break,
            Ok(size) => read += size,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    read
}
