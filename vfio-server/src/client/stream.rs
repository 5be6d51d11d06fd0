// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Whole messages with their file descriptors, from a stream socket.
//!
//! One `recvmsg` takes as much as there is, so a burst of posted writes costs few system calls. Memory is bounded by
//! the longest message, descriptors by what one message may carry.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use thiserror::Error;

use super::wire::{self, Decoded, FramingError, Header};
use attention::Attention;

mod attention;
#[cfg(test)]
mod tests;

/// Room for messages; a longer one gets its own for as long as it is there.
const BUFFER_SIZE: usize = 64 << 10;
/// The kernel passes at most this many descriptors at once (SCM_MAX_FD).
const MAX_PASSED_FDS: usize = 253;
/// A message has to be complete this long after its first byte.
pub const MESSAGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Reason why no further message can be had.
#[derive(Debug, Error)]
pub enum StreamError {
    /// The sizes of messages are not to be believed.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// Descriptors without end, or more than the server said it takes.
    #[error("more than {} file descriptors in a message", wire::MAX_MESSAGE_FDS)]
    TooManyFds,
    /// A message began and did not end.
    #[error("a message was still incomplete {} s after its first byte", MESSAGE_TIMEOUT.as_secs())]
    Stalled,
    /// The client left in the middle of a message.
    #[error("the client left in the middle of a message")]
    Truncated,
    /// The socket failed.
    #[error("receive: {0}")]
    Receive(#[from] Errno),
}

/// Next item of the stream.
#[derive(Debug)]
pub enum Next<'a> {
    /// A message.
    Message(Header, &'a [u8], Vec<OwnedFd>),
    /// Nothing for the time of the socket's receive timeout, and no message has begun.
    Idle,
    /// The client left.
    Closed,
}

/// Splits the bytes of one connection into messages.
#[derive(Debug)]
pub struct MessageStream {
    buffer: Vec<u8>,
    /// The part of `buffer` that is received and not yet handed out.
    filled: Range<usize>,
    /// Descriptors that are received and not yet handed out, all of one message.
    fds: Vec<OwnedFd>,
    /// The end in `buffer` of the bytes that the descriptors came with.
    fds_end: usize,
    /// Time at which the message at the start of `filled` began, if it is incomplete.
    since: Option<Instant>,
    attention: Attention,
    /// Whether the last receive brought anything: the next bytes may be near.
    active: bool,
}

impl Default for MessageStream {
    fn default() -> Self {
        Self {
            buffer: vec![0; BUFFER_SIZE],
            filled: 0..0,
            fds: Vec::new(),
            fds_end: 0,
            since: None,
            attention: Attention::on(std::thread::available_parallelism().map_or(1, usize::from)),
            active: false,
        }
    }
}

impl MessageStream {
    /// Waits for the next message. The socket's receive timeout bounds one wait.
    ///
    /// # Errors
    /// [`StreamError`]; nothing more can be received from this client then.
    pub fn next(&mut self, socket: &UnixStream) -> Result<Next<'_>, StreamError> {
        loop {
            let need = match wire::decode(self.received())? {
                Decoded::Frame(_, payload) => {
                    let size = wire::HEADER_SIZE.saturating_add(payload.len());
                    return Ok(self.take(size));
                }
                Decoded::Need(need) => need,
            };
            if self.filled.is_empty() {
                self.since = None;
            } else if self.since.get_or_insert_with(Instant::now).elapsed() >= MESSAGE_TIMEOUT {
                return Err(StreamError::Stalled);
            }
            self.make_room(need);
            match self.receive(socket) {
                Ok(0) if self.filled.is_empty() => return Ok(Next::Closed),
                Ok(0) => return Err(StreamError::Truncated),
                Ok(_) | Err(StreamError::Receive(Errno::INTR)) => {}
                // The timeout: `since` decides whether it was too long.
                Err(StreamError::Receive(Errno::AGAIN)) if self.filled.is_empty() => return Ok(Next::Idle),
                Err(StreamError::Receive(Errno::AGAIN)) => {}
                Err(StreamError::Receive(Errno::CONNRESET)) => return Ok(Next::Closed),
                Err(error) => return Err(error),
            }
        }
    }

    fn received(&self) -> &[u8] {
        self.buffer.get(self.filled.clone()).unwrap_or_default()
    }

    /// Hands out the message of `size` bytes that `received` begins with.
    fn take(&mut self, size: usize) -> Next<'_> {
        let begin = self.filled.start;
        let end = begin.saturating_add(size);
        self.filled.start = end;
        // The next message begins when it is first looked for.
        self.since = None;
        let fds = if end >= self.fds_end {
            std::mem::take(&mut self.fds)
        } else {
            Vec::new()
        };
        match self.buffer.get(begin..end).map(wire::decode) {
            Some(Ok(Decoded::Frame(header, payload))) => Next::Message(header, payload, fds),
            _ => Next::Idle,
        }
    }

    /// Moves what is left of the buffer to its start and sees to room for `need` bytes.
    fn make_room(&mut self, need: usize) {
        self.buffer.copy_within(self.filled.clone(), 0);
        self.fds_end = self.fds_end.saturating_sub(self.filled.start);
        self.filled = 0..self.filled.len();
        let size = need.max(BUFFER_SIZE);
        if self.buffer.len() != size {
            self.buffer.resize(size.max(self.filled.end), 0);
            self.buffer.shrink_to(size);
        }
    }

    /// Bytes of the socket, at once or after a wait.
    fn receive(&mut self, socket: &UnixStream) -> Result<usize, StreamError> {
        let span = self.attention.span();
        if !std::mem::take(&mut self.active) || span.is_zero() {
            return self.receive_with(socket, RecvFlags::empty());
        }
        let begin = Instant::now();
        let result = loop {
            match self.receive_with(socket, RecvFlags::DONTWAIT) {
                Err(StreamError::Receive(Errno::AGAIN)) if begin.elapsed() < span => std::thread::yield_now(),
                Err(StreamError::Receive(Errno::AGAIN)) => {
                    break self.receive_with(socket, RecvFlags::empty());
                }
                other => break other,
            }
        };
        self.attention.learn(begin.elapsed());
        result
    }

    fn receive_with(&mut self, socket: &UnixStream, flags: RecvFlags) -> Result<usize, StreamError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_PASSED_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let room = self.buffer.get_mut(self.filled.end..).unwrap_or_default();
        let received = recvmsg(
            socket,
            &mut [IoSliceMut::new(room)],
            &mut control,
            flags | RecvFlags::CMSG_CLOEXEC,
        )?;
        self.active = received.bytes > 0;
        self.filled.end = self.filled.end.saturating_add(received.bytes);
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                // The kernel ends a receive after bytes that came with descriptors, so they belong to the message
                // with the last byte.
                self.fds_end = self.filled.end;
                self.fds.extend(fds);
            }
        }
        if self.fds.len() > wire::MAX_MESSAGE_FDS {
            self.fds.clear();
            return Err(StreamError::TooManyFds);
        }
        Ok(received.bytes)
    }
}
