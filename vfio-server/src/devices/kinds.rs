// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! From a kind of master to its engine: the one place where an engine is plugged in.

use super::pl330;
use super::test_master;
use super::virtio::engine;
use crate::config::masters::Kind;
use crate::dma::{Block, Place};

/// Makes the engine of a kind.
///
/// # Errors
/// What is wrong, in words, and what to do.
pub fn start(kind: &Kind, place: &mut Place) -> Result<Box<dyn Block>, String> {
    match kind {
        Kind::Pl330 {} => pl330::device::start(place).map_err(|error| error.to_string()),
        Kind::TestMaster {} => test_master::start(place).map_err(|error| error.to_string()),
        Kind::VirtioBlk(disk) => engine::start_blk(disk, place),
        Kind::VirtioRng {} => engine::start_rng(place),
        Kind::VirtioConsole(console) => engine::start_console(console, place),
    }
}
