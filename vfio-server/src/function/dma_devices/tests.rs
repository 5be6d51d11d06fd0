// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fmt::Write;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, memfd_create};
use smmu_emu::{Config, Marks, Plan};

use std::sync::Arc;

use crate::config::dma_devices::DmaDeviceConfig;
use crate::dma::BLOCK_SIZE;
use crate::function::{Function, MARKS_SIZE, region};
use crate::host::{Host, Run};

const RAM: u64 = 0x4000_0000;
const SIZE: u64 = 1 << 20;
/// Only a thread that hangs meets it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A function with DMA devices, without a server; stream ID 1, an SMMU that lets everything pass.
pub(crate) struct Bench {
    pub(crate) function: Function,
    memory: OwnedFd,
    /// One for each DMA device, by name.
    events: Vec<(String, OwnedFd)>,
}

impl Bench {
    pub(crate) fn new(dma_devices: &[(&str, &str)]) -> Self {
        let mut text = String::new();
        for (name, more) in dma_devices {
            writeln!(text, "[[master]]\nname = {name:?}\nstream_id = 1\n{more}").unwrap();
        }
        let mut table: toml::Table = text.parse().unwrap();
        let configs: Vec<DmaDeviceConfig> = table.remove("master").unwrap().try_into().unwrap();
        let model = Config::default();
        let lines = model.interrupt_lines().len();
        let run = Arc::new(Run::new(Marks::new(Vec::new(), &["a"]).unwrap()));
        let host = Host::new("a".into(), run, u16::try_from(lines + configs.len()).unwrap());
        let mut function = Function::new(&model, Plan::default(), host).unwrap();
        function.attach(&configs).unwrap();
        let memory = memfd_create("guest", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&memory, SIZE).unwrap();
        let mut events = Vec::new();
        for (vector, config) in (lines..).zip(&configs) {
            let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap();
            let theirs = event.try_clone().unwrap();
            function
                .set_irqs(2, 0x24, u32::try_from(vector).unwrap(), 1, vec![theirs])
                .unwrap();
            events.push((config.name.clone(), event));
        }
        let mut bench = Self {
            function,
            memory,
            events,
        };
        bench.map();
        bench
    }

    pub(crate) fn map(&mut self) {
        let file = self.memory.try_clone().unwrap();
        self.function
            .map(RAM, SIZE, 0, vfio_user::DmaMapFlags::READ_WRITE, Some(file))
            .unwrap();
    }

    pub(crate) fn read(&mut self, dma_device: u64, offset: u64, data: &mut [u8]) {
        self.function
            .read(
                region::BLOCKS,
                MARKS_SIZE + BLOCK_SIZE * dma_device + offset,
                data,
            )
            .unwrap();
    }

    pub(crate) fn write(&mut self, dma_device: u64, offset: u64, data: &[u8]) {
        self.function
            .write(
                region::BLOCKS,
                MARKS_SIZE + BLOCK_SIZE * dma_device + offset,
                data,
            )
            .unwrap();
    }

    pub(crate) fn read32(&mut self, dma_device: u64, offset: u64) -> u32 {
        let mut data = [0; 4];
        self.read(dma_device, offset, &mut data);
        u32::from_le_bytes(data)
    }

    pub(crate) fn write32(&mut self, dma_device: u64, offset: u64, value: u32) {
        self.write(dma_device, offset, &value.to_le_bytes());
    }

    pub(crate) fn wait(&mut self, mut until: impl FnMut(&mut Self) -> bool) {
        let begin = Instant::now();
        while !until(self) {
            assert!(begin.elapsed() < PATIENCE, "it hangs");
            std::thread::yield_now();
        }
    }

    /// The guest's memory, as the guest sees it.
    pub(crate) fn memory(&self, address: u64, length: usize) -> Vec<u8> {
        let mut data = vec![0; length];
        assert_eq!(
            rustix::io::pread(&self.memory, &mut data, address - RAM).unwrap(),
            length
        );
        data
    }

    pub(crate) fn set_memory(&self, address: u64, data: &[u8]) {
        assert_eq!(
            rustix::io::pwrite(&self.memory, data, address - RAM).unwrap(),
            data.len()
        );
    }

    /// Number of interrupts that a DMA device raised; waits for one. Interrupts come in order: those before are
    /// counted.
    pub(crate) fn raised(&self, dma_device: &str) -> u64 {
        let (_, event) = self.events.iter().find(|(name, _)| name == dma_device).unwrap();
        let begin = Instant::now();
        let mut count = [0; 8];
        while rustix::io::read(event, &mut count).is_err() {
            assert!(begin.elapsed() < PATIENCE, "no interrupt");
            std::thread::yield_now();
        }
        u64::from_ne_bytes(count)
    }
}
