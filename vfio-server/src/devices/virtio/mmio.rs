// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The virtio-mmio transport (virtio 1.2 §4.2): what accesses to the registers of a device do.
//!
//! Registers take aligned 32-bit accesses; others read zero and are ignored. The configuration space takes all widths.
//!
//! `Status` = 0 and `QueueReady` = 0 wait for the view that is in use in each queue, if one is: drivers go on as soon
//! as the write is over, and may give the memory to another user. A thread with a view waits for no thread that could
//! wait for the registers. Jobs are not waited for ([`super::jobs`]).

use std::fmt;
use std::sync::Arc;

use virtio_bindings::virtio_config::{
    VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_VERSION_1,
};
use virtio_bindings::virtio_ring::{VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC};

use super::State;
use super::complaint::Complaints;
use super::registers::{CONFIG, MAGIC, Register, VENDOR, VERSION};
use super::ring::{Handler, Ring, Setup};
use crate::sync::Mutex;

#[cfg(test)]
mod tests;

/// Features without which a driver cannot use the device: modern, and behind an IOMMU.
pub const REQUIRED: u64 = 1 << VIRTIO_F_VERSION_1 | 1 << VIRTIO_F_ACCESS_PLATFORM;
/// Features of every device.
pub const COMMON: u64 = REQUIRED | 1 << VIRTIO_RING_F_INDIRECT_DESC | 1 << VIRTIO_RING_F_EVENT_IDX;

/// Identity of a device for the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its type (virtio 1.2 §5).
    pub device: u32,
    /// Features of this type that it offers.
    pub features: u64,
    /// Its configuration space.
    pub config: Vec<u8>,
}

/// A queue as the register side and its thread share it.
pub type SharedRing<H> = Arc<Mutex<Ring<H>>>;

/// Wakes the thread of a queue.
pub type Bell = Box<dyn Fn() + Send>;

/// The registers of one queue, and the queue.
struct QueueSide<H> {
    ring: SharedRing<H>,
    bell: Bell,
    max_size: u16,
    setup: Setup,
    ready: bool,
}

/// The registers of a device.
pub struct Transport<H> {
    identity: Identity,
    state: Arc<State>,
    complaints: Arc<Complaints>,
    queues: Vec<QueueSide<H>>,
    device_features_sel: u32,
    driver_features_sel: u32,
    driver_features: u64,
    queue_sel: u32,
    /// Raises the interrupt of the device.
    interrupt: Bell,
}

impl<H: Handler> Transport<H> {
    /// A device after power-on. Each queue comes with what wakes its thread.
    pub fn new(
        identity: Identity,
        state: &Arc<State>,
        complaints: &Arc<Complaints>,
        queues: Vec<(SharedRing<H>, Bell)>,
        interrupt: Bell,
    ) -> Self {
        let queues = queues.into_iter().map(|(ring, bell)| {
            let max_size = ring.lock().max_size();
            QueueSide {
                ring,
                bell,
                max_size,
                setup: initial(max_size),
                ready: false,
            }
        });
        Self {
            identity,
            state: Arc::clone(state),
            complaints: Arc::clone(complaints),
            queues: queues.collect(),
            device_features_sel: 0,
            driver_features_sel: 0,
            driver_features: 0,
            queue_sel: 0,
            interrupt,
        }
    }

    /// Reads registers or configuration space.
    pub fn read(&mut self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        if let Some(offset) = offset.checked_sub(CONFIG) {
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            let bytes = self.identity.config.iter().skip(offset);
            data.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        } else if let (Some(register), Ok(data)) = (Register::at(offset), <&mut [u8; 4]>::try_from(data)) {
            *data = self.value(register).to_le_bytes();
        }
    }

