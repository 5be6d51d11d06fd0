// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Work of Linux's arm-smmu with an SMMU that has masters, by hand: a raw client with memory, one context bank with a
//! stage 1 translation for each stream, and test masters that are told what to access.
//!
//! The values of the registers are those of `data/linux-7.3.4.trace`.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use anyhow::{Result, ensure};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, memfd_create};
use vfio_server::devices::test_master::registers::{Register, Status, control, trigger};
use vfio_server::function::MARKS_SIZE;

use crate::raw::{PATIENCE, RawClient, access, words};
use crate::served::{MSIX, Served, region, registers};

/// First address of the memory of the guest.
pub const RAM: u64 = 0x4000_0000;
/// Its size.
pub const RAM_SIZE: u64 = 16 << 20;
/// Physical addresses from here on are free; before, there are tables.
pub const FREE: u64 = RAM + 0x10_0000;
/// A page.
pub const PAGE: u64 = 4096;

const SMR_VALID: u32 = 1 << 31;
/// M, TRE, AFE, CFRE, CFIE, ASIDPNE.
const SCTLR: u32 = 0x1067;
/// `CBn_SCTLR.CFCFG`: faults stall.
pub const CFCFG: u32 = 1 << 7;

/// `CBn_TCR2` as Linux has it: SEP, AS, PASize.
pub const TCR2: u32 = 0x38015;

/// Offsets in the page of a context bank.
pub mod cb {
    /// Control.
    pub const SCTLR: u64 = 0x0;
    /// More of the translation control.
    pub const TCR2: u64 = 0x10;
    /// Ends a stall: 0 retries, 1 terminates.
    pub const RESUME: u64 = 0x8;
    /// Fault status.
    pub const FSR: u64 = 0x58;
    /// Faulting address.
    pub const FAR: u64 = 0x60;
    /// Syndrome.
    pub const FSYNR0: u64 = 0x68;
    /// Invalidates by address.
    pub const TLBIVA: u64 = 0x600;
    /// Starts a synchronisation.
    pub const TLBSYNC: u64 = 0x7f0;
    /// Whether it goes on.
    pub const TLBSTATUS: u64 = 0x7f4;
}

/// `CBn_FSR.FORMAT` (AArch64) and `TF`, as Linux prints it.
pub const TRANSLATION: u32 = 0x402;
/// `CBn_FSR.FORMAT` and `PF`.
pub const PERMISSION: u32 = 0x408;
/// `CBn_FSR.SS`, `FORMAT` and `TF`.
pub const STALLED_TRANSLATION: u32 = 1 << 30 | TRANSLATION;

/// Text of the configuration for test masters `t0`, `t1`, ... with the stream IDs 1, 2, ...
#[must_use]
pub fn test_masters(count: usize) -> String {
    (0..count)
        .map(|i| {
            format!(
                "[[smmu.master]]\nname = \"t{i}\"\nkind = \"test-master\"\nstream_id = {}\n",
                i + 1
            )
        })
        .collect()
}

/// A driver with its guest. Test master i has bank i.
#[derive(Debug)]
pub struct Driver {
    /// The connection.
    pub client: RawClient,
    memory: OwnedFd,
    first_bank: u64,
    banks: u32,
}

impl Driver {
    /// Connects, shares memory, and gives the streams of `masters` test masters a bank each.
    ///
    /// # Errors
    /// The server refuses something.
    pub fn new(served: &Served, masters: u32) -> Result<Self> {
        let mut client = RawClient::negotiated(&served.socket("a"))?;
        let memory = memfd_create("guest", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&memory, RAM_SIZE)?;
        let idr1 = client.read32(region::BAR0, registers::IDR1)?;
        ensure!(idr1 >> 31 == 0, "pages of 64 KiB");
        let pages = 2_u64 << (idr1 >> 28 & 7);
        let mut driver = Self {
            client,
            memory,
            first_bank: pages * PAGE,
            banks: idr1 & 0xff,
        };
        driver.map_memory(RAM, RAM_SIZE, 0)?;
        for master in 0..masters {
            driver.attach(master)?;
        }
        driver.write(0, 0x0020_1c36)?;
        Ok(driver)
    }

    /// Programs stream and bank of a master, as `arm_smmu_init_domain_context()` and `arm_smmu_attach_dev()` do.
    ///
    /// # Errors
    /// The server refuses a write.
    pub fn attach(&mut self, master: u32) -> Result<()> {
        let entry = u64::from(master) * 4;
        self.write(PAGE + 0x800 + entry, 1)?;
        self.write(PAGE + entry, 0x1f300)?;
        self.write_cb(master, cb::TCR2, TCR2)?;
        self.write_cb(master, 0x30, 0x80_3510)?;
        self.write64_cb(master, 0x20, table(master, 0) | u64::from(master) << 48)?;
        self.write_cb(master, 0x38, 0xf404_ff44)?;
        for level in 0..3 {
            self.set_word(table(master, level), table(master, level + 1) | 3)?;
        }
        self.write_cb(master, cb::SCTLR, SCTLR)?;
        self.write(registers::SMR0 + entry, SMR_VALID | (master + 1))?;
        self.write(0xc00 + entry, master)
    }

