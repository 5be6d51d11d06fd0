// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The parts of a run: QEMU, kernel, busybox, and the machine's files.
//!
//! - [`environment`], [`qemu`]: the parts, found or fetched.
//! - [`needs`], [`pages`]: drivers, options and page sizes that a recipe needs of its kernel.
//! - [`machine`]: the machine as files and as QEMU's command line.
//! - [`snapshot`]: guests that wait before their first step.
//! - [`doctor`]: checks of all of these, for people.

pub mod doctor;
pub mod environment;
pub mod machine;
pub mod needs;
pub mod pages;
pub mod qemu;
pub mod snapshot;
