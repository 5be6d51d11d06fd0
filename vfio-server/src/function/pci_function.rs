// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The PCI function of one SMMU: the only place where vfio-user's requests and the model meet.
//!
//! BAR0 is the register space. BAR2 begins with the [`marks`], which the register blocks of the DMA devices follow, in
//! the order of the configuration, and then that of the clock controller. BAR4 is the MSI-X table and pending bits.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use serde_json::json;
use smmu_emu::{Config, DelayedReply, NewError, Plan, Smmu, SmmuGuard, SmmuHandle, State, StateError};
use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE,
};

use super::clock::ClockController;
use super::dma_devices::{DmaDevice, DmaDevices};
use super::marks::{self, MARKS_SIZE};
use super::pci::{self, ConfigSpace};
use crate::config::{DmaDeviceConfig, DmaDeviceError};
use crate::dma::BLOCK_SIZE;
use crate::host::Host;
use crate::host::environment::Callbacks;
use crate::host::events::Event;
use crate::host::memory::MapError;
use crate::host::timer::TimerTarget;

mod clocked;
#[cfg(test)]
mod tests;

/// The regions of a vfio PCI device that this function fills; the others have size 0.
pub mod region {
    /// The SMMU's registers.
    pub const REGISTERS: u32 = 0;
    /// The marks, then the register blocks of the DMA devices.
    pub const BLOCKS: u32 = 2;
    /// MSI-X table and pending bits.
    pub const MSIX: u32 = pci_bar();
    /// Configuration space.
    pub const CONFIG: u32 = 7;
    /// Number of regions that a vfio PCI device has.
    pub const COUNT: u32 = 9;

    const fn pci_bar() -> u32 {
        crate::function::pci::MSIX_BAR as u32
    }
}

/// The kinds of interrupts of a vfio PCI device.
pub mod irq {
    /// The interrupt pin; this function has none.
    pub const INTX: u32 = 0;
    /// MSI-X.
    pub const MSIX: u32 = 2;
    /// Error reporting of PCI Express; as in Linux, a conventional function answers `EINVAL` when asked.
    pub const ERROR: u32 = 3;
    /// Number of kinds.
    pub const COUNT: u32 = 5;
}

/// One SMMU as a PCI function.
#[derive(Debug)]
pub struct Function {
    /// Threads of DMA devices translate too.
    smmu: SmmuHandle,
    host: Host,
    dma_devices: DmaDevices,
    clock: Option<ClockController>,
    config: ConfigSpace,
    register_space: u64,
}

impl Function {
    /// The function after power-on.
    ///
    /// # Errors
    /// [`NewError`] names the field of the model or of the plan.
    pub fn new(model: &Config, plan: Plan, host: Host) -> Result<Self, NewError> {
        let smmu = Smmu::new(model, plan)?;
        let register_space = model.register_space();
        let dma_devices = DmaDevices::none(host.shared());
        let config = config_space(register_space, MARKS_SIZE, &host);
        Ok(Self {
            smmu: SmmuHandle::new(smmu),
            host,
            dma_devices,
            clock: None,
            config,
            register_space,
        })
    }

    /// Puts DMA devices behind the SMMU and starts them, before a client is there. Their vectors are the last ones.
    ///
    /// # Errors
    /// [`DmaDeviceError`] names the DMA device; none runs then.
    pub fn attach(&mut self, dma_devices: &[DmaDeviceConfig]) -> Result<(), DmaDeviceError> {
        let vectors = self.host.shared().vectors().len();
        let first = vectors.saturating_sub(dma_devices.len());
        self.host.shared().vectors().set_dma_devices(first);
        self.dma_devices = DmaDevices::start(dma_devices, &self.smmu, self.host.shared(), first)?;
        self.config = config_space(self.register_space, self.blocks_size(), &self.host);
        Ok(())
    }

    /// Bytes of BAR2.
    fn blocks_size(&self) -> u64 {
        let blocks = self
            .dma_devices
            .all()
            .iter()
            .map(drop)
            .chain(self.clock.iter().map(drop));
        (MARKS_SIZE + blocks.map(|()| BLOCK_SIZE).sum::<u64>()).next_power_of_two()
    }

    /// Ends all DMA, and the threads that make it.
    pub fn detach(&mut self) {
        self.dma_devices = DmaDevices::none(self.host.shared());
    }

    /// The DMA devices, in the order of the configuration.
    #[must_use]
    pub fn dma_devices(&self) -> &[DmaDevice] {
        self.dma_devices.all()
    }

