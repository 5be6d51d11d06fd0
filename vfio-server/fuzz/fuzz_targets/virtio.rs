// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Any register accesses and any bytes in memory, at a disk and at an entropy device: rings, chains and requests of every
//! kind, with resets and stalls between the batches.

#![no_main]

use std::cell::Cell;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use vfio_server::virtio::blk::{self, Blk, Disk, Image};
use vfio_server::virtio::complaint::Complaints;
use vfio_server::virtio::mmio::{Identity, Transport, lock};
use vfio_server::virtio::registers::Register;
use vfio_server::virtio::ring::{Handler, Next, Ring};
use vfio_server::virtio::rng::{self, Rng};
use vfio_server::virtio::{Dma, State};
use vm_memory::guest_memory::GuestMemorySliceIterator;
use vm_memory::{Bytes, GuestAddress, GuestMemory, GuestMemoryError, GuestMemoryMmap, Permissions};

/// Bytes of memory, from 0 on, and of the image.
const RAM: u16 = 0xc000;
const IMAGE: u64 = 0x8000;
const QUEUE_SIZE: u16 = 16;
/// Where a driver that means well has its rings: descriptors, what is available, what is used.
const RINGS: [u32; 3] = [0x1000, 0x2000, 0x3000];
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
    /// A driver that means well starts the device.
    Start { event_idx: bool },
    /// A register access.
    Register { number: u8, value: u32 },
    /// Anything to memory.
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

fn drive<H: Handler>(handler: H, identity: Identity, complaints: &Arc<Complaints>, steps: Vec<Step>) {
    let state = Arc::new(State::default());
    let ring = Ring::new(0, QUEUE_SIZE, handler).expect("a power of two");
    let ring = Arc::new(ring.into());
    let queues: Vec<(_, Box<dyn Fn() + Send>)> = vec![(Arc::clone(&ring), Box::new(|| ()))];
    let mut transport = Transport::new(identity, &state, complaints, queues, Box::new(|| ()));
    let ram = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), RAM.into())]).expect("memory");
    let mut memory = Memory {
        ram,
        stalls: 0..0,
        is_stalled: Cell::new(false),
        accesses: Cell::new(0),
    };
    let (mut life, mut available) = (None, 0_u16);
    let set = |transport: &mut Transport<H>, register: Register, value: u32| {
        transport.write(register.offset(), &value.to_le_bytes());
    };
    // Beyond the end of memory nothing is written: a driver has no more either.
    let put = |memory: &Memory, at: u64, bytes: &[u8]| drop(memory.ram.write(bytes, GuestAddress(at)));
    for step in steps {
        match step {
            Step::Start { event_idx } => {
                set(&mut transport, Register::Status, 0);
                (life, available) = (None, 0);
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
                    set(&mut transport, register, value);
                }
            }
            Step::Register { number, value } => {
                let register = Register::ALL[usize::from(number) % Register::ALL.len()];
                set(&mut transport, register, value);
                transport.read(register.offset(), &mut [0; 4]);
            }
            Step::Memory { at, bytes } => put(&memory, at.into(), &bytes),
            Step::Descriptor {
                index,
                at,
                length,
                flags,
                next,
            } => {
                let mut bytes = u64::from(at).to_le_bytes().to_vec();
                bytes.extend(u32::from(length).to_le_bytes());
                bytes.extend(u16::from(flags).to_le_bytes());
                bytes.extend(u16::from(next).to_le_bytes());
                put(&memory, u64::from(RINGS[0]) + 16 * u64::from(index), &bytes);
            }
            Step::Offer { head } => {
                let at = u64::from(RINGS[1]) + 4 + 2 * u64::from(available % QUEUE_SIZE);
                put(&memory, at, &u16::from(head).to_le_bytes());
                available = available.wrapping_add(1);
                put(&memory, u64::from(RINGS[1]) + 2, &available.to_le_bytes());
            }
            Step::Stall {
                at,
                length,
                terminate,
            } => {
                memory.stalls = u64::from(at)..u64::from(at) + u64::from(length);
                if let Some(life) = life.take().filter(|_| terminate) {
                    drop(lock(&ring).terminated(life, &state));
                }
            }
            Step::Run { batches } => {
                for _ in 0..batches {
                    memory.is_stalled.set(false);
                    memory.accesses.set(0);
                    match lock(&ring).run(&memory, &state).next {
                        Next::Wait | Next::Broken(_) => break,
                        Next::Batch | Next::Retry(_) | Next::Settle => {}
                        Next::Work(ticket, job) => {
                            let worked = H::work(job);
                            lock(&ring).finish(ticket, worked);
                        }
                        Next::Stalled(of) => {
                            life = Some(of);
                            break;
                        }
                    }
                }
            }
        }
    }
}

fuzz_target!(|input: Input| {
    let complaints = Arc::new(Complaints::new("fuzzed"));
    if !input.is_disk {
        return drive(Rng::new(1), rng::identity(), &complaints, input.steps);
    }
    std::fs::File::create(&*PATH)
        .and_then(|file| file.set_len(IMAGE))
        .expect("an image");
    let image = Image::open(&PATH, input.read_only).expect("an image");
    let disk = Disk::new("fuzzed", &complaints);
    drive(
        Blk::new(&disk, &image),
        blk::identity(&image, 1),
        &complaints,
        input.steps,
    );
    assert_eq!(
        std::fs::metadata(&*PATH).expect("an image").len(),
        IMAGE,
        "its length has changed"
    );
});
