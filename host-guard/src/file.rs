// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Files that cannot hold a program up or fill its memory: regular ones, read up to a size.
//!
//! A pipe blocks until its other end is there, a device such as `/dev/zero` has no end, and a file may be larger than
//! memory. All are refused with an error that says so.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

#[cfg(test)]
mod tests;

/// Opens a regular file for reading.
///
/// # Errors
/// Those of opening; [`io::ErrorKind::InvalidInput`] for a pipe, a device, a socket or a directory, which is not
/// touched.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(path, OpenOptions::new().read(true))
}

/// Opens a regular file for writing, empty; makes it if it is not there.
///
/// # Errors
/// As [`open`].
pub fn create(path: &Path) -> io::Result<File> {
    let file = open_with(path, OpenOptions::new().write(true).create(true).truncate(false))?;
    // Only now: what is no regular file keeps what it has.
    file.set_len(0)?;
    Ok(file)
}

/// Opens a regular file for appending; makes it if it is not there.
///
/// # Errors
/// As [`open`].
pub fn append(path: &Path) -> io::Result<File> {
    open_with(path, OpenOptions::new().append(true).create(true))
}

/// Opens a regular file as `options` say; they must not truncate.
///
/// # Errors
/// As [`open`].
pub fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    match fs::metadata(path) {
        // To open a device may be to act on it.
        Ok(found) => regular(found.file_type())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // It may be a pipe by now.
    let file = options
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    regular(file.metadata()?.file_type())?;
    Ok(file)
}

/// Reads a regular file.
///
/// # Errors
/// As [`open`] and [`read_stream`].
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    if file.metadata()?.len() > limit {
        return Err(too_large(limit));
    }
    read_stream(file, limit)
}

/// Reads a regular file of UTF-8 text.
///
/// # Errors
/// As [`read`]; [`io::ErrorKind::InvalidData`] with the offset of the first byte that is no UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(io::ErrorKind::InvalidData, format!("byte {at} is not UTF-8"))
    })
}

/// Reads a stream to its end.
///
/// # Errors
/// Those of reading; [`io::ErrorKind::FileTooLarge`] for a stream of more than `limit` bytes, of which no more are
/// read.
pub fn read_stream(stream: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(limit));
    }
    Ok(bytes)
}

fn too_large(limit: u64) -> io::Error {
    let limit = if limit >= 1 << 20 {
        format!("{} MiB", limit >> 20)
    } else {
        format!("{limit} bytes")
    };
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("larger than {limit}, the most that is read"),
    )
}

fn regular(kind: FileType) -> io::Result<()> {
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    let problem = format!("{what}, and no regular file");
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}
