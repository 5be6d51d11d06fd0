// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Choice of the QEMU to run: one that can speak vfio-user.

#[cfg(test)]
mod tests;

use std::env;
use std::path::{Path, PathBuf};

use guest_images::machine::gic::Gic;
use guest_images::packages::qemu_version::{OLDEST, OLDEST_GICV3, Version};
use host_guard::program::{self, Program, SHORT};

/// Name of the program.
pub const PROGRAM: &str = "qemu-system-aarch64";
/// Version in the output of `--version`: `QEMU emulator version 11.1.3 (Debian …)`.
fn version_in(text: &str) -> Option<Version> {
    let (_, after) = text.split_once("version ")?;
    Version::parse(after)
}

/// A QEMU and how to start it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qemu {
    /// The program to start; its arguments are those of a loader, and where QEMU's data is.
    pub program: Program,
    /// Its version, for people.
    pub version: String,
    /// Source of it, for people.
    pub source: String,
}

/// Reason why a QEMU cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It does not run.
    #[error("{program} does not run: {problem}")]
    Broken {
        /// Path of the program.
        program: String,
        /// Description of the failure.
        problem: String,
    },
    /// Too old.
    #[error("{program} is version {version}; {OLDEST} is the first whose vfio-user client works")]
    TooOld {
        /// Path of the program.
        program: String,
        /// Its version.
        version: Version,
    },
    /// Too old for the board.
    #[error("{program} is version {version}; a board with a GICv3 needs {OLDEST_GICV3} or later")]
    NoGicv3 {
        /// Path of the program.
        program: String,
        /// Its version.
        version: Version,
    },
    /// Built without it.
    #[error("{program} (version {version}) has no vfio-user-pci device; it was built without vfio-user")]
    NoDevice {
        /// Path of the program.
        program: String,
        /// Its version.
        version: Version,
    },
}

impl Qemu {
    /// Looks at one QEMU, for a board with that interrupt controller.
    ///
    /// # Errors
    /// It does not run within [`SHORT`], is too old, or has no vfio-user client.
    pub fn examine(path: &Path, gic: Gic, source: &str) -> Result<Self, Unfit> {
        let name = path.display().to_string();
        let broken = |problem: String| Unfit::Broken {
            program: name.clone(),
            problem,
        };
        let output = |argument: &[&str]| {
            let output = program::run(path, argument, SHORT).map_err(|error| broken(error.to_string()))?;
            if output.status.success() {
                Ok(String::from_utf8_lossy(&output.stdout).into_owned())
            } else {
                let stderr = String::from_utf8_lossy(&output.stderr);
                let first = stderr.lines().next().unwrap_or("no message");
                Err(broken(format!(
                    "{}: {first}",
                    crate::boot::supervise::describe(output.status)
                )))
            }
        };
        let text = output(&["--version"])?;
        let version = version_in(&text)
            .ok_or_else(|| broken(format!("no version in {:?}", text.lines().next().unwrap_or(""))))?;
        if version < OLDEST {
            return Err(Unfit::TooOld {
                program: name.clone(),
                version,
            });
        }
        if gic == Gic::V3 && version < OLDEST_GICV3 {
            return Err(Unfit::NoGicv3 {
                program: name.clone(),
                version,
            });
        }
        if !output(&["-device", "help"])?.contains("\"vfio-user-pci\"") {
            return Err(Unfit::NoDevice {
                program: name.clone(),
                version,
            });
        }
        Ok(Self {
            program: Program {
                path: path.to_owned(),
                ..Program::default()
            },
            version: version.to_string(),
            source: source.to_owned(),
        })
    }
}

/// The QEMU in PATH, wherever that is.
pub fn in_path() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(PROGRAM))
        .find(|program| program.is_file())
}
