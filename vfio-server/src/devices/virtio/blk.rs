// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! virtio-blk (virtio 1.2 §5.2): a disk whose sectors are a raw image.

use std::sync::Arc;

use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_MQ, VIRTIO_BLK_F_RO,
    VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_F_SIZE_MAX, VIRTIO_BLK_F_WRITE_ZEROES, VIRTIO_BLK_ID_BYTES,
    VIRTIO_BLK_S_OK, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_IN,
    VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_WRITE_ZEROES,
};
use virtio_queue::DescriptorChain;
use vm_memory::GuestAddress;

use super::Dma;
use super::buffers::{Buffers, length, put, take, take_last_byte};
use super::complaint::Complaints;
use super::mmio::Identity;
use super::ring::{Completion, Handler, Problem, Step, Worked};

mod failure;
mod image;
mod ranges;
#[cfg(test)]
mod tests;
mod transfer;

use failure::{Cause, Failure, IOERR};
pub use image::{Image, SECTOR};
use ranges::Range;
use transfer::Transfer;

/// VIRTIO_ID_BLOCK.
const ID: u32 = 2;
/// Entries of each queue.
pub const QUEUE_SIZE: u16 = 256;
/// Segments of a request: what a queue has room for beside header and status.
const SEG_MAX: u32 = QUEUE_SIZE as u32 - 2;
/// Bytes of a segment.
const SIZE_MAX: u32 = 1 << 20;
/// Bytes of a header.
const HEADER: usize = 16;

/// Status of a request that went well.
const OK: u8 = VIRTIO_BLK_S_OK.to_le_bytes()[0];

/// Cannot be: a chain goes on only after a job that was taken back.
const FORGOTTEN: Problem = Problem::Unanswerable("is forgotten");

/// Identity of a disk with so many queues for the driver.
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

/// State that the queues of a disk share.
#[derive(Debug)]
pub struct Disk {
    /// Answer to GET_ID, padded with zeros.
    pub id: [u8; VIRTIO_BLK_ID_BYTES as usize],
    /// Receiver of its complaints.
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
    buffers: Buffers,
    /// The data of the request that goes on, or of the one before.
    transfer: Option<Transfer>,
}

/// The part of a request that makes no access.
#[derive(Debug)]
pub struct Job {
    task: Task,
    disk: Arc<Disk>,
    image: Arc<Image>,
    status: GuestAddress,
}