    /// Sets bits of the bank's `SCTLR`.
    ///
    /// # Errors
    /// The server refuses the write.
    pub fn set_sctlr(&mut self, master: u32, bits: u32) -> Result<()> {
        self.write_cb(master, cb::SCTLR, SCTLR | bits)
    }

    /// Maps `size` bytes of the driver's memory, from `offset` on, at a physical address: DMA_MAP.
    ///
    /// # Errors
    /// The server refuses.
    pub fn map_memory(&mut self, address: u64, size: u64, offset: u64) -> Result<()> {
        self.share(3, address, size, offset)
    }

    /// As [`Self::map_memory`], for the server to read only.
    ///
    /// # Errors
    /// The server refuses.
    pub fn map_memory_to_read(&mut self, address: u64, size: u64, offset: u64) -> Result<()> {
        self.share(1, address, size, offset)
    }

    fn share(&mut self, rights: u32, address: u64, size: u64, offset: u64) -> Result<()> {
        let payload = [words(&[32, rights]), u64s(&[offset, address, size])].concat();
        let reply = self.client.call_with_fds(2, &payload, &[self.memory.as_fd()])?;
        ensure!(reply.is_ok(), "DMA_MAP: {reply:?}");
        Ok(())
    }

    /// DMA_UNMAP.
    ///
    /// # Errors
    /// The server refuses.
    pub fn unmap_memory(&mut self, address: u64, size: u64) -> Result<()> {
        let payload = [words(&[24, 0]), u64s(&[address, size])].concat();
        let reply = self.client.call(3, &payload)?;
        ensure!(reply.is_ok(), "DMA_UNMAP: {reply:?}");
        Ok(())
    }

    /// DEVICE_RESET.
    ///
    /// # Errors
    /// The server refuses.
    pub fn reset(&mut self) -> Result<()> {
        let reply = self.client.call(13, &[])?;
        ensure!(reply.is_ok(), "DEVICE_RESET: {reply:?}");
        Ok(())
    }

    /// An eventfd at the vector of a test master.
    ///
    /// # Errors
    /// The server refuses it.
    pub fn interrupt_of_master(&mut self, master: u32) -> Result<OwnedFd> {
        self.interrupt(1 + self.banks + master)
    }

    /// An eventfd at the vector of a context bank.
    ///
    /// # Errors
    /// The server refuses it.
    pub fn interrupt_of_bank(&mut self, bank: u32) -> Result<OwnedFd> {
        self.interrupt(1 + bank)
    }

    fn interrupt(&mut self, vector: u32) -> Result<OwnedFd> {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let payload = words(&[20, 0x24, MSIX, vector, 1]);
        let reply = self.client.call_with_fds(8, &payload, &[event.as_fd()])?;
        ensure!(reply.is_ok(), "SET_IRQS: {reply:?}");
        Ok(event)
    }

    /// Maps a page, below 2 MiB, for the stream of a master. The driver invalidates nothing.
    ///
    /// # Errors
    /// Those of the memory.
    pub fn map(&self, master: u32, iova: u64, address: u64, writable: bool) -> Result<()> {
        // Normal memory, inner shareable, accessed, not global, for unprivileged accesses too.
        let access = if writable { 1 << 6 } else { 3 << 6 };
        self.set_word(
            entry(master, iova),
            address | access | 0x3 | 1 << 2 | 3 << 8 | 1 << 10 | 1 << 11,
        )
    }

    /// Takes a page away, without invalidation.
    ///
    /// # Errors
    /// Those of the memory.
    pub fn unmap(&self, master: u32, iova: u64) -> Result<()> {
        self.set_word(entry(master, iova), 0)
    }

    /// Invalidates a page and waits for the synchronisation, as `arm_smmu_tlb_sync_context()` does.
    ///
    /// # Errors
    /// The synchronisation does not end.
    pub fn invalidate(&mut self, master: u32, iova: u64) -> Result<()> {
        self.write64_cb(master, cb::TLBIVA, iova >> 12 | u64::from(master) << 48)?;
        self.write_cb(master, cb::TLBSYNC, u32::MAX)?;
        self.wait(|driver| Ok(driver.read_cb(master, cb::TLBSTATUS)? & 1 == 0))
    }

    /// Waits until something is so.
    ///
    /// # Errors
    /// It does not get so.
    pub fn wait(&mut self, mut until: impl FnMut(&mut Self) -> Result<bool>) -> Result<()> {
        let begin = Instant::now();
        while !until(self)? {
            ensure!(begin.elapsed() < PATIENCE, "it hangs");
        }
        Ok(())
    }

