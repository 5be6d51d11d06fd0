// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Files that may be opened because a user has named them, or a directory above them, and no others.
//!
//! The kernel resolves the rest of a path below the directory (openat2 with `RESOLVE_BENEATH`): neither `..` nor a
//! symbolic link leads out of it, whatever changes in the file system meanwhile.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::file;

#[cfg(test)]
mod tests;

/// Access with which a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To be read.
    Read,
    /// To be read and written.
    Write,
    /// To be appended to; made if it is not there.
    Append,
}

/// Files and directories that a user has named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places(Option<Vec<PathBuf>>);

/// None.
impl Default for Places {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Places {
    /// These, and what is below those that are directories.
    #[must_use]
    pub fn new(places: Vec<PathBuf>) -> Self {
        Self(Some(places))
    }

    /// Every file: the paths come from the user.
    #[must_use]
    pub fn anywhere() -> Self {
        Self(None)
    }

    /// The paths, unless every file is allowed.
    #[must_use]
    pub fn paths(&self) -> Option<&[PathBuf]> {
        self.0.as_deref()
    }

    /// Whether a path is one of them, or below one by its text.
    #[must_use]
    pub fn has(&self, path: &Path) -> bool {
        self.0.is_none() || self.below(path).next().is_some()
    }

    /// Opens a regular file. The first place that has it counts.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] for a path that none of the places has, or that leads out of its place; else
    /// those of [`file::open`].
    pub fn open(&self, path: &Path, access: Access) -> io::Result<File> {
        match self.below(path).next() {
            None if self.0.is_none() => open_named(path, access),
            None => Err(outside()),
            Some((place, rest)) if rest.as_os_str().is_empty() => open_named(place, access),
            Some((place, rest)) => open_beneath(place, rest, access),
        }
    }

    /// The places that a path is below by its text, with the rest of it.
    fn below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = (&'a Path, &'a Path)> {
        let plain = path.is_absolute() && !path.components().any(|part| part == Component::ParentDir);
        let places = self.0.iter().flatten().filter(move |_| plain);
        places.filter_map(|place| Some((place.as_path(), path.strip_prefix(place).ok()?)))
    }
}

fn outside() -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        "outside of the files and directories that are allowed",
    )
}

/// A place itself: the user has named it, with the links that lead to it.
fn open_named(place: &Path, access: Access) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    match access {
        Access::Read => options.read(true),
        Access::Write => options.read(true).write(true),
        Access::Append => options.append(true).create(true),
    };
    file::open_with(place, &mut options)
}

fn open_beneath(place: &Path, rest: &Path, access: Access) -> io::Result<File> {
    let rights = match access {
        Access::Read => OFlags::RDONLY,
        Access::Write => OFlags::RDWR,
        Access::Append => OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE,
    };
    // A pipe must not hold this process up.
    let flags = rights | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mode = match access {
        Access::Append => Mode::from_raw_mode(0o666),
        Access::Read | Access::Write => Mode::empty(),
    };
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(place, directory, Mode::empty())?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let opened = loop {
        match rustix::fs::openat2(&directory, rest, flags, mode, resolve) {
            // Something above was renamed meanwhile; and signals.
            Err(Errno::AGAIN | Errno::INTR) => {}
            opened => break opened,
        }
    };
    let file = match opened {
        Ok(file) => File::from(file),
        Err(Errno::XDEV) => return Err(outside()),
        // A pipe without a reader, a socket.
        Err(Errno::NXIO) => return Err(no_file(rest)),
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(no_file(rest));
    }
    Ok(file)
}

fn no_file(rest: &Path) -> io::Error {
    let name = rest.file_name().unwrap_or(OsStr::new("it"));
    let problem = format!("{} is no regular file", name.display());
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}
