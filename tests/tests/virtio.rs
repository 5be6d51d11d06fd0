// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Virtio devices behind the SMMU, in a whole server: a small driver in a raw client maps pages, negotiates, and moves data.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use integration_tests::raw::{PATIENCE, RawClient, words};
use integration_tests::served::{MSIX, Served, raised, region, registers, wait_raised};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, memfd_create};
use vfio_server::function::MARKS_SIZE;
use vfio_server::master::BLOCK_SIZE;

/// Physical memory: tables, then the pages that are mapped.
const RAM: u64 = 0x4000_0000;
const RAM_SIZE: u64 = 4 << 20;
const PAGES: u64 = RAM + 0x10_0000;
/// What the devices see is from here on, page by page.
const IOVA: u64 = 0x10_0000;
const DESCRIPTORS: u64 = IOVA;
const AVAILABLE: u64 = IOVA + 0x1000;
const USED: u64 = IOVA + 0x2000;
const HEADER: u64 = IOVA + 0x3000;
const STATUS: u64 = IOVA + 0x3800;
const DATA: u64 = IOVA + 0x4000;
const SIZE: u16 = 16;

/// Of context bank 0.
const CB0: u64 = 16 << 12;
const SCTLR: u64 = CB0;
const RESUME: u64 = CB0 + 0x08;
const FSR: u64 = CB0 + 0x58;
const FAR: u64 = CB0 + 0x60;
const TLBIALL: u64 = CB0 + 0x618;
/// M, CFRE, CFIE; and CFCFG.
const ABORTS: u32 = 0x61;
const STALLS: u32 = 0xe1;

/// Registers of virtio-mmio.
const DEVICE_ID: u64 = 0x08;
const STATUS_REGISTER: u64 = 0x70;
const INTERRUPT_STATUS: u64 = 0x60;
const INTERRUPT_ACK: u64 = 0x64;

/// Blocks in BAR2.
const DISK: u64 = MARKS_SIZE;
const RNG: u64 = DISK + BLOCK_SIZE;
const CONSOLE: u64 = RNG + BLOCK_SIZE;

const IN: u32 = 0;
const OUT: u32 = 1;

/// A server with a disk of 1 MiB, a source of random numbers and a console, and their files.
struct World {
    served: Served,
    directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (image, log) = (directory.path().join("disk"), directory.path().join("log"));
        File::create(&image).unwrap().set_len(1 << 20).unwrap();
        let more = format!(
            "[smmu.model]\npreset = \"smmuv2-generic\"\n\
             [[smmu.master]]\nname = \"disk\"\nkind = \"virtio-blk\"\nstream_id = 5\nimage = {image:?}\n\
             [[smmu.master]]\nname = \"rng\"\nkind = \"virtio-rng\"\nstream_id = 6\n\
             [[smmu.master]]\nname = \"log\"\nkind = \"virtio-console\"\nstream_id = 7\noutput = {log:?}\n",
        );
        let program = Path::new(env!("CARGO_BIN_EXE_server-under-test"));
        Self {
            served: Served::start(program, &["a"], &more).unwrap(),
            directory,
        }
    }

    fn guest(&self) -> Guest {
        Guest::new(RawClient::negotiated(&self.served.socket("a")).unwrap())
    }

    fn on_disk(&self, sector: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let file = File::open(self.directory.path().join("disk")).unwrap();
        file.read_exact_at(&mut bytes, sector * 512).unwrap();
        bytes
    }
}

/// A guest: its memory and its way to the registers.
struct Guest {
    client: RawClient,
    memory: File,
    /// The interrupt of the device that was started last.
    edges: OwnedFd,
    offered: u16,
}

/// Where a page lies: neighbours are swapped, so that nothing works without the SMMU.
fn physical(iova: u64) -> u64 {
    PAGES + ((iova - IOVA) ^ 0x1000)
}

fn pattern(seed: u8, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed.into());
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