    /// Starts a transfer of a test master.
    ///
    /// # Errors
    /// The server refuses a write.
    pub fn start(&mut self, master: u32, iova: u64, length: u32, controls: u32, repeat: u32) -> Result<()> {
        let bytes = [iova.to_le_bytes().to_vec(), words(&[length, controls])].concat();
        self.write_bytes(region::BAR2, block(master) + Register::AddressLow as u64, &bytes)?;
        self.set(master, Register::Repeat, repeat)?;
        self.set(master, Register::Trigger, trigger::START)
    }

    /// Makes a transfer; returns STATUS.
    ///
    /// # Errors
    /// It does not end.
    pub fn transfer(&mut self, master: u32, iova: u64, length: u32, controls: u32) -> Result<u32> {
        self.start(master, iova, length, controls, 1)?;
        self.end(master)
    }

    /// Waits for the end of a transfer; returns STATUS.
    ///
    /// # Errors
    /// It does not end.
    pub fn end(&mut self, master: u32) -> Result<u32> {
        self.wait(|driver| Ok(driver.get(master, Register::Status)? != Status::Running as u32))?;
        self.get(master, Register::Status)
    }

    /// Writes a pattern by DMA; returns STATUS.
    ///
    /// # Errors
    /// It does not end.
    pub fn write_pattern(&mut self, master: u32, iova: u64, length: u32, seed: u32) -> Result<u32> {
        self.set(master, Register::Seed, seed)?;
        self.transfer(master, iova, length, control::WRITE)
    }

    /// A register of a test master.
    ///
    /// # Errors
    /// The server refuses.
    pub fn get(&mut self, master: u32, register: Register) -> Result<u32> {
        Ok(self
            .client
            .read32(region::BAR2, block(master) + register as u64)?)
    }

    /// Sets a register of a test master.
    ///
    /// # Errors
    /// The server refuses.
    pub fn set(&mut self, master: u32, register: Register, value: u32) -> Result<()> {
        Ok(self
            .client
            .write32(region::BAR2, block(master) + register as u64, value)?)
    }

    /// Writes a register of the SMMU.
    ///
    /// # Errors
    /// The server refuses.
    pub fn write(&mut self, offset: u64, value: u32) -> Result<()> {
        Ok(self.client.write32(region::BAR0, offset, value)?)
    }

    /// Reads a register of a bank.
    ///
    /// # Errors
    /// The server refuses.
    pub fn read_cb(&mut self, bank: u32, offset: u64) -> Result<u32> {
        Ok(self.client.read32(region::BAR0, self.bank(bank) + offset)?)
    }

    /// Writes a register of a bank.
    ///
    /// # Errors
    /// The server refuses.
    pub fn write_cb(&mut self, bank: u32, offset: u64, value: u32) -> Result<()> {
        self.write(self.bank(bank) + offset, value)
    }

    fn write64_cb(&mut self, bank: u32, offset: u64, value: u64) -> Result<()> {
        self.write_bytes(region::BAR0, self.bank(bank) + offset, &value.to_le_bytes())
    }

    fn write_bytes(&mut self, region: u32, offset: u64, data: &[u8]) -> Result<()> {
        let header = access(region, offset, u32::try_from(data.len())?);
        let reply = self.client.call(10, &[header, data.to_vec()].concat())?;
        ensure!(reply.is_ok(), "REGION_WRITE: {reply:?}");
        Ok(())
    }

    fn bank(&self, bank: u32) -> u64 {
        self.first_bank + u64::from(bank) * PAGE
    }

    /// Writes a word of eight bytes, such as an entry of a table.
    ///
    /// # Errors
    /// Those of the system call.
    pub fn set_word(&self, address: u64, value: u64) -> Result<()> {
        self.set_memory(address, &value.to_le_bytes())
    }

    /// Writes the guest's memory, as its CPUs do.
    ///
    /// # Errors
    /// Those of the system call.
    pub fn set_memory(&self, address: u64, data: &[u8]) -> Result<()> {
        let written = rustix::io::pwrite(&self.memory, data, address - RAM)?;
        ensure!(written == data.len(), "{address:#x}");
        Ok(())
    }

    /// Reads the guest's memory, as its CPUs do.
    ///
    /// # Errors
    /// Those of the system call.
    pub fn memory(&self, address: u64, length: usize) -> Result<Vec<u8>> {
        let mut data = vec![0; length];
        let read = rustix::io::pread(&self.memory, &mut data, address - RAM)?;
        ensure!(read == length, "{address:#x}");
        Ok(data)
    }
}

/// The register block of a master in BAR2.
fn block(master: u32) -> u64 {
    MARKS_SIZE + PAGE * u64::from(master)
}

/// The translation table of a level.
fn table(master: u32, level: u64) -> u64 {
    RAM + (u64::from(master) * 4 + level) * PAGE
}

/// The entry of a page in the table of level 3.
#[must_use]
pub fn entry(master: u32, iova: u64) -> u64 {
    table(master, 3) + (iova >> 12) * 8
}

fn u64s(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}
