// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `vfio-server` as a binary of this package, so that its tests can start it as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    vfio_server::cli::main(std::env::args_os())
}
