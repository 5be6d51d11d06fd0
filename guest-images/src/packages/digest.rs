// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! SHA-256 as Debian's indices and this project's files have it: in lower-case hexadecimal.

use std::io::{self, Read};
use std::path::Path;

use host_guard::file;
use sha2::{Digest, Sha256};

/// SHA-256 of bytes.
pub fn of_bytes(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// SHA-256 of a regular file.
///
/// # Errors
/// Those of [`file::open`] and of reading.
pub fn of_file(path: &Path) -> io::Result<String> {
    let mut file = file::open(path)?;
    let mut hash = Running::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finish()),
            count => hash.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// SHA-256 of bytes that come in pieces.
#[derive(Debug, Clone, Default)]
pub struct Running(Sha256);

impl Running {
    /// Adds a piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// SHA-256 of all pieces.
    pub fn finish(self) -> String {
        hexadecimal(&self.0.finalize())
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
