// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! One boot: its directory, its processes, and its console.
//!
//! - [`accel`]: the accelerator of the guest's CPUs.
//! - [`run`]: starts the server and QEMU, and ends both.
//! - [`server`]: the server's configuration, and the files of its disks.
//! - [`supervise`]: child processes that cannot outlive the run.
//! - [`rundir`]: the directory of a run.
//! - [`console`], [`classify`], [`findings`]: the console's lines, and the findings in them.
//! - [`one_core`]: the core of the host that a deterministic guest has.
//! - [`judge`], [`outcome`]: findings against expectations, and what comes of it.

pub mod accel;
pub mod classify;
pub mod console;
pub mod findings;
pub mod judge;
pub mod one_core;
pub mod outcome;
pub mod run;
pub mod rundir;
pub mod server;
pub mod supervise;
