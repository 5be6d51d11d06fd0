// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Access to the SMMU for threads that do DMA.

pub mod handle;
pub mod tbu;
#[cfg(feature = "vm-memory")]
pub mod view;
