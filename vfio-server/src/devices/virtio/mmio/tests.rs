// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::*;
use crate::devices::virtio::rng::Rng;

struct World {
    transport: Transport<Rng>,
    rings: Vec<SharedRing<Rng>>,
    bells: Arc<AtomicU32>,
    interrupts: Arc<AtomicU32>,
    complaints: Arc<Complaints>,
}

fn counter() -> (Arc<AtomicU32>, Bell) {
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    (
        count,
        Box::new(move || _ = counted.fetch_add(1, Ordering::Relaxed)),
    )
}

impl World {
    /// Two queues of 64 entries, feature 5, eight bytes of configuration space.
    fn new() -> Self {
        let identity = Identity {
            device: 4,
            features: 1 << 5,
            config: (1..=8).collect(),
        };
        let rings: Vec<SharedRing<Rng>> = (0..2)
            .map(|number| Arc::new(Mutex::new(Ring::new(number, 64, Rng::new(1)).unwrap())))
            .collect();
        let bells = Arc::new(AtomicU32::new(0));
        let queues = rings.iter().zip([1, 0x10]).map(|(ring, weight)| {
            let bells = Arc::clone(&bells);
            let bell: Bell = Box::new(move || _ = bells.fetch_add(weight, Ordering::Relaxed));
            (Arc::clone(ring), bell)
        });
        let (interrupts, interrupt) = counter();
        let complaints = Arc::new(Complaints::new("device"));
        let transport = Transport::new(
            identity,
            &Arc::default(),
            &complaints,
            queues.collect(),
            interrupt,
        );
        Self {
            transport,
            rings,
            bells,
            interrupts,
            complaints,
        }
    }

    fn r(&mut self, register: Register) -> u32 {
        let mut data = [0xee; 4];
        self.transport.read(register.offset(), &mut data);
        u32::from_le_bytes(data)
    }

    fn w(&mut self, register: Register, value: u32) {
        self.transport.write(register.offset(), &value.to_le_bytes());
    }

    /// Up to FEATURES_OK; returns the status.
    fn negotiate(&mut self, features: u64) -> u32 {
        self.w(Register::Status, 1);
        self.w(Register::Status, 3);
        for number in 0..2 {
            self.w(Register::DriverFeaturesSel, number);
            self.w(Register::DriverFeatures, half(features, number));
        }
        self.w(Register::Status, 0xb);
        self.r(Register::Status)
    }

    fn queue(&mut self, number: u32, size: u32) -> u32 {
        self.w(Register::QueueSel, number);
        self.w(Register::QueueNum, size);
        self.w(Register::QueueDescLow, 0x1000);
        self.w(Register::QueueDescHigh, 1);
        self.w(Register::QueueDriverLow, 0x2000);
        self.w(Register::QueueDeviceLow, 0x3000);
        self.w(Register::QueueReady, 1);
        self.r(Register::QueueReady)
    }
}

#[test]
fn offsets_are_those_of_the_kernel() {
    use virtio_bindings::virtio_mmio as kernel;
    for (register, offset) in [
        (Register::MagicValue, kernel::VIRTIO_MMIO_MAGIC_VALUE),
        (Register::DeviceFeatures, kernel::VIRTIO_MMIO_DEVICE_FEATURES),
        (
            Register::DriverFeaturesSel,
            kernel::VIRTIO_MMIO_DRIVER_FEATURES_SEL,
        ),
        (Register::QueueNumMax, kernel::VIRTIO_MMIO_QUEUE_NUM_MAX),
        (Register::QueueNotify, kernel::VIRTIO_MMIO_QUEUE_NOTIFY),
        (Register::InterruptAck, kernel::VIRTIO_MMIO_INTERRUPT_ACK),
        (Register::Status, kernel::VIRTIO_MMIO_STATUS),
        (Register::QueueDescLow, kernel::VIRTIO_MMIO_QUEUE_DESC_LOW),
        (Register::QueueDriverLow, kernel::VIRTIO_MMIO_QUEUE_AVAIL_LOW),
        (Register::QueueDeviceHigh, kernel::VIRTIO_MMIO_QUEUE_USED_HIGH),
        (Register::ShmLenLow, kernel::VIRTIO_MMIO_SHM_LEN_LOW),
        (Register::ConfigGeneration, kernel::VIRTIO_MMIO_CONFIG_GENERATION),
    ] {
        assert_eq!(register.offset(), u64::from(offset), "{}", register.name());
        assert_eq!(Register::at(offset.into()), Some(register));
    }
    assert!(Register::ALL.is_sorted_by_key(|register| register.offset()));
    assert_eq!(CONFIG, u64::from(kernel::VIRTIO_MMIO_CONFIG));
}

