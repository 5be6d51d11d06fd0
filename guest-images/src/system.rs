// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The programs of a boot: QEMU, the guest's kernel, and its initramfs.
//!
//! - [`qemu`]: QEMU from the store.
//! - [`kernel`]: the guest's kernel, from the store or the user's own; busybox.
//! - [`kernel_dir`]: directories that hold a kernel: of a build, of installed modules, of tuxmake.
//! - [`kconfig`]: a kernel's configuration.
//! - [`drivers`]: drivers that recipes load, and the options of the configuration that they need.
//! - [`fragment`]: these options as a fragment of a configuration, and what a configuration lacks of it.
//! - [`inventory`]: whether a kernel has a driver as a module, built in, or not at all.
//! - [`initramfs`]: busybox, an init script and kernel modules.
//! - [`modules`]: kernel modules and their dependencies.

pub mod drivers;
pub mod fragment;
pub mod initramfs;
pub mod inventory;
pub mod kconfig;
pub mod kernel;
pub mod kernel_dir;
pub mod modules;
pub mod qemu;