impl Guest {
    /// Maps 64 pages from [`IOVA`] on for streams 4 to 7.
    fn new(mut client: RawClient) -> Self {
        let memory = memfd_create("ram", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&memory, RAM_SIZE).unwrap();
        let map = [
            words(&[32, 3]),
            [0, RAM, RAM_SIZE]
                .iter()
                .flat_map(|n: &u64| n.to_ne_bytes())
                .collect(),
        ];
        assert!(
            client
                .call_with_fds(2, &map.concat(), &[memory.as_fd()])
                .unwrap()
                .is_ok()
        );
        let mut guest = Self {
            client,
            memory: memory.into(),
            edges: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap(),
            offered: 0,
        };
        for level in 0..3 {
            guest.poke(
                RAM + 0x1000 * level,
                &((RAM + 0x1000 * (level + 1)) | 3).to_le_bytes(),
            );
        }
        (0..64).for_each(|page| guest.map(IOVA + 0x1000 * page));
        for (offset, value) in [
            (0x1800, 1),
            (0x1000, 1 << 16),
            (CB0 + 0x10, 5),
            (CB0 + 0x30, 1 << 23 | 16),
            (CB0 + 0x20, 0x4000_0000),
            (SCTLR, ABORTS),
            (registers::SMR0, 1 << 31 | 3 << 16 | 4),
            (0xc00, 0),
            (registers::SCR0, 0),
        ] {
            guest.client.write32(region::BAR0, offset, value).unwrap();
        }
        guest
    }

    fn poke(&self, physical: u64, bytes: &[u8]) {
        self.memory.write_all_at(bytes, physical - RAM).unwrap();
    }

    fn entry(&self, iova: u64, descriptor: u64) {
        self.poke(RAM + 0x3000 + (iova >> 12) * 8, &descriptor.to_le_bytes());
    }

    fn map(&self, iova: u64) {
        // nG, AF, AP.
        self.entry(iova, physical(iova) | 1 << 11 | 1 << 10 | 1 << 6 | 3);
    }

    fn unmap(&mut self, iova: u64) {
        self.entry(iova, 0);
        self.client.write32(region::BAR0, TLBIALL, 0).unwrap();
    }

    /// Puts bytes where an IOVA leads.
    fn put(&self, iova: u64, bytes: &[u8]) {
        for (at, page) in (iova..).step_by(0x100).zip(bytes.chunks(0x100)) {
            self.poke(physical(at), page);
        }
    }

    fn get(&self, iova: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        for (at, page) in (iova..).step_by(0x100).zip(bytes.chunks_mut(0x100)) {
            self.memory.read_exact_at(page, physical(at) - RAM).unwrap();
        }
        bytes
    }

    fn w(&mut self, block: u64, register: u64, value: u32) {
        self.client
            .write32(region::BAR2, block + register, value)
            .unwrap();
    }

    fn r(&mut self, block: u64, register: u64) -> u32 {
        self.client.read32(region::BAR2, block + register).unwrap()
    }

    fn smmu(&mut self, register: u64) -> u32 {
        self.client.read32(region::BAR0, register).unwrap()
    }

    /// Resets a device and starts it with one of its queues, of [`SIZE`] entries at [`DESCRIPTORS`].
    fn start(&mut self, block: u64, queue: u32) {
        let banks = self.smmu(registers::IDR1) & 0xff;
        let vector = banks + 1 + u32::try_from((block - MARKS_SIZE) / BLOCK_SIZE).unwrap();
        let assign = words(&[20 + 4, 0x24, MSIX, vector, 1]);
        let edges = self.edges.try_clone().unwrap();
        assert!(
            self.client
                .call_with_fds(8, &assign[..20], &[edges.as_fd()])
                .unwrap()
                .is_ok()
        );
        self.w(block, STATUS_REGISTER, 0);
        assert_eq!(self.r(block, STATUS_REGISTER), 0);
        self.put(AVAILABLE, &[0; 0x100]);
        self.put(USED, &[0; 0x100]);
        self.offered = 0;
        assert_eq!((self.r(block, 0), self.r(block, 4)), (0x7472_6976, 2));
        self.w(block, STATUS_REGISTER, 1);
        self.w(block, STATUS_REGISTER, 3);
        for half in 0..2 {
            self.w(block, 0x14, half);
            // Without EVENT_IDX: an edge for every batch.
            let features = self.r(block, 0x10) & !(u32::from(half == 0) << 29);
            self.w(block, 0x24, half);
            self.w(block, 0x20, features);
        }
        self.w(block, STATUS_REGISTER, 0xb);
        assert_eq!(self.r(block, STATUS_REGISTER), 0xb);
        self.w(block, 0x30, queue);
        assert!(self.r(block, 0x34) >= SIZE.into());
        self.w(block, 0x38, SIZE.into());
        for (register, address) in [(0x80, DESCRIPTORS), (0x90, AVAILABLE), (0xa0, USED)] {
            self.w(block, register, u32::try_from(address).unwrap());
        }
        self.w(block, 0x44, 1);
        assert_eq!(self.r(block, 0x44), 1);
        self.w(block, STATUS_REGISTER, 0xf);
    }

