// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The PCI function of one SMMU: the only place where vfio-user's requests and the model meet.
//!
//! BAR0 is the register space, BAR2 the marks page (word i is mark i; writing anything but 0 raises it), BAR4 the
//! MSI-X table and pending bits.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use serde_json::json;
use smmu_emu::{Config, ConfigError, Plan, Smmu};
use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE,
};

use crate::control::event::Event;
use crate::host::Host;
use crate::memory::MapError;
use crate::pci::{self, ConfigSpace};

#[cfg(test)]
mod tests;

/// The regions of a vfio PCI device that this function fills; the others have size 0.
pub mod region {
    /// The SMMU's registers.
    pub const REGISTERS: u32 = 0;
    /// The marks page.
    pub const MARKS: u32 = 2;
    /// MSI-X table and pending bits.
    pub const MSIX: u32 = pci_bar();
    /// Configuration space.
    pub const CONFIG: u32 = 7;
    /// Number of regions that a vfio PCI device has.
    pub const COUNT: u32 = 9;

    const fn pci_bar() -> u32 {
        crate::pci::MSIX_BAR as u32
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

/// Bytes of the marks page.
pub const MARKS_SIZE: u64 = 4096;

/// One SMMU as a PCI function.
#[derive(Debug)]
pub struct Function {
    smmu: Smmu,
    host: Host,
    config: ConfigSpace,
    register_space: u64,
}

impl Function {
    /// The function after power-on.
    ///
    /// # Errors
    /// [`ConfigError`] names the field of the model or of the plan.
    pub fn new(model: &Config, plan: Plan, host: Host) -> Result<Self, ConfigError> {
        let smmu = Smmu::new(model, plan)?;
        let register_space = model.register_space();
        let bar = |size: u64| u32::try_from(size).unwrap_or(1 << 31);
        let bars = [bar(register_space), 0, bar(MARKS_SIZE), 0, pci::MSIX_BAR_SIZE, 0];
        let vectors = u16::try_from(host.vectors.len()).unwrap_or(pci::MAX_VECTORS);
        let config = ConfigSpace::new(bars, vectors);
        Ok(Self {
            smmu,
            host,
            config,
            register_space,
        })
    }

    /// The surroundings of the model.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The surroundings of the model, to change them.
    #[must_use]
    pub fn host_mut(&mut self) -> &mut Host {
        &mut self.host
    }

    /// The model.
    #[must_use]
    pub fn smmu(&self) -> &Smmu {
        &self.smmu
    }

    /// The model, to change its timing plan.
    #[must_use]
    pub fn smmu_mut(&mut self) -> &mut Smmu {
        &mut self.smmu
    }

    /// Number of MSI-X vectors.
    #[must_use]
    pub fn vectors(&self) -> u32 {
        u32::try_from(self.host.vectors.len()).unwrap_or(u32::MAX)
    }

    /// Bytes of a region; 0 for those that this function does not have.
    ///
    /// # Errors
    /// `EINVAL` for a number that no vfio PCI device has.
    pub fn region_size(&self, number: u32) -> Result<u64, Errno> {
        match number {
            region::REGISTERS => Ok(self.register_space),
            region::MARKS => Ok(MARKS_SIZE),
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

    /// Reads a region. A guest that reads what is not there reads 0, as on a bus.
    ///
    /// # Errors
    /// `EINVAL` if the bytes are not all within the region: a mistake of the client, not of the guest.
    pub fn read(&mut self, number: u32, offset: u64, data: &mut [u8]) -> Result<(), Errno> {
        self.check(number, offset, data.len())?;
        match number {
            region::REGISTERS => self.smmu.read(&mut self.host, offset, data),
            region::MARKS => self.read_marks(offset, data),
            region::MSIX => match offset.checked_sub(u64::from(pci::PENDING_OFFSET)) {
                Some(offset) => self.host.vectors.pending(offset, data),
                // QEMU keeps the table itself and does not ask.
                None => data.fill(0),
            },
            region::CONFIG => self.config.read(offset, data),
            _ => data.fill(0),
        }
        Ok(())
    }

    /// Writes a region.
    ///
    /// # Errors
    /// `EINVAL` if the bytes are not all within the region.
    pub fn write(&mut self, number: u32, offset: u64, data: &[u8]) -> Result<(), Errno> {
        self.check(number, offset, data.len())?;
        match number {
            region::REGISTERS => self.smmu.write(&mut self.host, offset, data),
            region::MARKS => self.write_marks(offset, data),
            region::CONFIG => self.config.write(offset, data),
            _ => {}
        }
        Ok(())
    }

    fn read_marks(&self, offset: u64, data: &mut [u8]) {
        for (at, byte) in (offset..).zip(data) {
            let mark = usize::try_from(at / 4).unwrap_or(usize::MAX);
            *byte = u8::from(at.is_multiple_of(4) && self.host.run().is_raised(mark));
        }
    }

    fn write_marks(&self, offset: u64, data: &[u8]) {
        for (at, byte) in (offset..).zip(data) {
            if *byte != 0 {
                self.host
                    .run()
                    .raise(usize::try_from(at / 4).unwrap_or(usize::MAX));
            }
        }
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
        self.host.memory.map(address, size, offset, writable, file)
    }

    /// Unmaps guest memory; everything if `all`.
    ///
    /// # Errors
    /// As of [`crate::memory::GuestMemory::unmap`].
    pub fn unmap(&mut self, address: u64, size: u64, all: bool) -> Result<(), Errno> {
        if all {
            self.host.memory.unmap_all();
            return Ok(());
        }
        self.host.memory.unmap(address, size)
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
        match (index, flags, count) {
            (irq::MSIX, DISABLE_OR_TRIGGER, 0) => {
                self.host.vectors.remove_all();
                Ok(())
            }
            (irq::MSIX, DISABLE_OR_TRIGGER, _) => self.host.vectors.trigger(start, count),
            (irq::MSIX, ASSIGN, _) if fds.is_empty() => self.host.vectors.remove(start, count),
            (irq::MSIX, ASSIGN, _) => self.host.vectors.assign(start, fds),
            // Disabling what is not there is how clients begin.
            (0..irq::COUNT, DISABLE_OR_TRIGGER, 0) => Ok(()),
            _ => Err(Errno::INVAL),
        }
    }

    /// Resets the function as a bus reset does: registers, delays and configuration space, not the client's memory
    /// and eventfds.
    pub fn reset(&mut self) {
        self.reset_for("client");
    }

    /// What a power cycle of the SMMU alone does: registers and delays start again, the PCI function around it, which
    /// the guest's hardware does not have, stays as it is.
    pub fn power_cycle(&mut self) {
        self.smmu.reset(&mut self.host);
        self.tell_of_reset("control");
    }

    fn reset_for(&mut self, cause: &str) {
        self.config.reset();
        self.smmu.reset(&mut self.host);
        self.tell_of_reset(cause);
    }

    fn tell_of_reset(&self, cause: &str) {
        let smmu = self.host.name();
        self.host
            .run()
            .tell(|| Event::new("RESET", json!({ "smmu": smmu, "cause": cause })));
    }

    /// The client is gone: the next one meets the function as after power-on.
    pub fn disconnect(&mut self) {
        // First, so that the reset cannot raise an interrupt of the client that left.
        self.host.disconnect();
        self.reset_for("disconnected");
    }
}
