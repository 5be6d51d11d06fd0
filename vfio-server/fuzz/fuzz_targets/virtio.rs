// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Any register accesses and any bytes in memory, at a disk and at an entropy device: rings, chains and requests of
//! every kind, with resets and stalls between the batches.

#![no_main]

use std::cell::Cell;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use host_guard::confine::Places;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use vfio_server::devices::virtio::blk::{self, Blk, Disk, Image};
use vfio_server::devices::virtio::complaint::Complaints;
use vfio_server::devices::virtio::jobs::QueueGeneration;
use vfio_server::devices::virtio::mmio::{Bell, Identity, SharedRing, Transport};
use vfio_server::devices::virtio::registers::Register;
use vfio_server::devices::virtio::ring::{Handler, Next, Ring};
use vfio_server::devices::virtio::rng::{self, Rng};
use vfio_server::devices::virtio::{Dma, State};
use vfio_server::sync::Mutex;
use vm_memory::guest_memory::GuestMemorySliceIterator;
use vm_memory::{Bytes, GuestAddress, GuestMemory, GuestMemoryError, GuestMemoryMmap, Permissions};

/// Bytes of memory, from 0 on, and of the image.
const RAM: u16 = 0xc000;
const IMAGE: u64 = 0x8000;
const QUEUE_SIZE: u16 = 16;
/// Addresses of the rings of a driver that means well: descriptors, available ring, used ring.
const RINGS: [u32; 3] = [0x1000, 0x2000, 0x3000];
/// Flags of a descriptor.
const NEXT: u16 = 1;
const WRITE: u16 = 2;
/// Address of the header of its requests; their status follows.
const HEADER: u16 = 0x4000;
/// More than the accesses of a batch ever are: 16 chains of 256 descriptors, each with data over all pages.
const ACCESSES: u64 = 1 << 20;

static PATH: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = tempfile::NamedTempFile::new().expect("a file").into_temp_path();
    path.keep().expect("a file that stays")
});

#[derive(Arbitrary, Debug)]
struct Input {
    is_disk: bool,
    read_only: bool,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// The driver starts the device anew, and does it well.
    Start { event_idx: bool },
    /// A register access.
    Register { number: u8, value: u32 },
    /// Writes any bytes to memory.
    Memory { at: u16, bytes: Vec<u8> },
    /// A descriptor of the table.
    Descriptor {
        index: u8,
        at: u16,
        length: u16,
        flags: u8,
        next: u8,
    },
    /// A chain becomes available.
    Offer { head: u8 },
    /// A request as Linux makes it, at descriptors 0 to 2, becomes available.
    Request {
        kind: u8,
        sector: u8,
        data: u16,
        sectors: u8,
        is_read: bool,
    },
    /// The DMA thread gets some batches.
    Run { batches: u8 },
    /// Accesses to these bytes stall from now on; what stalled before is terminated, or goes on.
    Stall { at: u16, length: u16, terminate: bool },
}

/// Memory behind a stream, some of which stalls.
#[derive(Debug)]
struct Memory {
    ram: GuestMemoryMmap,
    stalls: Range<u64>,
    is_stalled: Cell<bool>,
    accesses: Cell<u64>,
}

impl GuestMemory for Memory {
    type PhysicalMemory = GuestMemoryMmap;
    type Bitmap = ();

    fn check_range(&self, address: GuestAddress, count: usize, access: Permissions) -> bool {
        GuestMemory::check_range(&self.ram, address, count, access)
    }

    fn get_slices<'a>(
        &'a self,
        address: GuestAddress,
        count: usize,
        access: Permissions,
    ) -> Result<impl GuestMemorySliceIterator<'a, ()>, GuestMemoryError> {
        self.accesses.set(self.accesses.get() + 1);
        assert!(self.accesses.get() < ACCESSES, "a batch without end");
        if address.0 < self.stalls.end && self.stalls.start < address.0.saturating_add(count as u64) {
            self.is_stalled.set(true);
            return Err(GuestMemoryError::InvalidGuestAddress(address));
        }
        GuestMemory::get_slices(&self.ram, address, count, access)
    }
}

impl Dma for Memory {
    fn is_stalled(&self) -> bool {
        self.is_stalled.get()
    }

    fn is_blocked(&self) -> bool {
        false
    }
}

/// The device, its one queue, and what a driver does to them.
struct Driver<H> {
    state: Arc<State>,
    ring: SharedRing<H>,
    transport: Transport<H>,
    memory: Memory,
    available: u16,
    /// Generation of the queue of which an access stalls.
    stalled: Option<QueueGeneration>,
}

