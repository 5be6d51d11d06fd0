// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The PCI function of one SMMU: registers, marks, masters and clock behind its BARs.
//!
//! | module | is |
//! | --- | --- |
//! | `pci_function` | the regions and interrupts of the function |
//! | `masters` | the register blocks of the DMA devices in BAR2 |
//! | [`clock`] | the clock controller |
//! | [`pci`] | configuration space |

pub mod clock;
pub(crate) mod masters;
pub mod pci;
mod pci_function;

pub use masters::{Master, Masters};
pub use pci_function::{Function, MARKS_SIZE, irq, region};
