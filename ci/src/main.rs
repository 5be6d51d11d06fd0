// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The `boot-stress` command.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    boot_stress::cli::main(env::args_os())
}
