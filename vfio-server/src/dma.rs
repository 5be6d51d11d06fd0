// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! DMA through the SMMU.

pub mod context;
pub mod port;
pub mod thread;

pub use crate::config::masters::{Kind, MasterConfig};
pub use crate::host::traffic::Gone;
pub use context::{BLOCK_SIZE, Block, Interrupt, Master, MasterError, Masters, Place};
pub use port::{Access, Activity, Port, Refusal};
pub use thread::Doorbell;