    /// Offers a chain of buffers: where, length, whether the device writes it.
    fn offer(&mut self, block: u64, queue: u32, buffers: &[(u64, u32, bool)]) {
        let last = buffers.len() - 1;
        for (number, (address, length, writes)) in buffers.iter().enumerate() {
            let mut bytes = address.to_le_bytes().to_vec();
            bytes.extend(length.to_le_bytes());
            let flags = u16::from(number != last) | u16::from(*writes) << 1;
            bytes.extend(flags.to_le_bytes());
            bytes.extend((u16::try_from(number).unwrap() + 1).to_le_bytes());
            self.put(DESCRIPTORS + 16 * number as u64, &bytes);
        }
        self.put(AVAILABLE + 4 + 2 * u64::from(self.offered % SIZE), &[0, 0]);
        self.offered += 1;
        self.put(AVAILABLE + 2, &self.offered.to_le_bytes());
        self.w(block, 0x50, queue);
    }

    /// Waits for a fault of the context bank.
    fn fault(&mut self) {
        wait_for(|| self.smmu(FSR) & 0xff != 0);
    }

    fn is_used(&self) -> bool {
        self.get(USED + 2, 2) == self.offered.to_le_bytes()
    }

    /// Waits until everything is used; returns the length of the last chain.
    fn used(&mut self, block: u64) -> u32 {
        wait_for(|| self.is_used());
        let last = u64::from((self.offered - 1) % SIZE);
        wait_raised(&self.edges).unwrap();
        assert_eq!(self.r(block, INTERRUPT_STATUS) & 1, 1);
        self.w(block, INTERRUPT_ACK, 1);
        u32::from_le_bytes(self.get(USED + 8 + 8 * last, 4).try_into().unwrap())
    }

    /// Offers a request for the disk whose data is at an IOVA.
    fn request(&mut self, kind: u32, sector: u64, data: u64, length: u32) {
        self.put(
            HEADER,
            &[words(&[kind, 0]), sector.to_le_bytes().to_vec()].concat(),
        );
        self.put(STATUS, &[0xff]);
        let writes = kind == IN;
        self.offer(
            DISK,
            0,
            &[(HEADER, 16, false), (data, length, writes), (STATUS, 1, true)],
        );
    }

