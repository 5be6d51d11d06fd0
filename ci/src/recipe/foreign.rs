// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Files of a recipe that are not of its run: the user has to allow them, since a recipe may come from anywhere.

use std::fmt;
use std::path::Path;

use vfio_server::config::{DmaDeviceConfig, Kind};

/// A file that a recipe names by an absolute path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignFile<'a> {
    /// The master that it is of.
    pub master: &'a str,
    /// The master's key.
    pub key: &'static str,
    /// The path.
    pub path: &'a Path,
}

impl fmt::Display for ForeignFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { master, key, path } = self;
        write!(
            f,
            "DMA device \"{master}\": `{key}` = {path:?} is a file outside of the run; if the recipe may use it, say \
             `--allow-path {}`",
            path.display()
        )
    }
}

/// The files of a master that have absolute paths.
pub(super) fn of(master: &DmaDeviceConfig) -> impl Iterator<Item = ForeignFile<'_>> {
    let files = match &master.kind {
        Kind::VirtioBlk(disk) => [Some(("image", &disk.image)), None],
        Kind::VirtioConsole(console) => [
            Some(("output", &console.output)),
            console.input.as_ref().map(|input| ("input", input)),
        ],
        Kind::VirtioRng {} | Kind::Pl330 {} | Kind::TestMaster {} => [None, None],
    };
    let files = files.into_iter().flatten().filter(|(_, path)| path.is_absolute());
    files.map(|(key, path)| ForeignFile {
        master: &master.name,
        key,
        path,
    })
}
