// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Unpacking a Debian package into a directory that it cannot leave.
//!
//! Every path is made of plain names below the directory, no entry is written through a symbolic link, and links may
//! point only to places inside. Owners, special bits and times are not restored, device nodes are refused.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use tar::EntryType;

use crate::packages::compression::Compression;

#[cfg(test)]
mod tests;

/// Most bytes that one package may unpack to; Debian's largest kernel package stays below a tenth of it.
const MAX_UNPACKED: u64 = 4 << 30;
/// Most entries of one package.
const MAX_ENTRIES: usize = 200_000;
/// Directories of the root that are links into `/usr` on a Debian system.
const USR_MERGED: &[&str] = &["bin", "lib", "lib32", "lib64", "libx32", "sbin"];

/// Reason why a package cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// It is not a Debian package, or it is damaged.
    #[error("not a valid Debian package: {0}")]
    Format(String),
    /// An entry would leave the directory, or is of a kind that is not unpacked.
    #[error("refused entry {path:?}: {problem}")]
    Refused {
        /// The entry's path as the package has it.
        path: String,
        /// Why.
        problem: String,
    },
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Write {
        /// File that was written.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
}

fn format(problem: impl Into<String>) -> DebError {
    DebError::Format(problem.into())
}

/// Unpacks the files of a package into `root`, an existing directory that no other process writes to.
///
/// `keep` decides by path (`usr/bin/busybox`) what is wanted. Paths below `/lib` and the like land below `/usr`, as on
/// an installed system.
///
/// # Errors
///
/// A malformed package, an entry that would leave `root`, or a file that cannot be written. What was unpacked before
/// stays, so unpack into a temporary directory.
pub fn unpack(package: impl Read, root: &Path, keep: &dyn Fn(&str) -> bool) -> Result<(), DebError> {
    let data = data_archive(package)?;
    let mut archive = tar::Archive::new(data.take(MAX_UNPACKED));
    let entries = archive.entries().map_err(|e| format(e.to_string()))?;
    for (number, entry) in entries.enumerate() {
        if number >= MAX_ENTRIES {
            return Err(format(format!("over {MAX_ENTRIES} entries")));
        }
        let entry = entry.map_err(|e| format(e.to_string()))?;
        unpack_entry(entry, root, keep)?;
    }
    // Only a whole archive counts: the decompressor has to reach its end, where it checks its sums.
    let mut data = archive.into_inner();
    io::copy(&mut data, &mut io::sink()).map_err(|e| format(e.to_string()))?;
    if data.limit() == 0 {
        return Err(format(format!("unpacks to over {} GiB", MAX_UNPACKED >> 30)));
    }
    Ok(())
}

/// Finds `data.tar` in the `ar` archive that a package is. (The format is a magic and 60-byte headers; the `ar` crate
/// allocates whatever a header's size field says.)
fn data_archive<'a>(mut package: impl Read + 'a) -> Result<Box<dyn Read + 'a>, DebError> {
    let mut magic = [0; 8];
    package
        .read_exact(&mut magic)
        .map_err(|_| format("shorter than 8 bytes"))?;
    if &magic != b"!<arch>\n" {
        return Err(format("does not start with \"!<arch>\""));
    }
    // debian-binary, control.tar, data.tar; a few more are allowed, whose names start with '_'.
    for position in 0..16 {
        let mut header = [0; 60];
        package
            .read_exact(&mut header)
            .map_err(|_| format("ends before data.tar"))?;
        let (name, rest) = header.split_at(16);
        let (fields, end) = rest.split_at(42);
        if end != b"`\n" {
            return Err(format("damaged member header"));
        }
        let name = std::str::from_utf8(name).map_err(|_| format("damaged member name"))?;
        let name = name.trim_end().trim_end_matches('/');
        let size = fields
            .get(32..)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let size: u64 = size
            .and_then(|digits| digits.trim_end().parse().ok())
            .ok_or_else(|| format("damaged member size"))?;
        if position == 0 && name != "debian-binary" {
            return Err(format(format!(
                "the first member is {name:?} instead of debian-binary"
            )));
        }
        if let Some(suffix) = name.strip_prefix("data.tar") {
            let data = Exact {
                inner: package,
                left: size,
            };
            return decompressor(suffix, data);
        }
        // Members start at even offsets.
        let skip = size + size % 2;
        let skipped = io::copy(&mut package.by_ref().take(skip), &mut io::sink());
        if skipped.map_err(|e| format(e.to_string()))? != skip {
            return Err(format(format!("ends within {name:?}")));
        }
    }
    Err(format("no data.tar among the first 16 members"))
}

fn decompressor<'a>(suffix: &str, data: impl Read + 'a) -> Result<Box<dyn Read + 'a>, DebError> {
    if suffix.is_empty() {
        return Ok(Box::new(data));
    }
    let compression = suffix.strip_prefix('.').and_then(Compression::of_suffix);
    let compression =
        compression.ok_or_else(|| format(format!("data.tar{suffix} is compressed in an unknown way")))?;
    compression.reader(data).map_err(|e| format(e.to_string()))
}

