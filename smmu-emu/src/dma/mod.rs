// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Access to the SMMU for threads that do DMA.

pub mod tbu;
pub mod view;