impl<H: Handler> Driver<H> {
    fn new(handler: H, identity: Identity, complaints: &Arc<Complaints>) -> Self {
        let state = Arc::new(State::default());
        let ring = Ring::new(0, QUEUE_SIZE, handler).expect("a power of two");
        let ring = Arc::new(Mutex::new(ring));
        let bell: Bell = Box::new(|| ());
        let queues = vec![(Arc::clone(&ring), bell)];
        let ram = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), RAM.into())]).expect("memory");
        let mut driver = Self {
            transport: Transport::new(identity, &state, complaints, queues, Box::new(|| ())),
            memory: Memory {
                ram,
                stalls: 0..0,
                is_stalled: Cell::new(false),
                accesses: Cell::new(0),
            },
            state,
            ring,
            available: 0,
            stalled: None,
        };
        driver.start(false);
        driver
    }

    /// Beyond the end of memory nothing is written: a driver has no more either.
    fn put(&self, at: u64, bytes: &[u8]) {
        let _ = self.memory.ram.write(bytes, GuestAddress(at));
    }

    fn set(&mut self, register: Register, value: u32) {
        self.transport.write(register.offset(), &value.to_le_bytes());
    }

    fn start(&mut self, event_idx: bool) {
        self.set(Register::Status, 0);
        (self.stalled, self.available) = (None, 0);
        for at in [RINGS[1], RINGS[2]] {
            self.put(at.into(), &[0; 4]);
        }
        for (register, value) in [
            (Register::Status, 3),
            (Register::DriverFeaturesSel, 0),
            (Register::DriverFeatures, 1 << 28 | u32::from(event_idx) << 29),
            (Register::DriverFeaturesSel, 1),
            (Register::DriverFeatures, 1 | 1 << 1),
            (Register::Status, 0xb),
            (Register::QueueSel, 0),
            (Register::QueueNum, QUEUE_SIZE.into()),
            (Register::QueueDescLow, RINGS[0]),
            (Register::QueueDriverLow, RINGS[1]),
            (Register::QueueDeviceLow, RINGS[2]),
            (Register::QueueReady, 1),
            (Register::Status, 0xf),
        ] {
            self.set(register, value);
        }
    }

    fn descriptor(&self, index: u8, at: u16, length: u16, flags: u16, next: u8) {
        let mut bytes = u64::from(at).to_le_bytes().to_vec();
        bytes.extend(u32::from(length).to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend(u16::from(next).to_le_bytes());
        self.put(u64::from(RINGS[0]) + 16 * u64::from(index), &bytes);
    }

    fn offer(&mut self, head: u8) {
        let at = u64::from(RINGS[1]) + 4 + 2 * u64::from(self.available % QUEUE_SIZE);
        self.put(at, &u16::from(head).to_le_bytes());
        self.available = self.available.wrapping_add(1);
        self.put(u64::from(RINGS[1]) + 2, &self.available.to_le_bytes());
    }

    /// Runs batches as the DMA thread does.
    fn run(&mut self, batches: u8) {
        for _ in 0..batches {
            self.memory.is_stalled.set(false);
            self.memory.accesses.set(0);
            let next = self.ring.lock().run(&self.memory, &self.state).next;
            match next {
                Next::Wait | Next::Broken(_) => return,
                Next::Batch | Next::Retry(_) | Next::Settle => {}
                Next::Work(ticket, job) => {
                    let worked = H::work(job);
                    self.ring.lock().finish(ticket, worked);
                }
                Next::Stalled(life) => {
                    self.stalled = Some(life);
                    return;
                }
            }
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Start { event_idx } => self.start(event_idx),
            Step::Register { number, value } => {
                let register = Register::ALL[usize::from(number) % Register::ALL.len()];
                self.set(register, value);
                self.transport.read(register.offset(), &mut [0; 4]);
            }
            Step::Memory { at, bytes } => self.put(at.into(), &bytes),
            Step::Descriptor {
                index,
                at,
                length,
                flags,
                next,
            } => self.descriptor(index, at, length, flags.into(), next),
            Step::Offer { head } => self.offer(head),
            Step::Request {
                kind,
                sector,
                data,
                sectors,
                is_read,
            } => {
                self.put(HEADER.into(), &u64::from(kind % 16).to_le_bytes());
                self.put(u64::from(HEADER) + 8, &u64::from(sector).to_le_bytes());
                self.descriptor(0, HEADER, 16, NEXT, 1);
                let flags = NEXT | if is_read { WRITE } else { 0 };
                self.descriptor(1, data, u16::from(sectors % 128) * 512, flags, 2);
                self.descriptor(2, HEADER + 16, 1, WRITE, 0);
                self.offer(0);
            }
            Step::Run { batches } => self.run(batches),
            Step::Stall {
                at,
                length,
                terminate,
            } => {
                self.memory.stalls = u64::from(at)..u64::from(at) + u64::from(length);
                if let Some(life) = self.stalled.take().filter(|_| terminate) {
                    drop(self.ring.lock().terminated(life, &self.state));
                }
            }
        }
    }
}

fuzz_target!(|input: Input| {
    let complaints = Arc::new(Complaints::new("fuzzed"));
    if !input.is_disk {
        let mut driver = Driver::new(Rng::new(1), rng::identity(), &complaints);
        return input.steps.into_iter().for_each(|step| driver.step(step));
    }
    std::fs::File::create(&*PATH)
        .and_then(|file| file.set_len(IMAGE))
        .expect("an image");
    let image = Image::open(&PATH, input.read_only, &Places::anywhere()).expect("an image");
    let disk = Disk::new("fuzzed", &complaints);
    let mut driver = Driver::new(Blk::new(&disk, &image), blk::identity(&image, 1), &complaints);
    input.steps.into_iter().for_each(|step| driver.step(step));
    assert_eq!(
        std::fs::metadata(&*PATH).expect("an image").len(),
        IMAGE,
        "its length has changed"
    );
});