#[derive(Debug)]
enum Task {
    Move(Transfer),
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
            buffers: Buffers::default(),
            transfer: None,
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
    fn request<M: Dma>(&mut self, memory: &M, status: GuestAddress) -> Result<Result<u64, Task>, Failure> {
        let Request { kind, sector } = self.header(memory)?;
        match kind {
            VIRTIO_BLK_T_IN => self.begin(memory, false, sector, status),
            VIRTIO_BLK_T_OUT => self.begin(memory, true, sector, status),
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

    /// Begins to move the data of a request.
    fn begin<M: Dma>(
        &mut self,
        memory: &M,
        write: bool,
        sector: u64,
        status: GuestAddress,
    ) -> Result<Result<u64, Task>, Failure> {
        let Self { image, buffers, .. } = self;
        let bytes = length(if write {
            &buffers.readable
        } else {
            &buffers.writable
        });
        let start = offset(image, sector, bytes).map_err(|what| Failure::Io(what, Cause::Request))?;
        if write && image.is_read_only() {
            return Err(Failure::Io("a write to a disk that is read-only", Cause::Request));
        }
        let former = self.transfer.take();
        self.go_on(memory, Transfer::new(write, start, bytes, status, former))
    }

    /// Goes on to move the data of a request. Returns as [`Blk::request`].
    fn go_on<M: Dma>(&mut self, memory: &M, mut transfer: Transfer) -> Result<Result<u64, Task>, Failure> {
        let result = transfer.access(memory, &self.buffers);
        if result.is_ok() && !transfer.is_done() {
            return Ok(Err(Task::Move(transfer)));
        }
        let (what, written) = (
            if transfer.is_write() { "write" } else { "read" },
            transfer.written(),
        );
        // After a stall it goes on where it was; else the next one takes its buffer.
        self.transfer = Some(transfer);
        result
            .map(|()| Ok(written))
            .map_err(|cause| Failure::Io(what, cause))
    }

    /// Next step of the chain, from the result of its request.
    fn step<M: Dma>(
        &mut self,
        memory: &M,
        status: GuestAddress,
        result: Result<Result<u64, Task>, Failure>,
    ) -> Step<Job> {
        let (value, moved, written) = match result {
            Ok(Ok(written)) => (OK, length(&self.buffers.readable).max(written), written + 1),
            Ok(Err(task)) => {
                return Step::Later(Job {
                    task,
                    disk: Arc::clone(&self.disk),
                    image: Arc::clone(&self.image),
                    status,
                });
            }
            // It will be done again.
            Err(_) if memory.is_stalled() => (IOERR, 0, 0),
            Err(failure) => {
                self.disk.complaints.warn(&failure);
                (failure.status(), 0, 0)
            }
        };
        Step::Done(Completion {
            written: u32::try_from(written).unwrap_or(0),
            status: Some((status, value)),
            moved,
        })
    }

    /// Answers a request one of whose accesses was terminated.
    fn terminated(&self, status: GuestAddress) -> Completion {
        self.disk.complaints.warn(&Problem::Terminated);
        Completion {
            written: 0,
            status: Some((status, IOERR)),
            moved: 0,
        }
    }
}

/// Offset of so many bytes from a sector on.
fn offset(image: &Image, sector: u64, bytes: u64) -> Result<u64, &'static str> {
    if !bytes.is_multiple_of(SECTOR) {
        return Err("a request whose length is no multiple of 512");
    }
    if bytes > u64::from(SEG_MAX) * u64::from(SIZE_MAX) {
        return Err("a request of more than seg_max segments of size_max bytes");
    }
    let end = sector.checked_add(bytes / SECTOR);
    // Not larger than the file, so no overflow.
    end.filter(|end| *end <= image.sectors())
        .map(|_| sector.saturating_mul(SECTOR))
        .ok_or("a request beyond the end of the disk")
}

impl Handler for Blk {
    type Job = Job;

    fn serve<M: Dma>(&mut self, memory: &M, chain: DescriptorChain<&M>) -> Result<Step<Job>, Problem> {
        let status = self.status(chain)?;
        let result = self.request(memory, status);
        Ok(self.step(memory, status, result))
    }

    fn refuse<M: Dma>(&mut self, _: &M, chain: DescriptorChain<&M>) -> Result<Completion, Problem> {
        let status = self.status(chain)?;
        Ok(self.terminated(status))
    }

    fn is_part_of_batch(job: &Job) -> bool {
        matches!(job.task, Task::Move(_))
    }

    fn take_back(&mut self, job: Job) {
        if let Task::Move(transfer) = job.task {
            self.transfer = Some(transfer);
        }
    }

    fn resume<M: Dma>(&mut self, memory: &M) -> Result<Step<Job>, Problem> {
        let transfer = self.transfer.take().ok_or(FORGOTTEN)?;
        let status = transfer.status();
        let result = self.go_on(memory, transfer);
        Ok(self.step(memory, status, result))
    }

    fn give_up(&mut self) -> Result<Completion, Problem> {
        let transfer = self.transfer.as_ref().ok_or(FORGOTTEN)?;
        Ok(self.terminated(transfer.status()))
    }

    fn work(mut job: Job) -> Worked<Job> {
        let Job { task, image, .. } = &mut job;
        let result = match task {
            Task::Move(transfer) => {
                transfer.run(image);
                return Worked::Back(job);
            }
            Task::Flush => image
                .flush()
                .map_err(|error| Failure::Io("flush", Cause::File(error))),
            Task::Zero { ranges, keep } => ranges
                .iter()
                .try_for_each(|range| image.zero(range.offset, range.length, *keep))
                .map_err(|error| Failure::Io("discard or write zeroes", Cause::File(error))),
        };
        let value = match result {
            Ok(()) => OK,
            Err(failure) => {
                job.disk.complaints.warn(&failure);
                failure.status()
            }
        };
        Worked::Done(Completion {
            written: 1,
            status: Some((job.status, value)),
            moved: 0,
        })
    }
}
