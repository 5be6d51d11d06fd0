// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! QEMU from the store, run with the libraries that came with it through their own loader.

use host_guard::program::Program;

use crate::packages::lock::{Lock, Set};
use crate::packages::store::{Error, Store};

#[cfg(test)]
mod tests;

/// An installed QEMU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QemuInstall {
    /// The dynamic loader, with the arguments before QEMU's own.
    pub program: Program,
    /// Version, like `11.1.3`.
    pub version: String,
    /// Whether it is the one of the lock file.
    pub is_locked: bool,
}

/// Variables that name libraries of the host: they are for another libc than the one that comes with QEMU.
const FOREIGN: [&str; 2] = ["LD_PRELOAD", "LD_LIBRARY_PATH"];

impl Store {
    /// QEMU for this host; fetched first if it is not in the cache.
    ///
    /// # Errors
    ///
    /// See [`Store::tree`]; [`Error::Lock`] on a host architecture that nothing is locked for.
    pub fn qemu(&self, lock: &Lock) -> Result<QemuInstall, Error> {
        let locked = lock.qemu()?;
        let (set, tree) = self.obtain(locked)?;
        Ok(QemuInstall {
            is_locked: set == *locked,
            ..install(&set, &tree)?
        })
    }
}

fn install(set: &Set, tree: &std::path::Path) -> Result<QemuInstall, Error> {
    let (triplet, loader) = match set.name.as_str() {
        "qemu-arm64" => ("aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
        _ => ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    };
    let libraries = tree.join("usr/lib").join(triplet);
    let loader = libraries.join(loader);
    let qemu = tree.join("usr/bin/qemu-system-aarch64");
    for path in [&loader, &qemu] {
        if !path.is_file() {
            let missing = path.strip_prefix(tree).unwrap_or(path).display().to_string();
            return Err(Error::Incomplete {
                set: set.name.clone(),
                missing,
            });
        }
    }
    let env = vec![("QEMU_MODULE_DIR".into(), libraries.join("qemu").into())];
    let args = vec![
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
    let program = Program {
        path: loader,
        args,
        env,
        env_remove: FOREIGN.map(Into::into).to_vec(),
    };
    Ok(QemuInstall {
        program,
        version,
        is_locked: true,
    })
}
