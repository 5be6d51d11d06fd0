// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! virtio-blk (virtio 1.2 §5.2): a disk whose sectors are a raw image.

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_MQ, VIRTIO_BLK_F_RO,
    VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_F_SIZE_MAX, VIRTIO_BLK_F_WRITE_ZEROES, VIRTIO_BLK_ID_BYTES,
    VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_OK, VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_FLUSH,
    VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_WRITE_ZEROES,
};
use virtio_queue::DescriptorChain;
use vm_memory::{GuestAddress, GuestMemoryError, Permissions};

use super::Dma;
use super::buffers::{Buffers, each_slice, length, put, take, take_last_byte};
use super::complaint::Complaints;
use super::mmio::Identity;
use super::ring::{Completion, Handler, Problem, Step};

mod image;
mod ranges;
#[cfg(test)]
mod tests;

use image::Pump;
pub use image::{Image, SECTOR};
use ranges::Range;

/// VIRTIO_ID_BLOCK.
const ID: u32 = 2;
/// Entries of each queue.
pub const QUEUE_SIZE: u16 = 256;
/// Segments of a request: what a queue has room for beside header and status.
const SEG_MAX: u32 = QUEUE_SIZE as u32 - 2;
/// Bytes of a segment.
const SIZE_MAX: u32 = 64 << 10;
/// Bytes of a queue's buffer, which is to stay in the cache.
const BUFFER: usize = 64 << 10;
/// Bytes of a header.
const HEADER: usize = 16;

const OK: u8 = VIRTIO_BLK_S_OK.to_le_bytes()[0];
const IOERR: u8 = VIRTIO_BLK_S_IOERR.to_le_bytes()[0];
const UNSUPP: u8 = VIRTIO_BLK_S_UNSUPP.to_le_bytes()[0];

/// What a driver sees of a disk with so many queues.
#[must_use]
pub fn identity(image: &Image, queues: u16) -> Identity {
    let mut features = 1 << VIRTIO_BLK_F_SIZE_MAX
        | 1 << VIRTIO_BLK_F_SEG_MAX
        | 1 << VIRTIO_BLK_F_BLK_SIZE
        | 1 << VIRTIO_BLK_F_FLUSH
        | 1 << VIRTIO_BLK_F_MQ;
    if image.is_read_only() {
        features |= 1 << VIRTIO_BLK_F_RO;
    }
    if image.can_punch() {
        features |= 1 << VIRTIO_BLK_F_DISCARD | 1 << VIRTIO_BLK_F_WRITE_ZEROES;
    }
    Identity {
        device: ID,
        features,
        config: config(image.sectors(), queues),
    }
}

/// `struct virtio_blk_config`, up to write_zeroes_may_unmap.
fn config(sectors: u64, queues: u16) -> Vec<u8> {
    let mut config = Vec::new();
    config.extend(sectors.to_le_bytes());
    config.extend(SIZE_MAX.to_le_bytes());
    config.extend(SEG_MAX.to_le_bytes());
    // Geometry: not offered.
    config.extend([0; 4]);
    // blk_size.
    config.extend([0, 2, 0, 0]);
    // Topology: not offered; writeback, and a byte unused.
    config.extend([0; 8]);
    config.extend([1, 0]);
    config.extend(queues.to_le_bytes());
    for _ in ["discard", "write zeroes"] {
        config.extend(ranges::MAX_SECTORS.to_le_bytes());
        config.extend(ranges::MAX_RANGES.to_le_bytes());
        if config.len() == 44 {
            // discard_sector_alignment.
            config.extend(1_u32.to_le_bytes());
        }
    }
    config.extend([1, 0, 0, 0]);
    config
}

/// What the queues of a disk have in common.
#[derive(Debug)]
pub struct Disk {
    /// What GET_ID answers, padded with zeros.
    pub id: [u8; VIRTIO_BLK_ID_BYTES as usize],
    /// Where it complains.
    pub complaints: Arc<Complaints>,
}

impl Disk {
    /// A disk with this name, of which GET_ID has the first 20 bytes.
    #[must_use]
    pub fn new(name: &str, complaints: &Arc<Complaints>) -> Arc<Self> {
        let mut id = [0; VIRTIO_BLK_ID_BYTES as usize];
        id.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
        Arc::new(Self {
            id,
            complaints: Arc::clone(complaints),
        })
    }
}

