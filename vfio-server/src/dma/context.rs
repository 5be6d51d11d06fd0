// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The context that an engine is made in: registers, interrupt, threads.

use std::io;
use std::sync::Arc;

use smmu_emu::SmmuHandle;

use super::port::{Activity, Port};
use super::thread::{Doorbell, Thread};
use crate::host::Shared;

/// Bytes of a register block.
pub const BLOCK_SIZE: u64 = 4096;

/// The registers of a DMA device. Called with the function locked: these return at once, and never wait for a thread of
/// the DMA device, which may be waiting itself.
pub trait MmioRegion: Send + std::fmt::Debug {
    /// Reads `data.len()` bytes at `offset`, which are within [`BLOCK_SIZE`].
    fn read(&mut self, offset: u64, data: &mut [u8]);

    /// Writes bytes at `offset`, which are within [`BLOCK_SIZE`].
    fn write(&mut self, offset: u64, data: &[u8]);

    /// Back to the state after power-on. No access is under way; a thread that works on something gets
    /// [`Revoked`](crate::host::dma_gate::Revoked) from its next access, and must not find its work again.
    fn reset(&mut self);
}

/// The interrupt of a DMA device: an edge for every event.
#[derive(Clone, Debug)]
pub struct Interrupt {
    shared: Arc<Shared>,
    vector: usize,
}

impl Interrupt {
    /// Raises it. Does not wait for anything.
    pub fn raise(&self) {
        self.shared.vectors().raise(self.vector);
    }
}

/// Context of an engine: what it is given, and what it has started there.
#[derive(Debug)]
pub struct DeviceContext {
    name: String,
    stream: u16,
    smmu: SmmuHandle,
    shared: Arc<Shared>,
    vector: usize,
    activity: Arc<Activity>,
    threads: Vec<Thread>,
}

impl DeviceContext {
    /// A place for the DMA device `name` behind `smmu`, whose accesses are of `stream` and whose interrupt is `vector`.
    #[must_use]
    pub fn new(name: &str, stream: u16, smmu: &SmmuHandle, shared: &Arc<Shared>, vector: usize) -> Self {
        Self {
            name: name.to_owned(),
            stream,
            smmu: smmu.clone(),
            shared: Arc::clone(shared),
            vector,
            activity: Arc::default(),
            threads: Vec::new(),
        }
    }

    /// Parts that outlive the making of the device.
    #[must_use]
    pub fn into_parts(self) -> (Arc<Activity>, Vec<Thread>) {
        (self.activity, self.threads)
    }

    /// Name of the DMA device.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its stream ID.
    #[must_use]
    pub fn stream(&self) -> u16 {
        self.stream
    }

    /// State shared with the SMMU's register side, such as the run's events.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Its interrupt.
    #[must_use]
    pub fn interrupt(&self) -> Interrupt {
        Interrupt {
            shared: Arc::clone(&self.shared),
            vector: self.vector,
        }
    }

    /// Starts a thread with a port of its own, which calls `work` after the doorbell was rung.
    ///
    /// A call belongs to the generation between two resets in which it begins: its port makes no access after the next
    /// reset, also for what was asked for since. So a call does not take one job after the other from what a reset
    /// clears; rings are kept, and the next call finds what this one leaves.
    ///
    /// # Errors
    /// There are no more threads.
    pub fn thread(&mut self, work: impl FnMut(&mut Port) + Send + 'static) -> io::Result<Doorbell> {
        let shared = Arc::clone(&self.shared);
        let port = Port::new(
            &self.smmu,
            Arc::clone(&shared),
            self.stream,
            Arc::clone(&self.activity),
        );
        let thread = Thread::start(&self.name, shared, port, work)?;
        let doorbell = thread.doorbell().clone();
        self.threads.push(thread);
        Ok(doorbell)
    }
}
