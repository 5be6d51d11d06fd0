// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The `boot-stress` command.

fn main() {}