    /// Does one, and returns its status.
    fn done(&mut self, kind: u32, sector: u64, data: u64, length: u32) -> u8 {
        self.request(kind, sector, data, length);
        self.used(DISK);
        self.get(STATUS, 1)[0]
    }
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it does not happen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_disk_is_read_and_written_behind_the_smmu() {
    let world = World::new();
    let mut guest = world.guest();
    guest.start(DISK, 0);
    assert_eq!(guest.r(DISK, 8), 2);
    assert_eq!((guest.r(DISK, 0x100), guest.r(DISK, 0x104)), (2048, 0));
    // From the middle of a page, over three pages that do not lie together.
    let written = pattern(1, 0x2000);
    guest.put(DATA + 0x800, &written);
    assert_eq!(guest.done(OUT, 100, DATA + 0x800, 0x2000), 0);
    assert!(world.on_disk(100, 0x2000) == written);
    assert_eq!(guest.done(IN, 98, DATA + 0x8000, 0x3000), 0);
    assert!(guest.get(DATA + 0x8400, 0x2000) == written);
    assert_eq!(guest.done(4, 0, DATA, 0x200), 0, "flush");
    assert_eq!(guest.done(IN, 2048, DATA, 0x200), 1, "beyond the end");
    assert_eq!(guest.done(77, 0, DATA, 0x200), 2, "no such request");
    assert_eq!(guest.smmu(FSR) & 0xc000_01ff, 0);
}

#[test]
fn an_address_that_is_not_mapped_faults_and_fails_the_request() {
    let world = World::new();
    let mut guest = world.guest();
    guest.start(DISK, 0);
    guest.unmap(DATA + 0x1000);
    guest.put(DATA, &pattern(2, 0x1000));
    guest.request(IN, 0, DATA, 0x2000);
    guest.fault();
    // As long as the fault is there, whatever else the bank is asked for is terminated: also the answer.
    std::thread::sleep(Duration::from_millis(20));
    assert!(!guest.is_used());
    // TF.
    assert_eq!((guest.smmu(FSR) & 0xc000_01ff, guest.smmu(FAR)), (2, 0x10_5000));
    guest.client.write32(region::BAR0, FSR, u32::MAX).unwrap();
    guest.used(DISK);
    assert_eq!(guest.get(STATUS, 1), [1]);
    guest.map(DATA + 0x1000);
    assert_eq!(guest.done(IN, 0, DATA, 0x2000), 0);
    // The rings: nothing can be told but by the status, and that not while the fault is there.
    guest.unmap(DESCRIPTORS);
    guest.request(IN, 0, DATA, 0x200);
    wait_for(|| {
        guest.client.write32(region::BAR0, FSR, u32::MAX).unwrap();
        guest.client.read32(region::BAR2, DISK + STATUS_REGISTER).unwrap() == 0x4f
    });
    wait_raised(&guest.edges).unwrap();
    assert_eq!(guest.r(DISK, INTERRUPT_STATUS), 2);
    assert!(!guest.is_used());
    assert_eq!(guest.smmu(FAR), u32::try_from(DESCRIPTORS).unwrap());
    wait_for(|| world.served.log().contains("needs a reset"));
    guest.map(DESCRIPTORS);
    guest.client.write32(region::BAR0, FSR, u32::MAX).unwrap();
    guest.start(DISK, 0);
    assert_eq!(guest.done(IN, 0, DATA, 0x200), 0);
    assert!(world.served.log().contains("disk"), "{}", world.served.log());
}

#[test]
fn a_stalled_request_waits_for_software() {
    let world = World::new();
    let mut guest = world.guest();
    guest.start(DISK, 0);
    guest.client.write32(region::BAR0, SCTLR, STALLS).unwrap();
    let written = pattern(3, 0x2000);
    for (terminate, status) in [(0, 0), (1, 1)] {
        guest.put(DATA, &written);
        guest.unmap(DATA + 0x1000);
        guest.request(OUT, 8, DATA, 0x2000);
        wait_for(|| guest.client.read32(region::BAR0, FSR).unwrap() & 1 << 30 != 0);
        assert!(!guest.is_used());
        // Others go on.
        assert_eq!(guest.r(RNG, DEVICE_ID), 4);
        if terminate == 0 {
            guest.map(DATA + 0x1000);
        }
        guest.client.write32(region::BAR0, FSR, u32::MAX).unwrap();
        guest.client.write32(region::BAR0, RESUME, terminate).unwrap();
        guest.used(DISK);
        assert_eq!(guest.get(STATUS, 1), [status]);
        guest.map(DATA + 0x1000);
    }
    assert!(world.on_disk(8, 0x2000) == written);
    assert_eq!(guest.done(OUT, 8, DATA, 0x2000), 0);
}

#[test]
fn random_numbers_and_a_console() {
    let world = World::new();
    let mut guest = world.guest();
    guest.start(RNG, 0);
    guest.offer(RNG, 0, &[(DATA, 0x1800, true)]);
    assert_eq!(guest.used(RNG), 0x1800);
    let random = guest.get(DATA, 0x1800);
    assert!(random.chunks(64).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
    guest.start(CONSOLE, 1);
    assert_eq!(guest.r(CONSOLE, DEVICE_ID), 3);
    guest.put(DATA, b"over and out\n");
    guest.offer(CONSOLE, 1, &[(DATA, 9, false), (DATA + 9, 4, false)]);
    assert_eq!(guest.used(CONSOLE), 0);
    let log = std::fs::read_to_string(world.directory.path().join("log")).unwrap();
    assert_eq!(log, "over and out\n");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_request() {
    let world = World::new();
    let first = {
        let mut guest = world.guest();
        guest.start(RNG, 0);
        guest.offer(RNG, 0, &[(DATA, 64, true)]);
        guest.used(RNG);
        let random = guest.get(DATA, 64);
        guest.start(DISK, 0);
        guest.client.write32(region::BAR0, SCTLR, STALLS).unwrap();
        guest.unmap(DATA);
        guest.request(IN, 0, DATA, 0x200);
        wait_for(|| guest.client.read32(region::BAR0, FSR).unwrap() & 1 << 30 != 0);
        random
    };
    wait_for(|| world.served.mapped_memfds().unwrap() == 0);
    let mut guest = world.guest();
    assert_eq!(guest.r(DISK, STATUS_REGISTER), 0);
    guest.start(DISK, 0);
    assert_eq!(guest.done(IN, 0, DATA, 0x200), 0);
    guest.start(RNG, 0);
    guest.offer(RNG, 0, &[(DATA, 64, true)]);
    guest.used(RNG);
    assert_eq!(
        guest.get(DATA, 64),
        first,
        "the next client meets the same numbers"
    );
    assert_eq!(raised(&guest.edges).unwrap(), 0);
}
