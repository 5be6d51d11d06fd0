// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Results on disk, a line of JSON each: appended whole, and on disk before they count.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use host_guard::file;
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;

use super::results::ResultsError;

/// Longest line that is read, in bytes.
pub const LINE_MAX: u64 = 1 << 20;

/// A file of results that is open for appending.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Opens the file of that name in `dir`; makes it if it is not there.
    ///
    /// # Errors
    /// It cannot be made or written, or is no regular file.
    pub fn open(dir: &Path, name: &str) -> Result<Self, ResultsError> {
        let path = dir.join(name);
        let opened = file::append(&path)
            // The name of the file has to be on disk as well as what is in it.
            .and_then(|log| File::open(dir)?.sync_all().map(|()| log));
        match opened {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(ResultsError::Write { path, source }),
        }
    }

    /// Whether nothing is in it.
    ///
    /// # Errors
    /// The system does not say.
    pub fn is_empty(&self) -> Result<bool, ResultsError> {
        match self.file.metadata() {
            Ok(metadata) => Ok(metadata.len() == 0),
            Err(source) => Err(self.error(source)),
        }
    }

    /// Keeps all others from writing to the file until it is closed.
    ///
    /// # Errors
    /// [`ResultsError::Locked`] if another process does that already.
    pub fn lock(&self) -> Result<(), ResultsError> {
        match flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(ResultsError::Locked {
                path: self.path.clone(),
            }),
            Err(error) => Err(self.error(error.into())),
        }
    }

    /// Takes away what stands after `length` bytes: a line that was cut.
    ///
    /// # Errors
    /// The system refuses.
    pub fn cut(&self, length: u64) -> Result<(), ResultsError> {
        self.file
            .set_len(length)
            .and_then(|()| self.file.sync_data())
            .map_err(|source| self.error(source))
    }

    /// Appends a line; when this returns it is on disk.
    ///
    /// # Errors
    /// It cannot be written, and nothing of it is there; or the file was removed.
    pub fn append<T: Serialize>(&mut self, value: &T) -> Result<(), ResultsError> {
        self.append_all([value])
    }

    /// Appends lines; when this returns they are on disk.
    ///
    /// # Errors
    /// They cannot be written, and none of them is there; or the file was removed.
    pub fn append_all<T: Serialize>(
        &mut self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<(), ResultsError> {
        let mut lines = Vec::new();
        for value in values {
            serde_json::to_writer(&mut lines, &value).map_err(|error| self.error(error.into()))?;
            lines.push(b'\n');
        }
        let found = self.file.metadata().map_err(|source| self.error(source))?;
        if found.nlink() == 0 {
            return Err(ResultsError::Removed {
                path: self.path.clone(),
            });
        }
        let whole_lines = found.len();
        let written = self.file.write_all(&lines).and_then(|()| self.file.sync_data());
        written.map_err(|source| {
            // A full disk takes half a line.
            let _ = self.file.set_len(whole_lines);
            self.error(source)
        })
    }

    fn error(&self, source: io::Error) -> ResultsError {
        ResultsError::Write {
            path: self.path.clone(),
            source,
        }
    }
}

/// Whole lines of a file of results, and where the last of them ends.
#[derive(Debug, PartialEq, Eq)]
pub struct Lines {
    /// Bytes up to the end of the last whole line.
    pub length: u64,
    /// Whether bytes of a line without an end follow.
    pub is_cut: bool,
    /// Lines that have more than [`LINE_MAX`] bytes, or are no UTF-8.
    pub unreadable: u32,
}

/// Reads a file of results; calls `line` for each whole line, with its number from 1.
///
/// # Errors
/// Those of reading; it is no regular file.
pub fn read(path: &Path, mut line: impl FnMut(u64, &str)) -> io::Result<Lines> {
    let mut lines = Lines {
        length: 0,
        is_cut: false,
        unreadable: 0,
    };
    let mut file = BufReader::new(file::open(path)?);
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let mut read = file.by_ref().take(LINE_MAX).read_until(b'\n', &mut bytes)? as u64;
        let too_long = read == LINE_MAX && bytes.last() != Some(&b'\n');
        while bytes.last() != Some(&b'\n') {
            // The rest of a line that is too long comes in pieces, and is dropped.
            bytes.clear();
            match file.by_ref().take(LINE_MAX).read_until(b'\n', &mut bytes)? as u64 {
                0 => {
                    lines.is_cut = read > 0;
                    return Ok(lines);
                }
                more => read += more,
            }
        }
        lines.length += read;
        match str::from_utf8(&bytes) {
            Ok(text) if !too_long => line(number, text.trim_end_matches('\n')),
            _ => lines.unreadable += 1,
        }
    }
    Ok(lines)
}
