// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! From a kind of DMA device to the device: the one place where a device is plugged in.

use super::pl330;
use super::test_master;
use super::virtio::engine;
use crate::config::dma_devices::Kind;
use crate::dma::{DeviceContext, MmioRegion};

/// Makes the engine of a kind.
///
/// # Errors
/// What is wrong, in words, and what to do.
pub fn start(kind: &Kind, context: &mut DeviceContext) -> Result<Box<dyn MmioRegion>, String> {
    match kind {
        Kind::Pl330 {} => pl330::device::start(context).map_err(|error| error.to_string()),
        Kind::TestMaster {} => test_master::start(context).map_err(|error| error.to_string()),
        Kind::VirtioBlk(disk) => engine::start_blk(disk, context),
        Kind::VirtioRng {} => engine::start_rng(context),
        Kind::VirtioConsole(console) => engine::start_console(console, context),
    }
}
