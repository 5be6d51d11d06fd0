// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The devices that do DMA.
//!
//! | module | is |
//! | --- | --- |
//! | [`kinds`] | from the configuration to the device |
//! | [`virtio`] | virtio devices: transport, queues, disk, random numbers, console |
//! | [`pl330`] | the DMA controller PL330 |
//! | [`test_master`] | a device that does what it is told, for tests and to inject faults |

pub mod kinds;
pub mod pl330;
pub mod test_master;
pub mod virtio;