/// One queue of a disk.
#[derive(Debug)]
pub struct Blk {
    disk: Arc<Disk>,
    image: Arc<Image>,
    buffer: Vec<u8>,
    buffers: Buffers,
}

/// Why a request fails.
enum Failure {
    /// With VIRTIO_BLK_S_IOERR.
    Io(&'static str, Cause),
    /// With VIRTIO_BLK_S_UNSUPP.
    Unsupported(String),
}

enum Cause {
    Memory(GuestMemoryError),
    File(io::Error),
    Request,
}

impl From<GuestMemoryError> for Cause {
    fn from(error: GuestMemoryError) -> Self {
        Self::Memory(error)
    }
}

/// A request that makes no access.
#[derive(Debug)]
pub struct Job {
    task: Task,
    disk: Arc<Disk>,
    image: Arc<Image>,
    status: GuestAddress,
}

#[derive(Debug)]
enum Task {
    Flush,
    Zero { ranges: Vec<Range>, keep: bool },
}

/// A request whose status byte is found.
struct Request {
    kind: u32,
    sector: u64,
}

impl Blk {
    /// A queue of a disk.
    #[must_use]
    pub fn new(disk: &Arc<Disk>, image: &Arc<Image>) -> Self {
        Self {
            disk: Arc::clone(disk),
            image: Arc::clone(image),
            buffer: vec![0; BUFFER],
            buffers: Buffers::default(),
        }
    }

    /// Finds the status byte of a request.
    fn status<M: Dma>(&mut self, chain: DescriptorChain<&M>) -> Result<GuestAddress, Problem> {
        self.buffers.gather(chain)?;
        take_last_byte(&mut self.buffers.writable).ok_or(Problem::Unanswerable("has no status byte"))
    }

    fn header<M: Dma>(&mut self, memory: &M) -> Result<Request, Failure> {
        let mut header = [0; HEADER];
        match take(memory, &mut self.buffers.readable, &mut header) {
            Ok(true) => {}
            Ok(false) => return Err(Failure::Io("a header is too short", Cause::Request)),
            Err(error) => return Err(Failure::Io("the header cannot be read", Cause::Memory(error))),
        }
        let [a, b, c, d, _, _, _, _, sector @ ..] = header;
        Ok(Request {
            kind: u32::from_le_bytes([a, b, c, d]),
            sector: u64::from_le_bytes(sector),
        })
    }

    /// Carries a request out, or says what is left of it as a task. Returns the bytes that were written.
    fn request<M: Dma>(&mut self, memory: &M) -> Result<Result<u64, Task>, Failure> {
        let Request { kind, sector } = self.header(memory)?;
        match kind {
            VIRTIO_BLK_T_IN => self.read(memory, sector).map(Ok),
            VIRTIO_BLK_T_OUT => self.write(memory, sector).map(|()| Ok(0)),
            VIRTIO_BLK_T_FLUSH => Ok(Err(Task::Flush)),
            VIRTIO_BLK_T_GET_ID => put(memory, &self.buffers.writable, &self.disk.id)
                .map(|written| Ok(written.into()))
                .map_err(|error| Failure::Io("get ID", Cause::Memory(error))),
            VIRTIO_BLK_T_DISCARD | VIRTIO_BLK_T_WRITE_ZEROES if self.image.can_punch() => {
                let Self { buffers, image, .. } = self;
                let discard = kind == VIRTIO_BLK_T_DISCARD;
                ranges::parse(memory, &mut buffers.readable, image.sectors(), discard)
                    .map(|(ranges, keep)| Err(Task::Zero { ranges, keep }))
            }
            other => Err(Failure::Unsupported(format!(
                "there is no request of type {other}"
            ))),
        }
    }

    fn read<M: Dma>(&mut self, memory: &M, sector: u64) -> Result<u64, Failure> {
        let Self {
            image,
            buffer,
            buffers,
            ..
        } = self;
        let bytes = length(&buffers.writable);
        let (start, _) = span(image, sector, bytes).map_err(|what| Failure::Io(what, Cause::Request))?;
        let mut pump = Pump::new(image, buffer, start, bytes);
        each_slice(memory, &buffers.writable, Permissions::Write, |slice| {
            pump.read(&slice).map_err(Cause::File)
        })
        .map_err(|cause| Failure::Io("read", cause))?;
        Ok(bytes)
    }