#[test]
fn a_driver_starts_a_device() {
    let mut world = World::new();
    assert_eq!(
        (world.r(Register::MagicValue), world.r(Register::Version)),
        (0x7472_6976, 2)
    );
    assert_eq!(world.r(Register::DeviceId), 4);
    assert_eq!(world.r(Register::DeviceFeatures), 1 << 5 | 3 << 28);
    world.w(Register::DeviceFeaturesSel, 1);
    assert_eq!(world.r(Register::DeviceFeatures), 3);
    world.w(Register::DeviceFeaturesSel, 2);
    assert_eq!(world.r(Register::DeviceFeatures), 0);
    assert_eq!(world.negotiate(REQUIRED | 1 << 5), 0xb);
    assert_eq!(world.r(Register::QueueNumMax), 64);
    assert_eq!(
        (world.queue(0, 16), world.queue(1, 64), world.queue(2, 64)),
        (1, 1, 0)
    );
    assert_eq!(world.r(Register::QueueNumMax), 0);
    // Not before it runs.
    world.w(Register::QueueNotify, 0);
    assert_eq!(world.bells.load(Ordering::Relaxed), 0);
    world.w(Register::Status, 0xf);
    assert_eq!(world.bells.load(Ordering::Relaxed), 0x11);
    for queue in [1, 2, u32::MAX] {
        world.w(Register::QueueNotify, queue);
    }
    assert_eq!(world.bells.load(Ordering::Relaxed), 0x21);
    assert_eq!(world.complaints.total(), 0);
    world.w(Register::Status, 0);
    world.w(Register::QueueSel, 1);
    assert_eq!((world.r(Register::Status), world.r(Register::QueueReady)), (0, 0));
    assert_eq!(world.negotiate(REQUIRED), 0xb);
}

