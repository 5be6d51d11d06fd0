// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A guest with a small driver: it maps pages, negotiates with a device, and offers buffers.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use integration_tests::raw::{PATIENCE, RawClient, words};
use integration_tests::served::{MSIX, Served, region, registers, wait_raised};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, memfd_create};
use vfio_server::dma::BLOCK_SIZE;
use vfio_server::function::MARKS_SIZE;

/// Physical memory: tables, then the pages that are mapped.
pub const RAM: u64 = 0x4000_0000;
pub const RAM_SIZE: u64 = 4 << 20;
pub const PAGES: u64 = RAM + 0x10_0000;
/// First address that the devices see; the pages follow from here on.
pub const IOVA: u64 = 0x10_0000;
pub const DESCRIPTORS: u64 = IOVA;
pub const AVAILABLE: u64 = IOVA + 0x1000;
pub const USED: u64 = IOVA + 0x2000;
pub const HEADER: u64 = IOVA + 0x3000;
pub const STATUS: u64 = IOVA + 0x3800;
pub const DATA: u64 = IOVA + 0x4000;
/// A second queue of a device has all of these so much further on.
pub const SECOND: u64 = 0x1_0000;
pub const SIZE: u16 = 16;

/// Of context bank 0.
pub const CB0: u64 = 16 << 12;
pub const SCTLR: u64 = CB0;
pub const RESUME: u64 = CB0 + 0x08;
pub const FSR: u64 = CB0 + 0x58;
pub const FAR: u64 = CB0 + 0x60;
pub const TLBIALL: u64 = CB0 + 0x618;
/// M, CFRE, CFIE; and CFCFG.
pub const ABORTS: u32 = 0x61;
pub const STALLS: u32 = 0xe1;

/// Registers of virtio-mmio.
pub const DEVICE_ID: u64 = 0x08;
pub const STATUS_REGISTER: u64 = 0x70;
pub const INTERRUPT_STATUS: u64 = 0x60;
pub const INTERRUPT_ACK: u64 = 0x64;

/// Blocks in BAR2.
pub const DISK: u64 = MARKS_SIZE;
pub const RNG: u64 = DISK + BLOCK_SIZE;
pub const CONSOLE: u64 = RNG + BLOCK_SIZE;

pub const IN: u32 = 0;
pub const OUT: u32 = 1;

/// A server with a disk of 1 MiB and two queues, a source of random numbers and a console, and their files.
pub struct World {
    pub served: Served,
    pub directory: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (image, log) = (directory.path().join("disk"), directory.path().join("log"));
        File::create(&image).unwrap().set_len(1 << 20).unwrap();
        let more = format!(
            "[smmu.model]\npreset = \"smmuv2-generic\"\n\
             [[smmu.master]]\nname = \"disk\"\nkind = \"virtio-blk\"\nstream_id = 5\nimage = {image:?}\n\
             queues = 2\n\
             [[smmu.master]]\nname = \"rng\"\nkind = \"virtio-rng\"\nstream_id = 6\n\
             [[smmu.master]]\nname = \"log\"\nkind = \"virtio-console\"\nstream_id = 7\noutput = {log:?}\n",
        );
        let program = Path::new(env!("CARGO_BIN_EXE_server-under-test"));
        Self {
            served: Served::controlled(program, &["a"], &more).unwrap(),
            directory,
        }
    }

    pub fn guest(&self) -> Guest {
        Guest::new(RawClient::negotiated(&self.served.socket("a")).unwrap())
    }

    pub fn on_disk(&self, sector: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let file = File::open(self.directory.path().join("disk")).unwrap();
        file.read_exact_at(&mut bytes, sector * 512).unwrap();
        bytes
    }
}

/// A guest: its memory and its way to the registers.
pub struct Guest {
    pub client: RawClient,
    memory: File,
    /// The interrupt of the device that was started last.
    pub edges: OwnedFd,
    /// Chains of each queue so far.
    offered: [u16; 2],
}