    /// Writes registers. The configuration space has no field that a driver can write.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        if let (Some(register), Ok(data)) = (Register::at(offset), <[u8; 4]>::try_from(data)) {
            self.set(register, u32::from_le_bytes(data));
        }
    }

    /// The state after power-on.
    pub fn power_on(&mut self) {
        self.reset_with(Ring::reset);
    }

    fn value(&self, register: Register) -> u32 {
        let queue = self.queue();
        match register {
            Register::MagicValue => MAGIC,
            Register::Version => VERSION,
            Register::DeviceId => self.identity.device,
            Register::VendorId => VENDOR,
            Register::DeviceFeatures => half(self.offered(), self.device_features_sel),
            Register::QueueNumMax => queue.map_or(0, |queue| queue.max_size.into()),
            Register::QueueReady => queue.map_or(0, |queue| queue.ready.into()),
            Register::InterruptStatus => self.state.interrupt(),
            Register::Status => self.state.status(),
            Register::ShmLenLow | Register::ShmLenHigh | Register::ShmBaseLow | Register::ShmBaseHigh => {
                u32::MAX
            }
            Register::DeviceFeaturesSel
            | Register::DriverFeatures
            | Register::DriverFeaturesSel
            | Register::QueueSel
            | Register::QueueNum
            | Register::QueueNotify
            | Register::InterruptAck
            | Register::QueueDescLow
            | Register::QueueDescHigh
            | Register::QueueDriverLow
            | Register::QueueDriverHigh
            | Register::QueueDeviceLow
            | Register::QueueDeviceHigh
            | Register::ShmSel
            | Register::QueueReset
            | Register::ConfigGeneration => 0,
        }
    }

    fn set(&mut self, register: Register, value: u32) {
        match register {
            Register::DeviceFeaturesSel => self.device_features_sel = value,
            Register::DriverFeaturesSel => self.driver_features_sel = value,
            Register::DriverFeatures => self.accept(value),
            Register::QueueSel => self.queue_sel = value,
            Register::QueueNum => self.set_up(|setup| setup.size = value),
            Register::QueueDescLow => self.set_up(|setup| low(&mut setup.descriptors, value)),
            Register::QueueDescHigh => self.set_up(|setup| high(&mut setup.descriptors, value)),
            Register::QueueDriverLow => self.set_up(|setup| low(&mut setup.available, value)),
            Register::QueueDriverHigh => self.set_up(|setup| high(&mut setup.available, value)),
            Register::QueueDeviceLow => self.set_up(|setup| low(&mut setup.used, value)),
            Register::QueueDeviceHigh => self.set_up(|setup| high(&mut setup.used, value)),
            Register::QueueReady => self.set_ready(value),
            Register::QueueNotify => self.notify(value),
            Register::InterruptAck => self.state.acknowledge(value),
            Register::Status => self.set_status(value),
            Register::MagicValue
            | Register::Version
            | Register::DeviceId
            | Register::VendorId
            | Register::DeviceFeatures
            | Register::QueueNumMax
            | Register::InterruptStatus
            | Register::ShmSel
            | Register::ShmLenLow
            | Register::ShmLenHigh
            | Register::ShmBaseLow
            | Register::ShmBaseHigh
            | Register::QueueReset
            | Register::ConfigGeneration => {}
        }
    }

    fn offered(&self) -> u64 {
        COMMON | self.identity.features
    }

    fn has(&self, status: u32) -> bool {
        self.state.status() & status != 0
    }

    /// Features are fixed once they are negotiated.
    fn accept(&mut self, value: u32) {
        if self.has(VIRTIO_CONFIG_S_FEATURES_OK) {
            return;
        }
        match self.driver_features_sel {
            0 => low(&mut self.driver_features, value),
            1 => high(&mut self.driver_features, value),
            _ => {}
        }
    }

    fn queue(&self) -> Option<&QueueSide<H>> {
        self.queues.get(usize::try_from(self.queue_sel).ok()?)
    }

    fn queue_mut(&mut self) -> Option<&mut QueueSide<H>> {
        self.queues.get_mut(usize::try_from(self.queue_sel).ok()?)
    }

    /// A driver does not change a queue that is ready.
    fn set_up(&mut self, change: impl FnOnce(&mut Setup)) {
        if let Some(queue) = self.queue_mut().filter(|queue| !queue.ready) {
            change(&mut queue.setup);
        }
    }

    fn set_ready(&mut self, value: u32) {
        let event_idx = self.driver_features & (1 << VIRTIO_RING_F_EVENT_IDX) != 0;
        let negotiated = self.has(VIRTIO_CONFIG_S_FEATURES_OK);
        let Some(queue) = self.queue_mut() else {
            return;
        };
        let ready = value & 1 != 0;
        if ready == queue.ready {
            return;
        }
        let mut ring = queue.ring.lock();
        if !ready {
            ring.stop();
            queue.ready = false;
            drop(ring);
            return self.state.jobs().leave_behind();
        }
        queue.setup.event_idx = event_idx;
        let result = if negotiated {
            ring.set_up(&queue.setup).map_err(|problem| problem.to_string())
        } else {
            Err("a queue is made ready before features are negotiated".to_owned())
        };
        queue.ready = result.is_ok();
        drop(ring);
        if let Err(problem) = result {
            self.complaints.needs_reset(&problem);
            self.needs_reset();
        }
    }

    fn notify(&self, queue: u32) {
        let queue = usize::try_from(queue)
            .ok()
            .and_then(|queue| self.queues.get(queue));
        if let (Some(queue), true) = (queue, self.state.runs()) {
            (queue.bell)();
        }
    }

    fn set_status(&mut self, value: u32) {
        if value == 0 {
            return self.reset_with(Ring::stop);
        }
        let mut value = value;
        if value & VIRTIO_CONFIG_S_FEATURES_OK != 0 && !self.has(VIRTIO_CONFIG_S_FEATURES_OK) {
            let accepted = self.driver_features;
            if accepted & REQUIRED != REQUIRED || accepted & !self.offered() != 0 {
                self.complaints.warn(&format_args!(
                    "the driver accepts features {accepted:#x} of {:#x}: it must take VIRTIO_F_VERSION_1 and \
                     VIRTIO_F_ACCESS_PLATFORM, and none that is not offered",
                    self.offered()
                ));
                value &= !VIRTIO_CONFIG_S_FEATURES_OK;
            }
        }
        let before = self.state.status();
        if value & VIRTIO_CONFIG_S_DRIVER_OK != 0 && (before | value) & VIRTIO_CONFIG_S_FEATURES_OK == 0 {
            self.complaints
                .needs_reset(&"the driver starts before features are negotiated");
            value &= !VIRTIO_CONFIG_S_DRIVER_OK;
            self.state.set_status(value);
            return self.needs_reset();
        }
        self.state.set_status(value);
        if value & !before & VIRTIO_CONFIG_S_DRIVER_OK != 0 {
            // What was made available before counts.
            self.queues.iter().for_each(|queue| (queue.bell)());
        }
    }

    fn needs_reset(&self) {
        if self.state.needs_reset() {
            (self.interrupt)();
        }
    }

    fn reset_with(&mut self, reset: impl Fn(&mut Ring<H>)) {
        for queue in &mut self.queues {
            reset(&mut queue.ring.lock());
            queue.ready = false;
            queue.setup = initial(queue.max_size);
        }
        // Now that no batch is under way, no other thread changes it.
        self.state.reset();
        self.device_features_sel = 0;
        self.driver_features_sel = 0;
        self.driver_features = 0;
        self.queue_sel = 0;
    }
}

fn initial(max_size: u16) -> Setup {
    Setup {
        size: max_size.into(),
        descriptors: 0,
        available: 0,
        used: 0,
        event_idx: false,
    }
}

/// One half of the features.
fn half(features: u64, number: u32) -> u32 {
    let [a, b, c, d, e, f, g, h] = features.to_le_bytes();
    match number {
        0 => u32::from_le_bytes([a, b, c, d]),
        1 => u32::from_le_bytes([e, f, g, h]),
        _ => 0,
    }
}

fn low(value: &mut u64, half: u32) {
    *value = (*value >> 32 << 32) | u64::from(half);
}

fn high(value: &mut u64, half: u32) {
    *value = (*value << 32 >> 32) | u64::from(half) << 32;
}

impl<H> fmt::Debug for Transport<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("identity", &self.identity)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
