// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The DMA devices of one SMMU as the function holds them: a register block each, one after the other in BAR2.

use std::sync::Arc;

use smmu_emu::SmmuHandle;

use crate::config::{DmaDeviceConfig, DmaDeviceError};
use crate::devices::kinds;
use crate::dma::thread::Thread;
use crate::dma::{Activity, BLOCK_SIZE, DeviceContext, MmioRegion};
use crate::host::Shared;

#[cfg(test)]
pub(crate) mod tests;

/// One DMA device of an SMMU.
#[derive(Debug)]
pub struct DmaDevice {
    config: DmaDeviceConfig,
    block: Box<dyn MmioRegion>,
    vector: usize,
    activity: Arc<Activity>,
    threads: Vec<Thread>,
}

impl DmaDevice {
    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &DmaDeviceConfig {
        &self.config
    }

    /// Its MSI-X vector.
    #[must_use]
    pub fn vector(&self) -> usize {
        self.vector
    }

    /// Counts of its accesses.
    #[must_use]
    pub fn activity(&self) -> &Activity {
        &self.activity
    }
}

/// The DMA devices of one SMMU.
#[derive(Debug)]
pub struct DmaDevices {
    shared: Arc<Shared>,
    dma_devices: Vec<DmaDevice>,
}

impl DmaDevices {
    /// No DMA devices.
    #[must_use]
    pub fn none(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            dma_devices: Vec::new(),
        }
    }

    /// Makes DMA devices, whose vectors begin with `vector`, and starts their threads.
    ///
    /// # Errors
    /// [`DmaDeviceError`] names the DMA device; none is left running then.
    pub fn start(
        configs: &[DmaDeviceConfig],
        smmu: &SmmuHandle,
        shared: &Arc<Shared>,
        vector: usize,
    ) -> Result<Self, DmaDeviceError> {
        let mut started = Self::none(shared);
        for (vector, config) in (vector..).zip(configs) {
            let mut context = DeviceContext::new(&config.name, config.stream_id, smmu, shared, vector);
            let block = kinds::start(&config.kind, &mut context).map_err(|problem| DmaDeviceError {
                name: config.name.clone(),
                problem,
            });
            let (activity, threads) = context.into_parts();
            started.dma_devices.push(DmaDevice {
                config: config.clone(),
                block: block?,
                vector,
                activity,
                threads,
            });
        }
        Ok(started)
    }

    /// All of them, in the order of the configuration.
    #[must_use]
    pub fn all(&self) -> &[DmaDevice] {
        &self.dma_devices
    }

    /// Reads the blocks at an offset from the first one. Where none is, and across the border of two, there is 0.
    pub fn read(&mut self, offset: u64, data: &mut [u8]) {
        match self.block(offset, data.len()) {
            Some((block, offset)) => block.read(offset, data),
            None => data.fill(0),
        }
    }

    /// Writes the blocks at an offset from the first one.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        if let Some((block, offset)) = self.block(offset, data.len()) {
            block.write(offset, data);
        }
    }

    fn block(&mut self, offset: u64, length: usize) -> Option<(&mut dyn MmioRegion, u64)> {
        let (number, offset) = (offset / BLOCK_SIZE, offset % BLOCK_SIZE);
        let end = u64::try_from(length).ok()?.checked_add(offset)?;
        let dma_device = self.dma_devices.get_mut(usize::try_from(number).ok()?)?;
        (end <= BLOCK_SIZE).then_some((&mut *dma_device.block, offset))
    }

    /// Resets every block. The caller has ended all accesses.
    pub fn reset(&mut self) {
        for dma_device in &mut self.dma_devices {
            dma_device.block.reset();
        }
    }
}

impl Drop for DmaDevices {
    fn drop(&mut self) {
        if self.dma_devices.is_empty() {
            return;
        }
        self.shared.dma_gate().stop();
        // All of them first, so that they end at the same time.
        let threads = || self.dma_devices.iter().flat_map(|dma_device| &dma_device.threads);
        threads().for_each(Thread::close);
    }
}
