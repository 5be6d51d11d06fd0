// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What the guest runs: packages by lock file, initramfs, device tree, boot shim.
//!
//! - [`board`]: the machine that a recipe describes: SMMUs, clients, suppliers.
//! - [`layout`]: where the SMMUs' registers, marks and interrupts lie in the guest's address space.
//! - [`dt`]: the device tree of such a machine, on QEMU's `virt`.
//! - [`shim`]: the few instructions that stand in for firmware.
//! - [`initramfs`]: busybox, an init script and kernel modules.
//! - [`modules`]: kernel modules and their dependencies.

pub mod board;
pub mod dt;
pub mod initramfs;
pub mod layout;
pub mod modules;
pub mod shim;
