// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! QEMU from the store, run with the libraries that came with it through their own loader.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::packages::lock::{Lock, Set};
use crate::packages::store::{Error, Store};

#[cfg(test)]
mod tests;

/// Command line of an installed QEMU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QemuInstall {
    /// The program to start: the dynamic loader.
    pub program: PathBuf,
    /// Arguments before QEMU's own.
    pub prefix_args: Vec<OsString>,
    /// Environment to add.
    pub environment: Vec<(OsString, OsString)>,
    /// Version, like `11.1.3`.
    pub version: String,
}

/// Variables that name libraries of the host: they are for another libc than the one that comes with QEMU.
pub const FOREIGN: [&str; 2] = ["LD_PRELOAD", "LD_LIBRARY_PATH"];

impl QemuInstall {
    /// A command that starts QEMU; its own arguments are still to be added.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.prefix_args)
            .envs(self.environment.iter().cloned());
        for variable in FOREIGN {
            command.env_remove(variable);
        }
        command
    }
}

impl Store {
    /// QEMU for this host; fetched first if it is not in the cache.
    ///
    /// # Errors
    ///
    /// See [`Store::tree`]; [`Error::Lock`] on a host architecture that nothing is locked for.
    pub fn qemu(&self, lock: &Lock) -> Result<QemuInstall, Error> {
        let set = lock.qemu()?;
        let tree = self.tree(set)?;
        install(set, &tree)
    }
}

fn install(set: &Set, tree: &std::path::Path) -> Result<QemuInstall, Error> {
    let (triplet, loader) = match set.name.as_str() {
        "qemu-arm64" => ("aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
        _ => ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    };
    let libraries = tree.join("usr/lib").join(triplet);
    let program = libraries.join(loader);
    let qemu = tree.join("usr/bin/qemu-system-aarch64");
    for path in [&program, &qemu] {
        if !path.is_file() {
            let missing = path.strip_prefix(tree).unwrap_or(path).display().to_string();
            return Err(Error::Incomplete {
                set: set.name.clone(),
                missing,
            });
        }
    }
    let environment = vec![("QEMU_MODULE_DIR".into(), libraries.join("qemu").into())];
    let prefix_args = vec![
        // Not the host's libraries.
        "--inhibit-cache".into(),
        "--library-path".into(),
        libraries.into(),
        "--argv0".into(),
        "qemu-system-aarch64".into(),
        qemu.into(),
        "-L".into(),
        tree.join("usr/share/qemu").into(),
    ];
    let version = Lock::qemu_version(set).unwrap_or("unknown").to_owned();
    Ok(QemuInstall {
        program,
        prefix_args,
        environment,
        version,
    })
}
