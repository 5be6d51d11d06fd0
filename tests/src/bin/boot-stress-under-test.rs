// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `boot-stress` as a binary of this package: what its library starts to have a server and a supervised QEMU.

use std::process::ExitCode;

fn main() -> ExitCode {
    boot_stress::cli::main(std::env::args_os())
}
