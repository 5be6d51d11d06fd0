// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Command that makes a boot of a stress run again.

use std::ffi::{OsStr, OsString};

use super::record::CellPart;
use crate::recipe::Start;

/// Kernel of a cell, as `--kernel` takes it; a release of Debian's in full, for a short name may mean another one
/// tomorrow.
pub fn kernel(part: &CellPart, kernel: &OsStr) -> OsString {
    if kernel.as_encoded_bytes().starts_with(b"debian:") {
        format!("debian:{}", part.release).into()
    } else {
        kernel.to_owned()
    }
}

/// Arguments of `boot-stress reproduce` for a boot of a cell with this seed; `kernel` is the cell's kernel, as
/// `--kernel` takes it.
pub fn arguments(part: &CellPart, recipe: &OsStr, kernel: &OsStr, seed: u64) -> Vec<OsString> {
    let mut arguments = vec![
        "--recipe".into(),
        recipe.to_owned(),
        "--kernel".into(),
        self::kernel(part, kernel),
        "--smp".into(),
        part.cpus.to_string().into(),
        "--boots".into(),
        "1".into(),
        "--seed".into(),
        seed.to_string().into(),
    ];
    if part.start != Start::Cold {
        arguments.extend(["--start".into(), part.start.to_string().into()]);
    }
    arguments.extend(part.accelerator.arguments().iter().map(Into::into));
    arguments
}
