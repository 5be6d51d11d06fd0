// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A commit that is checked out in the current directory: its name, its build, its kernel.

use std::path::Path;

use host_guard::file;
use host_guard::program::{self, ProgramError, SHORT};

use super::state::KernelSource;
use crate::boot::supervise::describe;

/// Largest file that names a kernel, in bytes.
const NAME_MAX: u64 = 4096;

/// The commit, if the current directory is of a git tree.
pub fn name() -> Option<String> {
    let output = program::run("git", ["rev-parse", "HEAD"], SHORT).ok()?;
    let name = String::from_utf8(output.stdout).ok()?;
    let name = name.trim();
    let is_name = name.len() >= 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    (output.status.success() && is_name).then(|| name.to_owned())
}

/// Builds the commit by a shell command, whose output goes to standard error. Returns the reason if it does not build.
///
/// # Errors
/// The shell cannot be started, or a signal asks for the end.
pub fn build(command: &str) -> Result<Option<String>, ProgramError> {
    let status = program::run_shown("sh", ["-c", command])?;
    Ok((!status.success()).then(|| format!("the build failed: {}", describe(status))))
}

/// The kernel of the commit, as `--kernel` takes it.
///
/// # Errors
/// The reason why it has none.
pub fn kernel(source: &KernelSource) -> Result<String, String> {
    let kernel = match source {
        KernelSource::Path(kernel) => kernel.clone(),
        KernelSource::NamedIn(file) => {
            let text =
                file::read_text(file.as_ref(), NAME_MAX).map_err(|error| format!("{file}: {error}"))?;
            text.trim().to_owned()
        }
    };
    if kernel.starts_with("debian:") || Path::new(&kernel).exists() {
        return Ok(kernel);
    }
    Err(format!("kernel {kernel:?} does not exist"))
}
