// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Virtio devices (virtio 1.2) behind the SMMU: every access that they make to memory is one of their stream.
//!
//! | module | is |
//! | --- | --- |
//! | [`registers`] | the registers of the virtio-mmio transport |
//! | [`mmio`] | what accesses to them do |
//! | [`ring`] | one queue and what serves it: a batch of chains, run on a DMA thread |
//! | [`handler`] | what a device does with the chains of a queue |
//! | [`buffers`] | the buffers of one chain |
//! | [`jobs`] | what a queue does between two batches, and what a reset leaves of it |
//! | [`blk`], [`rng`], [`console`] | the devices |
//! | [`engine`] | the devices as DMA devices: threads, interrupts |
//! | [`complaint`] | messages that a guest cannot flood the log with |
//!
//! The register side and the DMA threads share two things: a queue with what serves it, in a mutex that a thread holds
//! during a batch, and the [`State`] of the device, which is atomic. Nothing that a guest puts into its rings ends more
//! than its own device, which then asks for a reset (`DEVICE_NEEDS_RESET`, virtio 1.2 §2.1).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use smmu_emu::View;
use virtio_bindings::virtio_config::{VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_NEEDS_RESET};
use virtio_bindings::virtio_mmio::{VIRTIO_MMIO_INT_CONFIG, VIRTIO_MMIO_INT_VRING};
use vm_memory::{GuestMemory, GuestMemoryBackend};

use jobs::Jobs;

pub mod blk;
pub mod buffers;
pub mod complaint;
pub mod console;
pub mod engine;
pub mod handler;
pub mod jobs;
pub mod mmio;
pub mod registers;
pub mod ring;
pub mod rng;

#[cfg(test)]
mod testing;

/// Guest memory as a device reaches it.
pub trait Dma: GuestMemory {
    /// Whether an access has stalled: what failed since has to be done again once software has decided.
    fn is_stalled(&self) -> bool;

    /// Whether all accesses fail for now, because of a fault that is to be handled first.
    fn is_blocked(&self) -> bool;
}

impl<M: GuestMemoryBackend + ?Sized> Dma for View<'_, M> {
    fn is_stalled(&self) -> bool {
        self.is_stalled()
    }

    fn is_blocked(&self) -> bool {
        self.is_blocked()
    }
}

/// State that the registers and the threads of one device both change.
#[derive(Debug, Default)]
pub struct State {
    status: AtomicU32,
    /// `InterruptStatus`, and [`SINCE`] bits above it which of it was set since the driver read it.
    ///
    /// A driver reads, acknowledges what it read, and looks at the rings. Its write may reach us after it has looked: a
    /// VMM does not wait for the answer of a write. An event between is not what it acknowledges, and would be lost.
    interrupt: AtomicU32,
    jobs: Arc<Jobs>,
}

const SINCE: u32 = 16;

impl State {
    /// `Status`.
    #[must_use]
    pub fn status(&self) -> u32 {
        self.status.load(Ordering::Acquire)
    }

    /// The driver reads `InterruptStatus`.
    fn interrupt(&self) -> u32 {
        let known = (1 << SINCE) - 1;
        self.interrupt.fetch_and(known, Ordering::AcqRel) & known
    }

    fn event(&self, bits: u32) {
        self.interrupt.fetch_or(bits | bits << SINCE, Ordering::AcqRel);
    }

    /// Whether the driver lets the device use its queues, and the device can.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.status() & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET) == VIRTIO_CONFIG_S_DRIVER_OK
    }

    /// The jobs of its queues.
    #[must_use]
    pub fn jobs(&self) -> &Arc<Jobs> {
        &self.jobs
    }

    /// A queue has used buffers. The caller sends an edge afterwards.
    fn used_buffers(&self) {
        self.event(VIRTIO_MMIO_INT_VRING);
    }

    /// The device cannot go on. Returns whether the driver has to be told by an edge: not before it runs.
    fn needs_reset(&self) -> bool {
        let before = self
            .status
            .fetch_or(VIRTIO_CONFIG_S_NEEDS_RESET, Ordering::AcqRel);
        let tell = before & VIRTIO_CONFIG_S_DRIVER_OK != 0;
        if tell {
            self.event(VIRTIO_MMIO_INT_CONFIG);
        }
        tell
    }

    /// The driver writes `InterruptACK`: what it has not read stays, once.
    fn acknowledge(&self, bits: u32) {
        let bits = bits & ((1 << SINCE) - 1);
        let clear = |old: u32| {
            let since = bits & (old >> SINCE);
            Some(old & !(bits & !since) & !(since << SINCE))
        };
        let _ = self
            .interrupt
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, clear);
    }

    /// The driver writes `Status`: the device's own bit stays.
    fn set_status(&self, status: u32) {
        let keep = |old| Some((old & VIRTIO_CONFIG_S_NEEDS_RESET) | (status & !VIRTIO_CONFIG_S_NEEDS_RESET));
        let _ = self
            .status
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, keep);
    }

    /// No batch is under way.
    fn reset(&self) {
        self.jobs.leave_behind();
        self.status.store(0, Ordering::Release);
        self.interrupt.store(0, Ordering::Release);
    }
}
