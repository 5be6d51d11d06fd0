// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A client of the server that is the guest: its memory, the tables of the SMMU, and the controller's driver.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::Instant;

use integration_tests::raw::{PATIENCE, RawClient, words};
use integration_tests::served::{MSIX, Served, region, registers, wait_raised};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, memfd_create};
use vfio_server::function::MARKS_SIZE;

pub const STREAM: u32 = 0x10;
/// Guest memory.
pub const RAM: u32 = 0x4000_0000;
pub const RAM_SIZE: u32 = 1 << 20;
pub const PAGE: u32 = 0x1000;
/// The tables: levels 1, 2 and 3, at the start of guest memory.
pub const LEVEL_3: u32 = 2 * PAGE;

/// Addresses as the controller sees them.
pub const CODE: u32 = 0x1_0000;
pub const SOURCE: u32 = 0x2_0000;
pub const TARGET: u32 = 0x4_0000;

/// Registers of a PL330.
pub mod pl330 {
    pub const INTEN: u64 = 0x020;
    pub const RIS: u64 = 0x024;
    pub const INTCLR: u64 = 0x02c;
    pub const FSRD: u64 = 0x030;
    pub const FSRC: u64 = 0x034;
    pub const FTR0: u64 = 0x040;
    pub const CSR0: u64 = 0x100;
    pub const SAR0: u64 = 0x400;
    pub const DBGSTATUS: u64 = 0xd00;
    pub const DBGCMD: u64 = 0xd04;
    pub const DBGINST0: u64 = 0xd08;
    pub const DBGINST1: u64 = 0xd0c;
    pub const INSTR_FETCH_ERR: u32 = 1 << 16;
    pub const DATA_WRITE_ERR: u32 = 1 << 17;
    pub const DATA_READ_ERR: u32 = 1 << 18;
}

/// Registers of a context bank.
pub mod bank {
    pub const SCTLR: u64 = 0x00;
    pub const RESUME: u64 = 0x08;
    pub const TCR2: u64 = 0x10;
    pub const TTBR0: u64 = 0x20;
    pub const TCR: u64 = 0x30;
    pub const FSR: u64 = 0x58;
    pub const FAR: u64 = 0x60;
    pub const FSYNR0: u64 = 0x68;
    /// SCTLR: M, CFRE, CFIE.
    pub const ON: u32 = 1 | 1 << 5 | 1 << 6;
    /// SCTLR: faults stall.
    pub const CFCFG: u32 = 1 << 7;
    /// FSR: translation fault, permission fault, stalled.
    pub const TF: u32 = 1 << 1;
    pub const PF: u32 = 1 << 3;
    pub const SS: u32 = 1 << 30;
    /// FSR: which format the bank has.
    pub const FORMAT: u32 = 3 << 9;
    /// FSYNR0: write, instruction fetch, privileged.
    pub const WNR: u32 = 1 << 4;
    pub const PNU: u32 = 1 << 5;
    pub const IND: u32 = 1 << 6;
}

/// The client of an SMMU with a PL330.
pub struct Guest {
    pub client: RawClient,
    memory: File,
    register_page: u64,
    pub banks: u64,
    /// The interrupts of context bank 0 and of the controller.
    pub context: OwnedFd,
    pub interrupt: OwnedFd,
}

impl Guest {
    /// Connects, brings memory and eventfds, and programs the SMMU: bank 0 translates the controller's stream.
    pub fn new(served: &Served) -> Self {
        let mut client = RawClient::negotiated(&served.socket("a")).unwrap();
        let memory = memfd_create("guest", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&memory, RAM_SIZE.into()).unwrap();
        let map = words(&[32, 3, 0, 0, RAM, 0, RAM_SIZE, 0]);
        assert!(client.call_with_fds(2, &map, &[memory.as_fd()]).unwrap().is_ok());
        let info = client.call(7, &words(&[16, 0, MSIX, 0])).unwrap();
        let vectors = u32::from_ne_bytes(info.payload[12..16].try_into().unwrap());
        let fd = || eventfd(0, EventfdFlags::NONBLOCK).unwrap();
        let (context, interrupt) = (fd(), fd());
        for (vector, fd) in [(1, &context), (vectors - 1, &interrupt)] {
            let request = words(&[20, 0x24, MSIX, vector, 1]);
            assert!(client.call_with_fds(8, &request, &[fd.as_fd()]).unwrap().is_ok());
        }
        let idr1 = client.read32(region::BAR0, registers::IDR1).unwrap();
        let register_page = if idr1 >> 31 == 1 { 0x1_0000 } else { 0x1000 };
        let banks = register_page << ((idr1 >> 28 & 7) + 1);
        let mut guest = Self {
            client,
            memory: memory.into(),
            register_page,
            banks,
            context,
            interrupt,
        };
        guest.program_smmu();
        guest
    }

    pub fn program_smmu(&mut self) {
        self.write_ram(RAM, &u64::from(RAM + PAGE + 3).to_le_bytes());
        self.write_ram(RAM + PAGE, &u64::from(RAM + LEVEL_3 + 3).to_le_bytes());
        // CBAR0: stage 1 alone; CBA2R0: AArch64.
        self.smmu(self.register_page, 1 << 16);
        self.smmu(self.register_page + 0x800, 1);
        self.smmu(self.banks + bank::TTBR0, RAM);
        self.smmu(self.banks + bank::TTBR0 + 4, 0);
        // 32-bit addresses, granule of 4 KiB, no TTBR1; 40-bit output.
        self.smmu(self.banks + bank::TCR, 32 | 1 << 23);
        self.smmu(self.banks + bank::TCR2, 2);
        self.smmu(self.banks + bank::SCTLR, bank::ON);
        self.smmu(0xc00, 0);
        self.smmu(registers::SMR0, 1 << 31 | STREAM);
        // Unmatched streams fault; faults are reported.
        self.smmu(registers::SCR0, 1 << 1 | registers::SCR0_GFIE | 1 << 10);
    }

