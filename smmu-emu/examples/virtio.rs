// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A virtio device behind the SMMU: virtio-queue reads a descriptor chain, and the buffer of it, through a [`View`].

mod machine;

use std::io::Read;

use machine::{RAM, TABLES, configuration};
use smmu_emu::{BusError, Config, Host, Intent, Line, Memory, Plan, Preset, Smmu, SmmuHandle, Tbu, View};
use virtio_queue::{Queue, QueueT, Reader};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// The rings and the buffer: addresses on the bus.
const DESCRIPTORS: u64 = 0x1000;
const AVAILABLE: u64 = 0x2000;
const USED: u64 = 0x3000;
const BUFFER: u64 = 0x4ffd;

/// Guest memory as the SMMU's table walks read it.
struct Guest(GuestMemoryMmap);

impl Memory for Guest {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        self.0
            .read_slice(data, GuestAddress(address))
            .map_err(|_| BusError)
    }

    fn compare_exchange(&self, _: u64, _: u64, _: u64) -> Result<u64, BusError> {
        Err(BusError)
    }
}

impl Host for Guest {
    fn now(&self) -> u64 {
        0
    }

    fn set_line(&mut self, _: Line, _: bool) {}

    fn wake_at(&mut self, _: u64) {}

    fn resumed(&mut self, _: u8) {}

    fn mark(&self, _: &str) -> bool {
        false
    }
}

/// Address to which the tables lead: neighbours on the bus are no neighbours in memory.
fn physical(bus: u64) -> GuestAddress {
    GuestAddress((RAM + 0x2_0000 - (bus & !0xfff)) | bus & 0xfff)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(RAM), 1 << 20)])?;
    memory.write_obj((TABLES + 0x1000) | 3, GuestAddress(TABLES))?;
    memory.write_obj((TABLES + 0x2000) | 3, GuestAddress(TABLES + 0x1000))?;
    for page in 1..=5 {
        // AF, AP: reads and writes for everyone.
        let leaf = physical(page << 12).0 | 1 << 10 | 1 << 6 | 3;
        memory.write_obj(leaf, GuestAddress(TABLES + 0x2000 + 8 * page))?;
    }
    // The driver's part: one buffer across two pages, one descriptor (address, length, flags, next), one entry.
    let words = b"hello";
    for (address, byte) in (BUFFER..).zip(words) {
        memory.write_obj(*byte, physical(address))?;
    }
    memory.write_obj(BUFFER, physical(DESCRIPTORS))?;
    memory.write_obj(u32::try_from(words.len())?, physical(DESCRIPTORS + 8))?;
    memory.write_obj(0_u32, physical(DESCRIPTORS + 12))?;
    memory.write_obj([0_u16, 1, 0], physical(AVAILABLE))?;

    let config = Config::from(Preset::Generic);
    let mut env = Guest(memory.clone());
    let smmu = SmmuHandle::new(Smmu::new(&config, Plan::default())?);
    // SCTLR: M, CFRE.
    for (offset, value) in configuration(1 | 1 << 5) {
        smmu.lock()
            .write(&mut env, offset, &u32::try_from(value)?.to_le_bytes());
    }

    // The device's part: a view for each request.
    let mut queue = Queue::new(16)?;
    queue.try_set_desc_table_address(GuestAddress(DESCRIPTORS))?;
    queue.try_set_avail_ring_address(GuestAddress(AVAILABLE))?;
    queue.try_set_used_ring_address(GuestAddress(USED))?;
    queue.set_ready(true);
    let mut tbu = Tbu::new(&smmu);
    let view = View::new(&mut tbu, &mut env, &memory, 7, Intent::default());
    let chain = queue
        .pop_descriptor_chain(&view)
        .ok_or("the driver has made a chain available")?;
    let mut text = String::new();
    Reader::new(&view, chain.clone())?.read_to_string(&mut text)?;
    queue.add_used(&view, chain.head_index(), 0)?;
    println!("the device read {text:?} through the SMMU");

    let used: u16 = memory.read_obj(physical(USED + 2))?;
    if (text.as_bytes(), used) != (words.as_slice(), 1) {
        return Err("the device should have read the buffer, and used the chain".into());
    }
    Ok(())
}