#[test]
fn features_that_must_be_taken_or_are_not_offered() {
    for features in [0, 1 << 32, 1 << 33, REQUIRED | 1 << 34, REQUIRED | 1 << 6] {
        let mut world = World::new();
        assert_eq!(world.negotiate(features), 3, "{features:#x}");
        assert_eq!(world.complaints.total(), 1);
        // It cannot be started all the same.
        world.w(Register::Status, 7);
        assert_eq!(world.r(Register::Status), 0x43, "{features:#x}");
        assert_eq!(world.bells.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn features_are_fixed_once_negotiated() {
    let mut world = World::new();
    world.negotiate(REQUIRED);
    world.w(Register::DriverFeaturesSel, 1);
    world.w(Register::DriverFeatures, 0);
    world.w(Register::Status, 3);
    world.w(Register::Status, 0xb);
    assert_eq!(world.r(Register::Status), 0xb);
}

#[test]
fn a_queue_that_cannot_be_needs_a_reset() {
    for (what, size) in [
        ("too large", 128),
        ("no power of two", 17),
        ("none", 0),
        ("beyond 16 bits", 0x1_0010),
    ] {
        let mut world = World::new();
        world.negotiate(REQUIRED);
        world.w(Register::Status, 0xf);
        assert_eq!(world.queue(0, size), 0, "{what}");
        assert_eq!(
            (world.r(Register::Status), world.r(Register::InterruptStatus)),
            (0x4f, 2),
            "{what}"
        );
        assert_eq!(world.interrupts.load(Ordering::Relaxed), 1, "{what}");
        // Software cannot clear it but by a reset.
        world.w(Register::Status, 0xf);
        assert_eq!(world.r(Register::Status), 0x4f);
        world.w(Register::InterruptAck, 2);
        assert_eq!(world.r(Register::InterruptStatus), 0);
        world.w(Register::Status, 0);
        assert_eq!(world.r(Register::Status), 0);
    }
    let mut world = World::new();
    assert_eq!(world.queue(0, 16), 0, "before features");
    assert_eq!(
        (world.r(Register::Status), world.r(Register::InterruptStatus)),
        (0x40, 0)
    );
}

/// A VMM does not wait for the answer of a write, so the driver may have looked at the rings before its acknowledgement
/// arrives.
#[test]
fn an_acknowledgement_is_of_what_was_read() {
    let state = State::default();
    state.used_buffers();
    assert_eq!(state.interrupt(), 1);
    state.used_buffers();
    state.acknowledge(1);
    assert_eq!(state.interrupt(), 1, "of the second event");
    state.acknowledge(1);
    assert_eq!(state.interrupt(), 0);
    // Without reading it goes too, in the end.
    state.used_buffers();
    state.acknowledge(!0);
    state.acknowledge(!0);
    assert_eq!(state.interrupt(), 0);
}

#[test]
fn a_queue_that_is_ready_does_not_change() {
    let mut world = World::new();
    world.negotiate(REQUIRED);
    world.queue(0, 16);
    world.w(Register::QueueNum, 3);
    world.w(Register::QueueReady, 0);
    assert_eq!(world.r(Register::QueueReady), 0);
    world.w(Register::QueueReady, 1);
    assert_eq!(world.r(Register::QueueReady), 1);
}

#[test]
fn a_reset_waits_for_the_batch_under_way() {
    let mut world = World::new();
    world.negotiate(REQUIRED);
    let ring = Arc::clone(&world.rings[1]);
    let batch = ring.lock();
    let (begun, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            begun.store(true, Ordering::SeqCst);
            world.w(Register::Status, 0);
            assert!(is_over.load(Ordering::SeqCst), "the batch was under way");
        });
        while !begun.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        is_over.store(true, Ordering::SeqCst);
        drop(batch);
    });
    assert_eq!(world.r(Register::Status), 0);
}

#[test]
fn widths_and_holes() {
    let mut world = World::new();
    let mut read = |offset, length| {
        let mut data = vec![0xee; length];
        world.transport.read(offset, &mut data);
        data
    };
    for (offset, length) in [
        (0, 1),
        (0, 2),
        (0, 8),
        (1, 4),
        (0x18, 4),
        (0x34, 2),
        (0xfe, 4),
        (0x108, 4),
        (0xfff, 1),
    ] {
        assert_eq!(read(offset, length), vec![0; length], "{offset:#x} {length}");
    }
    assert_eq!(
        (read(0x100, 1), read(0x102, 2), read(0x100, 8)),
        (vec![1], vec![3, 4], (1..=8).collect())
    );
    assert_eq!(read(0x107, 4), [8, 0, 0, 0]);
    for shm in 0xb0..0xc0 {
        assert_eq!(read(shm, 4), if shm % 4 == 0 { [0xff; 4] } else { [0; 4] });
    }
    world.w(Register::DeviceFeaturesSel, 1);
    for (offset, data) in [
        (0x14, vec![0]),
        (0x14, vec![0; 8]),
        (0x15, vec![0; 4]),
        (0x100, vec![9; 4]),
        (0xffc, vec![9; 4]),
    ] {
        world.transport.write(offset, &data);
    }
    assert_eq!(world.r(Register::DeviceFeatures), 3);
    assert_eq!(world.transport.identity.config, (1..=8).collect::<Vec<u8>>());
}

#[test]
fn power_on_forgets_everything() {
    let mut world = World::new();
    world.negotiate(REQUIRED);
    world.queue(1, 16);
    world.w(Register::Status, 0xf);
    world.transport.power_on();
    assert_eq!(
        (world.r(Register::Status), world.r(Register::InterruptStatus)),
        (0, 0)
    );
    assert!(
        world
            .transport
            .queues
            .iter()
            .all(|queue| !queue.ready && queue.setup.size == 64)
    );
    assert_eq!(world.transport.driver_features, 0);
}
