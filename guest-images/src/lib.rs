// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Parts of a guest: packages by lock file, initramfs, device tree, boot shim.
//!
//! Layers, each of which uses those above it only:
//!
//! - [`machine`]: the machine: board, layout, device tree, firmware.
//! - [`packages`]: Debian packages by lock file.
//! - [`system`]: QEMU, kernel, initramfs.
//! - [`cli`]: the program.

pub mod cli;
pub mod machine;
pub mod packages;
pub mod system;
