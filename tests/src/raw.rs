// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A vfio-user client that can say anything: messages byte by byte, after the protocol's text and not after the
//! server's types.

use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

/// Long enough for a loaded machine; only a server that hangs meets it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Flag of a command: no reply, please.
pub const NO_REPLY: u32 = 0x10;

/// A reply, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Echo of the command's.
    pub id: u16,
    /// Echo of the command's.
    pub command: u16,
    /// Type and error bits.
    pub flags: u32,
    /// errno.
    pub error: u32,
    /// Bytes after the header.
    pub payload: Vec<u8>,
}

impl Reply {
    /// The errno if this is a well-formed error reply: header only, number not 0.
    #[must_use]
    pub fn errno(&self) -> Option<u32> {
        (self.flags == 0x21 && self.error != 0 && self.payload.is_empty()).then_some(self.error)
    }

    /// Whether this is a well-formed success.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.flags == 1 && self.error == 0
    }
}

/// The bytes of a message with a true size.
#[must_use]
pub fn message(id: u16, command: u16, flags: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(16 + payload.len()).unwrap_or(u32::MAX);
    let mut bytes = header(id, command, size, flags);
    bytes.extend_from_slice(payload);
    bytes
}

/// The 16 bytes of a header with any size.
#[must_use]
pub fn header(id: u16, command: u16, size: u32, flags: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16);
    bytes.extend(id.to_ne_bytes());
    bytes.extend(command.to_ne_bytes());
    bytes.extend(size.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes
}

/// Words in the order of a payload.
#[must_use]
pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// The payload of a region access, without data.
#[must_use]
pub fn access(region: u32, offset: u64, count: u32) -> Vec<u8> {
    [offset.to_ne_bytes().to_vec(), words(&[region, count])].concat()
}

/// A connection.
#[derive(Debug)]
pub struct RawClient {
    stream: UnixStream,
    next_id: u16,
}

impl RawClient {
    /// Connects and says nothing.
    ///
    /// # Errors
    /// Those of connecting.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, next_id: 100 })
    }

    /// Connects and negotiates.
    ///
    /// # Errors
    /// Those of the socket, or the server refuses.
    pub fn negotiated(path: &Path) -> io::Result<Self> {
        let mut client = Self::connect(path)?;
        let reply = client.call(1, &[0; 4])?;
        if reply.is_ok() {
            Ok(client)
        } else {
            Err(io::Error::other(format!("VERSION: {reply:?}")))
        }
    }

    /// The socket.
    #[must_use]
    pub fn stream(&mut self) -> &mut UnixStream {
        &mut self.stream
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends bytes with descriptors, at one go.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send_with_fds(&mut self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::Error::other("too many descriptors for one message"));
        }
        let sent = rustix::net::sendmsg(
            &self.stream,
            &[IoSlice::new(bytes)],
            &mut control,
            SendFlags::NOSIGNAL,
        )?;
        if sent == bytes.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    /// Receives one reply.
    ///
    /// # Errors
    /// Those of the socket; `UnexpectedEof` when the server has ended the connection.
    pub fn receive(&mut self) -> io::Result<Reply> {
        let mut header = [0; 16];
        self.stream.read_exact(&mut header)?;
        let half = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        let word =
            |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let size = usize::try_from(word(4))
            .ok()
            .and_then(|size| size.checked_sub(16));
        let size = size
            .filter(|&size| size <= 2 << 20)
            .ok_or_else(|| io::Error::other("size of a reply"))?;
        let mut payload = vec![0; size];
        self.stream.read_exact(&mut payload)?;
        Ok(Reply {
            id: half(0),
            command: half(2),
            flags: word(8),
            error: word(12),
            payload,
        })
    }

    /// Sends a command and receives its reply.
    ///
    /// # Errors
    /// Those of the socket, or the reply is not for this command.
    pub fn call(&mut self, command: u16, payload: &[u8]) -> io::Result<Reply> {
        self.call_with_fds(command, payload, &[])
    }

    /// Sends a command with descriptors and receives its reply.
    ///
    /// # Errors
    /// Those of the socket, or the reply is not for this command.
    pub fn call_with_fds(
        &mut self,
        command: u16,
        payload: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> io::Result<Reply> {
        self.next_id = self.next_id.wrapping_add(1);
        let id = self.next_id;
        let bytes = message(id, command, 0, payload);
        if fds.is_empty() {
            self.send(&bytes)?;
        } else {
            self.send_with_fds(&bytes, fds)?;
        }
        let reply = self.receive()?;
        if (reply.id, reply.command) == (id, command) {
            Ok(reply)
        } else {
            Err(io::Error::other(format!(
                "reply to another message than {id}: {reply:?}"
            )))
        }
    }

    /// Reads four bytes of a region.
    ///
    /// # Errors
    /// Those of the socket, or the server refuses.
    pub fn read32(&mut self, region: u32, offset: u64) -> io::Result<u32> {
        let reply = self.call(9, &access(region, offset, 4))?;
        match (reply.is_ok(), reply.payload.get(16..)) {
            (true, Some(&[a, b, c, d])) => Ok(u32::from_le_bytes([a, b, c, d])),
            _ => Err(io::Error::other(format!("REGION_READ: {reply:?}"))),
        }
    }

    /// Writes four bytes of a region and waits for the reply.
    ///
    /// # Errors
    /// Those of the socket, or the server refuses.
    pub fn write32(&mut self, region: u32, offset: u64, value: u32) -> io::Result<()> {
        let payload = [access(region, offset, 4), value.to_le_bytes().to_vec()].concat();
        let reply = self.call(10, &payload)?;
        if reply.is_ok() && reply.payload == access(region, offset, 4) {
            Ok(())
        } else {
            Err(io::Error::other(format!("REGION_WRITE: {reply:?}")))
        }
    }

    /// Whether the server has ended the connection; replies that are still there are skipped.
    ///
    /// # Errors
    /// Those of the socket, in time as well.
    pub fn is_ended(&mut self) -> io::Result<bool> {
        let mut rest = [0; 4096];
        loop {
            match self.stream.read(&mut rest) {
                Ok(0) => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }
}
