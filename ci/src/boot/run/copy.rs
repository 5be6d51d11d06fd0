// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Copy of a console in a file.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use host_guard::file;

use super::BootError;

/// Most bytes of a console that are kept in a file; a guest may print for as long as it runs.
const MOST: usize = 256 << 20;

/// A console copy that is written as it comes, so that it is there whatever happens.
pub(super) struct Copy {
    path: PathBuf,
    file: File,
    /// Bytes that may still be written.
    room: usize,
}

impl Copy {
    pub(super) fn create(path: &Path) -> Result<Self, BootError> {
        match file::create(path) {
            Ok(file) => Ok(Self {
                path: path.to_owned(),
                file,
                room: MOST,
            }),
            Err(source) => Err(BootError::Write {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Appends; once [`MOST`] is reached, a line says so and the rest is dropped.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), BootError> {
        if self.room == 0 {
            return Ok(());
        }
        let written = match bytes.get(..self.room) {
            None => self.file.write_all(bytes),
            Some(last) => (self.file.write_all(last)).and_then(|()| {
                self.file
                    .write_all(b"\n[the copy of the console ends here: it is full]\n")
            }),
        };
        self.room = self.room.saturating_sub(bytes.len());
        written.map_err(|source| BootError::Write {
            path: self.path.clone(),
            source,
        })
    }
}
