// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Manifest of an unpacked tree: size and SHA-256 of every file, so that damage is found before it looks like a fault
//! of QEMU or of the kernel.
//!
//! One line for each file, `f SHA-256 SIZE PATH`, and for each symbolic link, `l`, with hash and size of its target.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use host_guard::file;

use crate::packages::digest;

#[cfg(test)]
mod tests;

/// Most bytes of a manifest; that of a kernel has half a MiB.
const MAX_MANIFEST: u64 = 64 << 20;

/// Depth of the check of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Kinds and sizes of its files: milliseconds.
    Sizes,
    /// Their contents too.
    Contents,
}

/// Result of a check of a tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is as it was unpacked.
    Whole,
    /// There is no manifest: an earlier version has unpacked it.
    Unknown,
    /// This file is not as it was unpacked.
    Damaged {
        /// Path of the file, or of the manifest.
        path: PathBuf,
        /// Description of the difference.
        problem: String,
    },
}

#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    is_link: bool,
    hash: &'a str,
    size: u64,
    path: &'a str,
}

/// The manifest's text for what lies below a directory.
///
/// # Errors
/// A file that cannot be read, or a name that is no line of text.
pub(super) fn of(tree: &Path) -> io::Result<String> {
    let mut text = String::new();
    add(tree, "", &mut text)?;
    Ok(text)
}

fn add(tree: &Path, below: &str, text: &mut String) -> io::Result<()> {
    let mut entries = fs::read_dir(tree.join(below))?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_str().filter(|name| !name.contains('\n'));
        let name = name.ok_or_else(|| io::Error::other("a file whose name is no line of text"))?;
        let path = if below.is_empty() {
            name.to_owned()
        } else {
            format!("{below}/{name}")
        };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            add(tree, &path, text)?;
            continue;
        }
        let (kind, hash, size) = if kind.is_symlink() {
            let (hash, size) = target(&entry.path())?;
            ('l', hash, size)
        } else {
            ('f', digest::of_file(&entry.path())?, entry.metadata()?.len())
        };
        text.push_str(&format!("{kind} {hash} {size} {path}\n"));
    }
    Ok(())
}

/// Hash and size of a link's target.
fn target(link: &Path) -> io::Result<(String, u64)> {
    let target = fs::read_link(link)?;
    let bytes = target.as_os_str().as_bytes();
    Ok((digest::of_bytes(bytes), bytes.len() as u64))
}

/// Compares a tree with its manifest.
pub(super) fn check(tree: &Path, manifest: &Path, depth: Depth) -> Found {
    let damaged = |path: &Path, problem: String| Found::Damaged {
        path: path.to_owned(),
        problem,
    };
    let text = match file::read_text(manifest, MAX_MANIFEST) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Unknown,
        Err(error) => return damaged(manifest, error.to_string()),
    };
    for line in text.lines() {
        let Some(entry) = parse(line) else {
            return damaged(manifest, format!("{line:?} is no line of a manifest"));
        };
        let path = tree.join(entry.path);
        if let Err(problem) = compare(&path, &entry, depth) {
            return damaged(&path, problem);
        }
    }
    Found::Whole
}

fn parse(line: &str) -> Option<Entry<'_>> {
    let mut words = line.splitn(4, ' ');
    let (kind, hash, size, path) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let is_link = match kind {
        "f" => false,
        "l" => true,
        _ => return None,
    };
    let size = size.parse().ok()?;
    Some(Entry {
        is_link,
        hash,
        size,
        path,
    })
}

fn compare(path: &Path, entry: &Entry<'_>, depth: Depth) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let found = fs::symlink_metadata(path).map_err(text)?;
    let kind = found.file_type();
    if kind.is_symlink() != entry.is_link || !(entry.is_link || kind.is_file()) {
        return Err("it is of another kind".to_owned());
    }
    if found.len() != entry.size {
        return Err(format!("it has {} bytes instead of {}", found.len(), entry.size));
    }
    if depth == Depth::Sizes {
        return Ok(());
    }
    let hash = if entry.is_link {
        target(path).map_err(text)?.0
    } else {
        digest::of_file(path).map_err(text)?
    };
    if hash != entry.hash {
        return Err("its contents have changed".to_owned());
    }
    Ok(())
}
