// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The programs of a boot: QEMU, the guest's kernel, and its initramfs.
//!
//! - [`qemu`]: QEMU from the store.
//! - [`kernel`]: the guest's kernel, from the store or the user's own; busybox.
//! - [`initramfs`]: busybox, an init script and kernel modules.
//! - [`modules`]: kernel modules and their dependencies.

pub mod initramfs;
pub mod kernel;
pub mod modules;
pub mod qemu;