/// Physical address of a page: neighbours are swapped, so that nothing works without the SMMU.
pub fn physical(iova: u64) -> u64 {
    PAGES + ((iova - IOVA) ^ 0x1000)
}

pub fn pattern(seed: u8, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed.into());
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

impl Guest {
    /// Maps 64 pages from [`IOVA`] on for streams 4 to 7.
    pub fn new(mut client: RawClient) -> Self {
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
            offered: [0; 2],
        };
        for level in 0..3 {
            guest.poke(
                RAM + 0x1000 * level,
                &((RAM + 0x1000 * (level + 1)) | 3).to_le_bytes(),
            );
        }
        (0..64).for_each(|page| guest.map(IOVA + 0x1000 * page));
        guest.enable(ABORTS);
        guest
    }

    /// Programs the SMMU, whose context bank gets this SCTLR.
    pub fn enable(&mut self, sctlr: u32) {
        for (offset, value) in [
            (0x1800, 1),
            (0x1000, 1 << 16),
            (CB0 + 0x10, 5),
            (CB0 + 0x30, 1 << 23 | 16),
            (CB0 + 0x20, 0x4000_0000),
            (SCTLR, sctlr),
            (registers::SMR0, 1 << 31 | 3 << 16 | 4),
            (0xc00, 0),
            (registers::SCR0, 0),
        ] {
            self.client.write32(region::BAR0, offset, value).unwrap();
        }
    }

    pub fn poke(&self, physical: u64, bytes: &[u8]) {
        self.memory.write_all_at(bytes, physical - RAM).unwrap();
    }

    pub fn entry(&self, iova: u64, descriptor: u64) {
        self.poke(RAM + 0x3000 + (iova >> 12) * 8, &descriptor.to_le_bytes());
    }

    pub fn map(&self, iova: u64) {
        // nG, AF, AP.
        self.entry(iova, physical(iova) | 1 << 11 | 1 << 10 | 1 << 6 | 3);
    }

    pub fn unmap(&mut self, iova: u64) {
        self.entry(iova, 0);
        self.client.write32(region::BAR0, TLBIALL, 0).unwrap();
    }

    /// Puts bytes where an IOVA leads.
    pub fn put(&self, iova: u64, bytes: &[u8]) {
        for (at, page) in (iova..).step_by(0x100).zip(bytes.chunks(0x100)) {
            self.poke(physical(at), page);
        }
    }

    pub fn get(&self, iova: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        for (at, page) in (iova..).step_by(0x100).zip(bytes.chunks_mut(0x100)) {
            self.memory.read_exact_at(page, physical(at) - RAM).unwrap();
        }
        bytes
    }

    pub fn w(&mut self, block: u64, register: u64, value: u32) {
        self.client
            .write32(region::BAR2, block + register, value)
            .unwrap();
    }

    pub fn r(&mut self, block: u64, register: u64) -> u32 {
        self.client.read32(region::BAR2, block + register).unwrap()
    }

    pub fn smmu(&mut self, register: u64) -> u32 {
        self.client.read32(region::BAR0, register).unwrap()
    }

    /// Resets a device and starts it with one of its queues, of [`SIZE`] entries at [`DESCRIPTORS`].
    pub fn start(&mut self, block: u64, queue: u32) {
        self.negotiate(block);
        self.set_up(block, queue, 0);
        self.w(block, STATUS_REGISTER, 0xf);
    }

    /// Resets the disk and starts it with both queues.
    pub fn start_both(&mut self) {
        self.negotiate(DISK);
        self.set_up(DISK, 0, 0);
        self.set_up(DISK, 1, SECOND);
        self.w(DISK, STATUS_REGISTER, 0xf);
    }

    fn negotiate(&mut self, block: u64) {
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
    }

    /// Makes a queue ready whose rings lie `lane` behind [`DESCRIPTORS`] and so on.
    pub fn set_up(&mut self, block: u64, queue: u32, lane: u64) {
        self.put(AVAILABLE + lane, &[0; 0x100]);
        self.put(USED + lane, &[0; 0x100]);
        self.offered[number(lane)] = 0;
        self.w(block, 0x30, queue);
        assert!(self.r(block, 0x34) >= SIZE.into());
        self.w(block, 0x38, SIZE.into());
        for (register, address) in [(0x80, DESCRIPTORS), (0x90, AVAILABLE), (0xa0, USED)] {
            self.w(block, register, u32::try_from(address + lane).unwrap());
        }
        self.w(block, 0x44, 1);
        assert_eq!(self.r(block, 0x44), 1);
    }

    /// Offers a chain of buffers: where, length, whether the device writes it.
    pub fn offer(&mut self, block: u64, queue: u32, buffers: &[(u64, u32, bool)]) {
        self.offer_in(0, block, queue, buffers);
    }

    fn offer_in(&mut self, lane: u64, block: u64, queue: u32, buffers: &[(u64, u32, bool)]) {
        let last = buffers.len() - 1;
        for (number, (address, length, writes)) in buffers.iter().enumerate() {
            let mut bytes = address.to_le_bytes().to_vec();
            bytes.extend(length.to_le_bytes());
            let flags = u16::from(number != last) | u16::from(*writes) << 1;
            bytes.extend(flags.to_le_bytes());
            bytes.extend((u16::try_from(number).unwrap() + 1).to_le_bytes());
            self.put(DESCRIPTORS + lane + 16 * number as u64, &bytes);
        }
        let offered = self.offered[number(lane)];
        self.put(AVAILABLE + lane + 4 + 2 * u64::from(offered % SIZE), &[0, 0]);
        self.offered[number(lane)] += 1;
        self.put(AVAILABLE + lane + 2, &(offered + 1).to_le_bytes());
        self.w(block, 0x50, queue);
    }

    /// Waits for a fault of the context bank.
    pub fn fault(&mut self) {
        wait_for(|| self.smmu(FSR) & 0xff != 0);
    }

    pub fn is_used(&self) -> bool {
        self.is_used_in(0)
    }

    pub fn is_used_in(&self, lane: u64) -> bool {
        self.get(USED + lane + 2, 2) == self.offered[number(lane)].to_le_bytes()
    }

    /// Waits until everything is used; returns the length of the last chain.
    pub fn used(&mut self, block: u64) -> u32 {
        wait_for(|| self.is_used());
        let last = u64::from((self.offered[0] - 1) % SIZE);
        wait_raised(&self.edges).unwrap();
        assert_eq!(self.r(block, INTERRUPT_STATUS) & 1, 1);
        self.w(block, INTERRUPT_ACK, 1);
        u32::from_le_bytes(self.get(USED + 8 + 8 * last, 4).try_into().unwrap())
    }

    /// Offers a request for the disk whose data is at an IOVA.
    pub fn request(&mut self, kind: u32, sector: u64, data: u64, length: u32) {
        self.request_in(0, kind, sector, data, length);
    }

    /// Offers a request to the queue of a lane, whose data is so much further on, too.
    pub fn request_in(&mut self, lane: u64, kind: u32, sector: u64, data: u64, length: u32) {
        let (header, status) = (HEADER + lane, STATUS + lane);
        self.put(
            header,
            &[words(&[kind, 0]), sector.to_le_bytes().to_vec()].concat(),
        );
        self.put(status, &[0xff]);
        let chain = [
            (header, 16, false),
            (data + lane, length, kind == IN),
            (status, 1, true),
        ];
        self.offer_in(lane, DISK, u32::from(lane == SECOND), &chain);
    }

    /// Does one, and returns its status.
    pub fn done(&mut self, kind: u32, sector: u64, data: u64, length: u32) -> u8 {
        self.request(kind, sector, data, length);
        self.used(DISK);
        self.get(STATUS, 1)[0]
    }
}

fn number(lane: u64) -> usize {
    usize::from(lane == SECOND)
}

pub fn wait_for(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it does not happen");
        std::thread::sleep(Duration::from_millis(1));
    }
}