    fn write<M: Dma>(&mut self, memory: &M, sector: u64) -> Result<(), Failure> {
        let Self {
            image,
            buffer,
            buffers,
            ..
        } = self;
        let bytes = length(&buffers.readable);
        let (start, end) = span(image, sector, bytes).map_err(|what| Failure::Io(what, Cause::Request))?;
        if image.is_read_only() {
            return Err(Failure::Io("a write to a disk that is read-only", Cause::Request));
        }
        let failed = |error| Failure::Io("write", Cause::File(error));
        image.check(end).map_err(failed)?;
        let mut pump = Pump::new(image, buffer, start, bytes);
        each_slice(memory, &buffers.readable, Permissions::Read, |slice| {
            pump.write(&slice).map_err(Cause::File)
        })
        .map_err(|cause| Failure::Io("write", cause))?;
        pump.flush().map_err(failed)
    }
}

/// First and last offset of so many bytes from a sector on.
fn span(image: &Image, sector: u64, bytes: u64) -> Result<(u64, u64), &'static str> {
    if !bytes.is_multiple_of(SECTOR) {
        return Err("a request whose length is no multiple of 512");
    }
    if bytes > u64::from(SEG_MAX) * u64::from(SIZE_MAX) {
        return Err("a request of more than seg_max segments of size_max bytes");
    }
    let end = sector
        .checked_add(bytes / SECTOR)
        .filter(|end| *end <= image.sectors());
    // Not larger than the file, so no overflow.
    end.map(|end| (sector.saturating_mul(SECTOR), end.saturating_mul(SECTOR)))
        .ok_or("a request beyond the end of the disk")
}

impl Handler for Blk {
    type Job = Job;

    fn serve<M: Dma>(&mut self, memory: &M, chain: DescriptorChain<&M>) -> Result<Step<Job>, Problem> {
        let status = self.status(chain)?;
        let (value, moved, written) = match self.request(memory) {
            Ok(Ok(written)) => (OK, length(&self.buffers.readable).max(written), written + 1),
            Ok(Err(task)) => {
                return Ok(Step::Later(Job {
                    task,
                    disk: Arc::clone(&self.disk),
                    image: Arc::clone(&self.image),
                    status,
                }));
            }
            // It will be done again.
            Err(_) if memory.is_stalled() => (IOERR, 0, 0),
            Err(failure) => {
                self.disk.complaints.warn(&failure);
                (failure.status(), 0, 0)
            }
        };
        Ok(Step::Done(Completion {
            written: u32::try_from(written).unwrap_or(0),
            status: Some((status, value)),
            moved,
        }))
    }

    fn refuse<M: Dma>(&mut self, _: &M, chain: DescriptorChain<&M>) -> Result<Completion, Problem> {
        let status = self.status(chain)?;
        self.disk.complaints.warn(&Problem::Terminated);
        Ok(Completion {
            written: 0,
            status: Some((status, IOERR)),
            moved: 0,
        })
    }

    fn work(job: Job) -> Completion {
        let Job {
            task,
            disk,
            image,
            status,
        } = job;
        let result = match task {
            Task::Flush => image
                .flush()
                .map_err(|error| Failure::Io("flush", Cause::File(error))),
            Task::Zero { ranges, keep } => ranges
                .iter()
                .try_for_each(|range| image.zero(range.offset, range.length, keep))
                .map_err(|error| Failure::Io("discard or write zeroes", Cause::File(error))),
        };
        let value = match result {
            Ok(()) => OK,
            Err(failure) => {
                disk.complaints.warn(&failure);
                failure.status()
            }
        };
        Completion {
            written: 1,
            status: Some((status, value)),
            moved: 0,
        }
    }
}

impl Failure {
    fn status(&self) -> u8 {
        match self {
            Self::Io(..) => IOERR,
            Self::Unsupported(_) => UNSUPP,
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(what, Cause::Request) => write!(f, "a request fails: {what}"),
            Self::Io(what, Cause::Memory(error)) => write!(f, "a request fails: {what}: {error}"),
            Self::Io(what, Cause::File(error)) => write!(f, "a request fails: {what}: image: {error}"),
            Self::Unsupported(what) => write!(f, "a request fails: {what}"),
        }
    }
}