    /// The surroundings of the model.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The model, for as short a time as possible: DMA waits.
    pub fn smmu(&self) -> SmmuGuard<'_> {
        self.smmu.lock()
    }

    /// The model and its surroundings, for the timer.
    #[must_use]
    pub fn timer_target(&self) -> TimerTarget {
        TimerTarget {
            smmu: self.smmu.clone(),
            shared: Arc::clone(self.host.shared()),
        }
    }

    /// Number of MSI-X vectors.
    #[must_use]
    pub fn vectors(&self) -> u32 {
        u32::try_from(self.host.shared().vectors().len()).unwrap_or(u32::MAX)
    }

    /// Bytes of a region; 0 for those that this function does not have.
    ///
    /// # Errors
    /// `EINVAL` for a number that no vfio PCI device has.
    pub fn region_size(&self, number: u32) -> Result<u64, Errno> {
        match number {
            region::REGISTERS => Ok(self.register_space),
            region::BLOCKS => Ok(self.blocks_size()),
            region::MSIX => Ok(u64::from(pci::MSIX_BAR_SIZE)),
            region::CONFIG => Ok(pci::CONFIG_SIZE as u64),
            _ if number < region::COUNT => Ok(0),
            _ => Err(Errno::INVAL),
        }
    }

    fn check(&self, number: u32, offset: u64, length: usize) -> Result<(), Errno> {
        let length = u64::try_from(length).map_err(|_| Errno::INVAL)?;
        let end = offset.checked_add(length).ok_or(Errno::INVAL)?;
        if end > self.region_size(number)? {
            Err(Errno::INVAL)
        } else {
            Ok(())
        }
    }

    /// Reads a region. A guest that reads what is not there reads 0, as on a bus. Returns the delay of the reply, if
    /// a rule makes it late.
    ///
    /// # Errors
    /// `EINVAL` if the bytes are not all within the region: a mistake of the client, not of the guest.
    pub fn read(&mut self, number: u32, offset: u64, data: &mut [u8]) -> Result<Option<DelayedReply>, Errno> {
        self.check(number, offset, data.len())?;
        match number {
            // What a powered-down block leaves on the bus.
            region::REGISTERS if !self.is_clocked(offset, false) => data.fill(0xff),
            region::REGISTERS => {
                return Ok(self.smmu.lock().read(&mut self.host.surroundings(), offset, data));
            }
            region::BLOCKS => match (offset.checked_sub(MARKS_SIZE), self.in_clock(offset)) {
                (_, Some(offset)) => self.read_clock(offset, data),
                (Some(offset), None) => self.dma_devices.read(offset, data),
                (None, None) => {
                    let seed = || self.smmu.lock().seed();
                    marks::read(self.host.run(), seed, offset, data);
                }
            },
            region::MSIX => match offset.checked_sub(u64::from(pci::PENDING_OFFSET)) {
                Some(offset) => self.host.shared().vectors().pending(offset, data),
                // QEMU keeps the table itself and does not ask.
                None => data.fill(0),
            },
            region::CONFIG => self.config.read(offset, data),
            _ => data.fill(0),
        }
        Ok(None)
    }

    /// Writes a region. Returns the delay of the reply, if a rule makes it late.
    ///
    /// # Errors
    /// `EINVAL` if the bytes are not all within the region.
    pub fn write(&mut self, number: u32, offset: u64, data: &[u8]) -> Result<Option<DelayedReply>, Errno> {
        self.check(number, offset, data.len())?;
        match number {
            region::REGISTERS if !self.is_clocked(offset, true) => {}
            region::REGISTERS => {
                return Ok(self
                    .smmu
                    .lock()
                    .write(&mut self.host.surroundings(), offset, data));
            }
            region::BLOCKS => match (offset.checked_sub(MARKS_SIZE), self.in_clock(offset)) {
                (_, Some(offset)) => self.write_clock(offset, data),
                (Some(offset), None) => self.dma_devices.write(offset, data),
                (None, None) => marks::write(self.host.run(), offset, data),
            },
            region::CONFIG => self.config.write(offset, data),
            _ => {}
        }
        Ok(None)
    }

    /// Maps guest memory.
    ///
    /// # Errors
    /// [`MapError`] says what to do.
    pub fn map(
        &mut self,
        address: u64,
        size: u64,
        offset: u64,
        flags: vfio_user::DmaMapFlags,
        file: Option<OwnedFd>,
    ) -> Result<(), MapError> {
        if !flags.contains(vfio_user::DmaMapFlags::READ) {
            return Err(MapError::Range(address, size));
        }
        let writable = flags.contains(vfio_user::DmaMapFlags::WRITE);
        self.host
            .change_memory(|memory| memory.map(address, size, offset, writable, file))
    }

    /// Unmaps guest memory; everything if `all`.
    ///
    /// # Errors
    /// As of [`crate::host::memory::GuestMemory::unmap`].
    pub fn unmap(&mut self, address: u64, size: u64, all: bool) -> Result<(), Errno> {
        self.host.change_memory(|memory| {
            if all {
                memory.unmap_all();
                return Ok(());
            }
            memory.unmap(address, size)
        })
    }

    /// Assigns eventfds to interrupts, takes them away, or triggers.
    ///
    /// # Errors
    /// `EINVAL` for interrupts that the function does not have, and for masking, which MSI-X does in its table.
    pub fn set_irqs(
        &mut self,
        index: u32,
        flags: u32,
        start: u32,
        count: u32,
        fds: Vec<OwnedFd>,
    ) -> Result<(), Errno> {
        const DISABLE_OR_TRIGGER: u32 = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
        const ASSIGN: u32 = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
        let mut vectors = self.host.shared().vectors();
        match (index, flags, count) {
            (irq::MSIX, DISABLE_OR_TRIGGER, 0) => {
                vectors.remove_all();
                Ok(())
            }
            (irq::MSIX, DISABLE_OR_TRIGGER, _) => {
                let count = usize::try_from(count).map_err(|_| Errno::INVAL)?;
                vectors.trigger(start, std::iter::repeat_n(true, count))
            }
            (irq::MSIX, ASSIGN, _) if fds.is_empty() => vectors.remove(start, count),
            (irq::MSIX, ASSIGN, _) => vectors.assign(start, fds),
            // Disabling what is not there is how clients begin.
            (0..irq::COUNT, DISABLE_OR_TRIGGER, 0) => Ok(()),
            _ => Err(Errno::INVAL),
        }
    }

    /// Triggers those interrupts from `start` on whose byte in `chosen` is not 0 (SET_IRQS with `DATA_BOOL`).
    ///
    /// # Errors
    /// `EINVAL` for interrupts that the function does not have.
    pub fn trigger(&self, index: u32, start: u32, chosen: &[u8]) -> Result<(), Errno> {
        if index != irq::MSIX {
            return Err(Errno::INVAL);
        }
        let vectors = self.host.shared().vectors();
        vectors.trigger(start, chosen.iter().map(|&byte| byte != 0))
    }

    /// Resets the function as a bus reset does: registers, delays and configuration space, not the client's memory
    /// and eventfds.
    pub fn reset(&mut self) {
        self.reset_for("client", |_| ());
    }

    /// Power cycle of the SMMU alone: registers and delays start again, stalled transactions abort. The DMA devices
    /// and the PCI function around it, which the guest's hardware does not have, stay as they are.
    pub fn power_cycle(&mut self) {
        self.restart_smmu("control");
    }

    fn restart_smmu(&mut self, cause: &str) {
        let shared = Arc::clone(self.host.shared());
        let pause = shared.dma_gate().pause();
        self.smmu.lock().reset(&mut Callbacks::new(&shared));
        drop(pause);
        self.emit_reset(cause);
    }

    /// Puts a saved state of the SMMU in the place of what there is. The caller has paused the accesses of DMA devices
    /// ([`DmaGate::pause`](crate::host::dma_gate::DmaGate::pause)).
    ///
    /// # Errors
    /// [`StateError`] if the state is not one of this SMMU; nothing is changed then.
    pub fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.smmu
            .lock()
            .restore(&mut Callbacks::new(self.host.shared()), state)
    }

    /// Everything but what belongs to the client, while no access of a DMA device is under way; `also` happens before.
    fn reset_for(&mut self, cause: &str, also: impl FnOnce(&mut Host)) {
        let shared = Arc::clone(self.host.shared());
        let end = shared.dma_gate().end();
        also(&mut self.host);
        self.dma_devices.reset();
        shared.vectors().forget_edges();
        if let Some(clock) = &mut self.clock {
            clock.reset();
        }
        self.config.reset();
        self.smmu.lock().reset(&mut Callbacks::new(&shared));
        drop(end);
        self.emit_reset(cause);
    }

    fn emit_reset(&self, cause: &str) {
        let smmu = self.host.name();
        self.host
            .run()
            .emit(|| Event::new("RESET", json!({ "smmu": smmu, "cause": cause })));
    }

    /// The client is gone: the next one meets the function as after power-on.
    pub fn disconnect(&mut self) {
        // Before the reset, which could raise an interrupt of the client that left.
        self.reset_for("disconnected", Host::disconnect);
    }
}

fn config_space(register_space: u64, blocks_size: u64, host: &Host) -> ConfigSpace {
    let bar = |size: u64| u32::try_from(size).unwrap_or(1 << 31);
    let bars = [bar(register_space), 0, bar(blocks_size), 0, pci::MSIX_BAR_SIZE, 0];
    let vectors = u16::try_from(host.shared().vectors().len()).unwrap_or(pci::MAX_VECTORS);
    ConfigSpace::new(bars, vectors)
}
