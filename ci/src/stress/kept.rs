// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Description of a boot in its directory, by which it is made again.

#[cfg(test)]
mod tests;

use std::path::Path;

use host_guard::file;
use serde::{Deserialize, Serialize};

use super::class::Class;
use super::record::{Boot, CellPart};
use crate::report::file_error::FileError;

/// Version of the description; it changes when a field changes its meaning or goes.
pub const SCHEMA: &str = "boot-stress/boot/1";
/// File of the description.
pub const FILE: &str = "boot.json";
/// File of the recipe.
pub const RECIPE: &str = "recipe.toml";
/// Longest description that is read, in bytes.
const SIZE_MAX: u64 = 1 << 20;

/// A boot whose directory was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptBoot {
    /// [`SCHEMA`].
    pub schema: String,
    /// Kernel, as `--kernel` takes it; a release of Debian's in full.
    pub kernel: String,
    /// Machine, start, versions and hashes.
    pub cell: CellPart,
    /// Seed and result.
    pub boot: Boot,
}

impl KeptBoot {
    /// Reads the description in a directory.
    ///
    /// # Errors
    /// There is none, or it is none of a boot.
    pub fn read(dir: &Path) -> Result<Self, FileError> {
        let path = dir.join(FILE);
        let text = file::read_text(&path, SIZE_MAX).map_err(|source| FileError::Read {
            path: path.clone(),
            source,
        })?;
        let format = |problem: String| FileError::Format {
            path: path.clone(),
            problem,
        };
        let kept: Self = serde_json::from_str(&text).map_err(|error| format(error.to_string()))?;
        let (schema, seed) = (&kept.schema, kept.boot.seed);
        if schema != SCHEMA {
            return Err(format(format!(
                "its schema is {schema:?}, and this version reads {SCHEMA:?}"
            )));
        }
        // The server reads it as TOML.
        if i64::try_from(seed).is_err() {
            return Err(format(format!("its seed {seed} is larger than {}", i64::MAX)));
        }
        Ok(kept)
    }

    /// Whether it is equal in each repetition.
    pub fn is_deterministic(&self) -> bool {
        self.cell.accelerator.is_deterministic()
    }

    /// Whether the boot showed a bug that can be shown again: a hit, or another bug of the kernel.
    pub fn shows_a_bug(&self) -> bool {
        matches!(self.boot.class, Class::Hit | Class::OtherBug)
    }
}
