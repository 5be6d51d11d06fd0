// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The devices that do DMA.

pub mod kinds;
pub mod pl330;
pub mod test_master;
pub mod virtio;
