// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The machine that a guest finds.
//!
//! - [`board`]: the machine that a recipe describes: SMMUs, clients, suppliers.
//! - [`gic`]: its interrupt controller.
//! - [`layout`]: where the SMMUs' registers, marks and interrupts lie in the guest's address space.
//! - [`dt`]: the device tree of such a machine, on QEMU's `virt`.
//! - [`shim`]: the few instructions that stand in for firmware.
//! - [`renew`]: the program that does their work again in a guest that runs.

pub mod board;
pub mod dt;
pub mod gic;
pub mod layout;
pub mod renew;
mod rows;
pub mod shim;
