// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Python packages in a virtual environment of their own, for tests that let the intended readers read.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A virtual environment.
#[derive(Debug)]
pub struct Venv {
    bin: PathBuf,
}

impl Venv {
    /// Makes one below `directory`, with packages from the index that pip is configured for.
    ///
    /// # Errors
    /// Python has no venv, or the index not these packages.
    pub fn new(directory: &Path, packages: &[&str]) -> Result<Self> {
        let venv = directory.join("venv");
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))
            .context("this test needs Python 3.9 or newer with venv: on Debian, apt install python3-venv")?;
        let environment = Self {
            bin: venv.join("bin"),
        };
        let install = ["install", "--quiet", "--disable-pip-version-check"];
        run(environment.program("pip").args(install).args(packages)).with_context(|| {
            format!(
                "this test needs {packages:?} from the index that pip is configured for (pip config list)"
            )
        })?;
        Ok(environment)
    }

    /// A program of the environment.
    pub fn program(&self, name: &str) -> Command {
        Command::new(self.bin.join(name))
    }
}

/// Runs a program to its end; returns its standard output.
///
/// # Errors
/// It does not start, fails, or prints no UTF-8; with all that it has said.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