/// A member of known size: ending early is an error, where [`Read::take`] would say "end of file".
struct Exact<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let Some(buffer) = buffer.get_mut(..want) else {
            return Ok(0);
        };
        let count = self.inner.read(buffer)?;
        if count == 0 && want > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the package is cut short",
            ));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn unpack_entry(
    mut entry: tar::Entry<'_, impl Read>,
    root: &Path,
    keep: &dyn Fn(&str) -> bool,
) -> Result<(), DebError> {
    let raw = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let refused = |problem: &str| DebError::Refused {
        path: raw.clone(),
        problem: problem.to_owned(),
    };
    let path = place(&raw).map_err(&refused)?;
    let Some(text) = path.to_str() else {
        return Err(refused("not UTF-8"));
    };
    let kind = entry.header().entry_type();
    // Directories are made when something wanted is in them.
    if text.is_empty() || kind == EntryType::Directory || !keep(text) {
        return Ok(());
    }
    let target = root.join(&path);
    let write = |source| DebError::Write {
        path: target.clone(),
        source,
    };
    make_parents(root, &path, &refused)?;
    match fs::symlink_metadata(&target) {
        Ok(found) if found.is_dir() => return Err(refused("would replace a directory")),
        // Removed and not written to: it may be a link.
        Ok(_) => fs::remove_file(&target).map_err(write)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(write(e)),
    }
    let link = || -> Result<String, DebError> {
        let name = entry
            .link_name_bytes()
            .ok_or_else(|| refused("a link without a target"))?;
        Ok(String::from_utf8_lossy(&name).into_owned())
    };
    match kind {
        EntryType::Regular | EntryType::Continuous => {
            let executable = entry.header().mode().unwrap_or(0) & 0o111 != 0;
            let mode = if executable { 0o755 } else { 0o644 };
            let options = File::options().write(true).create_new(true).mode(mode).clone();
            let mut file = options.open(&target).map_err(write)?;
            copy(&mut entry, &mut file).map_err(|e| match e {
                CopyError::Read(e) => format(e.to_string()),
                CopyError::Write(e) => write(e),
            })
        }
        EntryType::Symlink => {
            let relative = link_target(&path, &link()?).map_err(&refused)?;
            symlink(relative, &target).map_err(write)
        }
        EntryType::Link => {
            let original = place(&link()?).map_err(&refused)?;
            if !is_plain_file(root, &original) {
                return Err(refused(
                    "a hard link to something that is not a file of the package",
                ));
            }
            fs::hard_link(root.join(original), &target).map_err(write)
        }
        _ => Err(refused("neither file nor directory nor link")),
    }
}

/// Destination of an entry: plain names below the root, with `/lib` and its like below `/usr`.
fn place(raw: &str) -> Result<PathBuf, &'static str> {
    if raw.contains('\0') {
        return Err("a zero byte in the path");
    }
    let mut path = PathBuf::new();
    for component in Path::new(raw).components() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) => path.push(name),
            Component::ParentDir => return Err("\"..\" in the path"),
            Component::RootDir | Component::Prefix(_) => return Err("an absolute path"),
        }
    }
    Ok(usr_merged(path))
}

fn usr_merged(path: PathBuf) -> PathBuf {
    let merged = USR_MERGED.iter().any(|directory| path.starts_with(directory));
    if merged { Path::new("usr").join(path) } else { path }
}

/// A symbolic link's target, as a relative path that stays inside; `/lib/x` is meant from the root of the tree.
fn link_target(link: &Path, raw: &str) -> Result<PathBuf, &'static str> {
    if raw.is_empty() || raw.contains('\0') {
        return Err("a link without a target");
    }
    let directory = link.parent().unwrap_or(Path::new(""));
    let mut inside = if raw.starts_with('/') {
        PathBuf::new()
    } else {
        directory.to_owned()
    };
    for component in Path::new(raw).components() {
        match component {
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            Component::Normal(name) => inside.push(name),
            Component::ParentDir if inside.pop() => {}
            Component::ParentDir => return Err("a link out of the package"),
        }
    }
    let inside = usr_merged(inside);
    let up = directory.components().map(|_| Component::ParentDir);
    Ok(up.chain(inside.components()).collect())
}

/// Makes the directories above `path`; each has to be a real one.
fn make_parents(root: &Path, path: &Path, refused: &dyn Fn(&str) -> DebError) -> Result<(), DebError> {
    let mut directory = root.to_owned();
    for component in path.parent().unwrap_or(Path::new("")).components() {
        directory.push(component);
        match fs::symlink_metadata(&directory) {
            Ok(found) if found.is_dir() => continue,
            Ok(_) => return Err(refused("its directory is a link or a file")),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(DebError::Write {
                    path: directory,
                    source,
                });
            }
        }
        fs::create_dir(&directory).map_err(|source| DebError::Write {
            path: directory.clone(),
            source,
        })?;
    }
    Ok(())
}

/// Whether `path` is a file of the tree, reached without following a link.
fn is_plain_file(root: &Path, path: &Path) -> bool {
    let mut at = root.to_owned();
    let mut kind = None;
    for component in path.components() {
        if kind.is_some_and(|kind: fs::FileType| !kind.is_dir()) {
            return false;
        }
        at.push(component);
        kind = fs::symlink_metadata(&at).ok().map(|found| found.file_type());
        if kind.is_none() {
            return false;
        }
    }
    kind.is_some_and(|kind| kind.is_file())
}

enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

fn copy(from: &mut impl Read, to: &mut impl io::Write) -> Result<(), CopyError> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(CopyError::Read(e)),
        };
        let chunk = buffer.get(..count).unwrap_or_default();
        to.write_all(chunk).map_err(CopyError::Write)?;
    }
}
