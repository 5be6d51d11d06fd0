// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What the guest runs: packages by lock file, initramfs, device tree, boot shim.
//!
//! What a recipe's machine becomes:
//!
//! - [`board`]: the machine that a recipe describes: SMMUs, clients, suppliers.
//! - [`layout`]: where the SMMUs' registers, marks and interrupts lie in the guest's address space.
//! - [`dt`]: the device tree of such a machine, on QEMU's `virt`.
//! - [`shim`]: the few instructions that stand in for firmware.
//!
//! What runs on it:
//!
//! - [`lock`]: which packages, by hash.
//! - [`store`]: the cache that they are fetched and unpacked to.
//! - [`qemu`]: QEMU from the store.
//! - [`kernel`]: the guest's kernel, from the store or the user's own; busybox.
//! - [`initramfs`]: busybox, an init script and kernel modules.
//! - [`modules`]: kernel modules and their dependencies.
//!
//! And beneath: [`download`], [`mirror`], [`deb`], [`progress`]; [`renew`] writes the lock file, [`cli`] is the program.

pub mod board;
pub mod cli;
mod compression;
pub mod deb;
pub mod download;
pub mod dt;
mod index;
pub mod initramfs;
pub mod kernel;
pub mod layout;
pub mod lock;
pub mod mirror;
pub mod modules;
pub mod progress;
pub mod qemu;
pub mod renew;
pub mod shim;
pub mod store;
#[cfg(test)]
mod testing;
