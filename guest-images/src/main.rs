// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `guest-images`: see [`guest_images::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    guest_images::cli::main()
}
