// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The public sockets: made for their owner only, and gone when the server is.

use std::fs::Metadata;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen as start, socket_with,
};
use thiserror::Error;

#[cfg(test)]
mod tests;

/// The longest path of a socket: `sun_path` of unix(7) has 108 bytes, the last one is NUL.
pub const MAX_PATH: usize = 107;
/// Connections that may wait for the server to look at them.
const BACKLOG: i32 = 16;

/// A socket cannot be made.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Longer than the kernel takes.
    #[error("socket path of {length} bytes is too long: a Unix socket takes {MAX_PATH}; choose a shorter \
             directory: {}", .path.display())]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        length: usize,
    },
    /// Another process listens there.
    #[error("another process serves {}: end it, or choose another path", .0.display())]
    InUse(PathBuf),
    /// A file of another kind is there; it is not removed.
    #[error("{} is there and is not a socket: remove it, or choose another path", .0.display())]
    NotASocket(PathBuf),
    /// The kernel refused.
    #[error("cannot make the socket {}: {error}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// A listening socket at a path; removed from there when dropped.
#[derive(Debug)]
pub struct PublicSocket {
    listener: UnixListener,
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl PublicSocket {
    /// Listens at `path`, which only this user can connect to. A socket without a listener is replaced.
    ///
    /// # Errors
    /// [`SocketError`] says what to do.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let io = |error: io::Error| SocketError::Io {
            path: path.to_owned(),
            error,
        };
        let length = path.as_os_str().as_bytes().len();
        if length > MAX_PATH {
            return Err(SocketError::TooLong {
                path: path.to_owned(),
                length,
            });
        }
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(error)),
            Ok(metadata) if !metadata.file_type().is_socket() => {
                return Err(SocketError::NotASocket(path.to_owned()));
            }
            Ok(_) if is_served(path).map_err(|error| io(error.into()))? => {
                return Err(SocketError::InUse(path.to_owned()));
            }
            Ok(_) => {
                tracing::info!(path = %path.display(), "replacing a socket that no process serves any more");
                std::fs::remove_file(path).map_err(io)?;
            }
        }
        let listener = UnixListener::from(listen(path, BACKLOG).map_err(io)?);
        let identity = std::fs::symlink_metadata(path).ok().as_ref().map(identity);
        let socket = Self {
            listener,
            path: path.to_owned(),
            identity,
        };
        socket.listener.set_nonblocking(true).map_err(io)?;
        Ok(socket)
    }

    /// The listener; accepting does not block.
    #[must_use]
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Path at which it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory that it stands in.
    #[must_use]
    pub fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }
}

impl Drop for PublicSocket {
    fn drop(&mut self) {
        // Someone may have put another file there.
        let now = std::fs::symlink_metadata(&self.path).ok().as_ref().map(identity);
        if now.is_some()
            && now == self.identity
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// A listening socket of mode 0600 from its first moment: Linux takes the mode of the new file from the socket.
///
/// # Errors
/// Those of the system calls.
pub fn listen(path: &Path, backlog: i32) -> io::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path)?;
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &address)?;
    start(&socket, backlog)?;
    Ok(socket)
}

/// Whether a process listens at a socket.
fn is_served(path: &Path) -> Result<bool, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&socket, &SocketAddrUnix::new(path)?) {
        // EAGAIN: so many wait there already that no other can.
        Ok(()) | Err(Errno::AGAIN) => Ok(true),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(false),
        Err(error) => Err(error),
    }
}
