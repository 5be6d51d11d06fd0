// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The PCI function of one SMMU.

pub mod clock;
pub mod pci;
mod pci_function;
#[cfg(test)]
pub(crate) mod masters {
    pub(crate) mod tests;
}

pub use pci_function::{Function, MARKS_SIZE, irq, region};
