// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Copy of a console in a file.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Write;
use std::mem;
use std::path::{Path, PathBuf};

use host_guard::file;

use super::BootError;

/// Most bytes of a console that are kept in a file; a guest may print for as long as it runs.
const MOST: usize = 256 << 20;
/// Most bytes of messages that wait for the end of a line; a guest may never end one.
const WAITING: usize = 64 << 10;

/// A console copy that is written as it comes, so that it is there whatever happens.
pub(super) struct Copy {
    path: PathBuf,
    file: File,
    /// Bytes that may still be written.
    room: usize,
    /// Whether the console's last byte ended a line.
    at_line_start: bool,
    /// Messages that wait for the end of the console's line.
    waiting: Vec<u8>,
}

impl Copy {
    pub(super) fn create(path: &Path) -> Result<Self, BootError> {
        match file::create(path) {
            Ok(file) => Ok(Self {
                path: path.to_owned(),
                file,
                room: MOST,
                at_line_start: true,
                waiting: Vec::new(),
            }),
            Err(source) => Err(BootError::Write {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Appends console bytes, and messages that wait after the first line that they end.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), BootError> {
        let mut rest = bytes;
        if !self.waiting.is_empty()
            && let Some(end) = bytes.iter().position(|&byte| byte == b'\n')
            && let Some((line, after)) = bytes.split_at_checked(end + 1)
        {
            self.append(line)?;
            let waiting = mem::take(&mut self.waiting);
            self.append(&waiting)?;
            rest = after;
        }
        if let Some(last) = bytes.last() {
            self.at_line_start = *last == b'\n';
        }
        self.append(rest)
    }

    /// Appends a line that is not the console's, between two of its lines.
    pub(super) fn message(&mut self, line: &str) -> Result<(), BootError> {
        if self.waiting.len() < WAITING {
            self.waiting.extend_from_slice(line.as_bytes());
            self.waiting.push(b'\n');
        }
        if self.at_line_start {
            let waiting = mem::take(&mut self.waiting);
            self.append(&waiting)?;
        }
        Ok(())
    }

    /// Appends messages that still wait; the console has ended.
    pub(super) fn finish(&mut self) -> Result<(), BootError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.write(b"\n")
    }

    /// Appends; once [`MOST`] is reached, a line says so and the rest is dropped.
    fn append(&mut self, bytes: &[u8]) -> Result<(), BootError> {
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
