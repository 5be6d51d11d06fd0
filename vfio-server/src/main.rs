// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `vfio-server --config FILE`: see [`vfio_server::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    vfio_server::cli::main(std::env::args_os())
}