    pub fn smmu(&mut self, offset: u64, value: u32) {
        self.client.write32(region::BAR0, offset, value).unwrap();
    }

    /// A register of context bank 0.
    pub fn bank(&mut self, offset: u64) -> u32 {
        self.client.read32(region::BAR0, self.banks + offset).unwrap()
    }

    pub fn read(&mut self, offset: u64) -> u32 {
        self.client.read32(region::BAR2, MARKS_SIZE + offset).unwrap()
    }

    pub fn write(&mut self, offset: u64, value: u32) {
        self.client
            .write32(region::BAR2, MARKS_SIZE + offset, value)
            .unwrap();
    }

    pub fn write_ram(&self, address: u32, data: &[u8]) {
        self.memory.write_all_at(data, u64::from(address - RAM)).unwrap();
    }

    pub fn read_ram(&self, address: u32, length: usize) -> Vec<u8> {
        let mut data = vec![0; length];
        self.memory
            .read_exact_at(&mut data, u64::from(address - RAM))
            .unwrap();
        data
    }

    /// Maps a page to the memory of [`physical`], readable and writable; for everybody or for the privileged.
    pub fn map(&mut self, address: u32, unprivileged: bool) {
        let attributes = 3 | 3 << 8 | 1 << 10 | 1 << 11 | u64::from(unprivileged) << 6;
        let descriptor = u64::from(physical(address)) | attributes;
        self.write_ram(RAM + LEVEL_3 + (address / PAGE) * 8, &descriptor.to_le_bytes());
    }

    /// Maps microcode and some pages of both ends, and fills the source.
    pub fn map_all(&mut self, pages: u32) -> Vec<u8> {
        self.map(CODE, false);
        let data: Vec<u8> = (0..pages * PAGE / 4)
            .flat_map(|n| n.wrapping_mul(0x9e37_79b1).to_be_bytes())
            .collect();
        for page in 0..pages {
            self.map(SOURCE + page * PAGE, true);
            self.map(TARGET + page * PAGE, true);
        }
        for (n, page) in (0..pages).zip(data.chunks(PAGE as usize)) {
            self.write_ram(physical(SOURCE + n * PAGE), page);
        }
        data
    }

    /// The target, page by page as the controller sees it.
    pub fn target(&self, pages: u32) -> Vec<u8> {
        (0..pages)
            .flat_map(|n| self.read_ram(physical(TARGET + n * PAGE), PAGE as usize))
            .collect()
    }

    /// A debug instruction of the manager or of channel 0, as Linux gives it.
    pub fn debug(&mut self, channel: bool, instruction: [u8; 6]) {
        let [a, b, rest @ ..] = instruction;
        self.write(
            pl330::DBGINST0,
            u32::from(channel) | u32::from(a) << 16 | u32::from(b) << 24,
        );
        self.write(pl330::DBGINST1, u32::from_le_bytes(rest));
        self.until(pl330::DBGSTATUS, 0);
        self.write(pl330::DBGCMD, 0);
    }

    /// Starts a program on channel 0, Non-secure, with its event as an interrupt.
    pub fn go(&mut self, program: &[u8]) {
        self.write_ram(physical(CODE), program);
        self.write(pl330::INTEN, 1);
        let [a, b, c, d] = CODE.to_le_bytes();
        self.debug(false, [0xa2, 0, a, b, c, d]);
    }

    pub fn kill(&mut self) {
        self.debug(true, [1, 0, 0, 0, 0, 0]);
        self.until(pl330::CSR0, 1 << 21);
    }

    /// Polls a register of the controller.
    pub fn until(&mut self, offset: u64, value: u32) {
        let start = Instant::now();
        loop {
            let now = self.read(offset);
            if now == value {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "register {offset:#x} is {now:#x}, not {value:#x}"
            );
        }
    }

    /// State of the controller and the SMMU for a channel that faulted: FTR0; FSR, FAR and FSYNR0 of the bank.
    pub fn fault(&mut self) -> (u32, u32, u32, u32) {
        wait_raised(&self.interrupt).unwrap();
        wait_raised(&self.context).unwrap();
        assert_eq!((self.read(pl330::FSRD), self.read(pl330::FSRC)), (0, 1));
        assert_eq!(self.read(pl330::CSR0) & 0xf, 0xf);
        let fsynra = self
            .client
            .read32(region::BAR0, self.register_page + 0x400)
            .unwrap();
        assert_eq!(fsynra & 0xffff, STREAM);
        let ftr = self.read(pl330::FTR0);
        let [fsr, far, fsynr0] = [bank::FSR, bank::FAR, bank::FSYNR0].map(|register| self.bank(register));
        self.smmu(self.banks + bank::FSR, u32::MAX);
        (ftr, fsr & 0xff, far, fsynr0 & (bank::WNR | bank::PNU | bank::IND))
    }
}

/// Physical address of a page of the controller: not in order, so that each needs its own translation.
pub fn physical(address: u32) -> u32 {
    RAM + RAM_SIZE - PAGE - (address & !(PAGE - 1)) / PAGE * PAGE + address % PAGE
}
