// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The PCI function of one SMMU: registers, marks, DMA devices and clock behind its BARs.
//!
//! | module | is |
//! | --- | --- |
//! | `pci_function` | the regions and interrupts of the function |
//! | `marks` | the marks of the run in BAR2 |
//! | `dma_devices` | the register blocks of the DMA devices in BAR2 |
//! | [`clock`] | the clock controller |
//! | [`pci`] | configuration space |

pub mod clock;
pub(crate) mod dma_devices;
mod marks;
pub mod pci;
mod pci_function;

pub use dma_devices::{DmaDevice, DmaDevices};
pub use marks::{CLOCK_OFFSET, MARKS_SIZE, SEED_OFFSET};
pub use pci_function::{Function, irq, region};
