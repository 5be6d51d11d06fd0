// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The gate: one client connection, from its first message to its end.
//!
//! Every message is received whole and checked before anything acts on it. Register accesses are answered here, on
//! the shortest way; VERSION too, because the `vfio_user` crate panics on what clients may send. The rest goes to the
//! crate over a [`Link`]. Errors are header-only replies with an errno; a message without `No_reply` gets exactly one
//! reply, one with it none. What makes the next message impossible to find ends the client.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use smmu_emu::DelayedReply;
use thiserror::Error;
use zerocopy::{FromBytes, IntoBytes};

use super::link::{Link, LinkError};
use super::request::{self, Forward, Request};
use super::stream::{MessageStream, Next, StreamError};
use super::version;
use super::wire::{self, Header, MessageType};
use crate::function::{Function, irq};
use crate::host::Participant;
use crate::sync::Mutex;

/// A client has to negotiate this long after it connected; afterwards it may be silent for as long as it likes.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// A client has to take its replies within this time.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);
/// Larger replies do not keep their allocation.
const LARGE_REPLY: usize = 64 << 10;
/// Interval at which a silent connection is checked.
const TICK: Duration = Duration::from_secs(1);

/// Reason why the server ended a client.
#[derive(Debug, Error)]
pub enum Ended {
    /// Its messages cannot be told apart any more.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// It did not negotiate in time.
    #[error("no VERSION message within {} s", HANDSHAKE_TIMEOUT.as_secs())]
    NoHandshake,
    /// It does not take its replies, or its socket failed.
    #[error("cannot send a reply: {0}")]
    Reply(io::Error),
    /// The crate behind the gate failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The socket's options could not be set.
    #[error("cannot set up the connection: {0}")]
    Setup(io::Error),
}

/// Serves one client until it leaves. `directory` is where the private socket of the [`Link`] may stand for a moment.
///
/// # Errors
/// [`Ended`] if the client did not leave by itself.
pub fn serve(socket: &UnixStream, function: &Arc<Mutex<Function>>, directory: &Path) -> Result<(), Ended> {
    socket.set_read_timeout(Some(TICK)).map_err(Ended::Setup)?;
    socket
        .set_write_timeout(Some(REPLY_TIMEOUT))
        .map_err(Ended::Setup)?;
    let mut stream = MessageStream::default();
    let mut client = Client {
        socket,
        function,
        directory,
        session: None,
        reply: Vec::new(),
    };
    let begin = Instant::now();
    loop {
        match stream.next(socket)? {
            Next::Message(header, payload, fds) => client.handle(&header, payload, &fds)?,
            Next::Idle => {}
            Next::Closed => return Ok(()),
        }
        if client.session.is_none() && begin.elapsed() >= HANDSHAKE_TIMEOUT {
            return Err(Ended::NoHandshake);
        }
    }
}

/// Writes in order, up to the first that the function refuses. Returns the longest delay of all of them too: the one
/// reply waits for it.
fn write_multi(
    function: &mut Function,
    writes: &[wire::WriteOne],
) -> (Result<(), Errno>, Option<DelayedReply>) {
    let mut longest: Option<DelayedReply> = None;
    let result = writes.iter().try_for_each(|write| {
        let count = usize::try_from(write.access.count.get()).unwrap_or(usize::MAX);
        let data = write.data.get(..count).ok_or(Errno::INVAL)?;
        let delay = function.write(write.access.region.get(), write.access.offset.get(), data)?;
        if let Some(delay) = delay
            && longest
                .as_ref()
                .is_none_or(|other| other.deadline < delay.deadline)
        {
            longest = Some(delay);
        }
        Ok(())
    });
    (result, longest)
}

/// One connection.
struct Client<'a> {
    socket: &'a UnixStream,
    function: &'a Arc<Mutex<Function>>,
    directory: &'a Path,
    /// Present once the client has negotiated.
    session: Option<Session>,
    /// The reply under construction; kept for its allocation.
    reply: Vec<u8>,
}

struct Session {
    link: Link,
    _participant: Participant,
}

impl Client<'_> {
    fn handle(&mut self, header: &Header, payload: &[u8], fds: &[OwnedFd]) -> Result<(), Ended> {
        match header.message_type() {
            MessageType::Command => {}
            MessageType::Reply => {
                // Nothing was asked; a reply to a reply would only go round.
                self.complain("ignored a reply: the server had asked for nothing");
                return Ok(());
            }
            MessageType::Unknown => return self.fail(header, Errno::INVAL),
        }
        match request::parse(header, payload, fds.len()) {
            Ok(Request::Version) => self.negotiate(header),
            Ok(_) if self.session.is_none() => self.fail(header, Errno::INVAL),
            Ok(Request::Read(access)) => self.read(header, &access),
            Ok(Request::Write(access, data)) => {
                let mut function = self.function.lock();
                let result = function.write(access.region.get(), access.offset.get(), data);
                drop(function);
                let result = result.map(|delay| self.wait_out(delay));
                self.answer(header, result.map(|()| access.as_bytes()))
            }
            Ok(Request::WriteMulti(writes)) => {
                let (result, delay) = write_multi(&mut self.function.lock(), writes);
                self.wait_out(delay);
                let count = payload.get(..size_of::<u64>()).unwrap_or_default();
                self.answer(header, result.map(|()| count))
            }
            Ok(Request::Trigger(set, chosen)) => {
                let function = self.function.lock();
                let result = function.trigger(set.index.get(), set.start.get(), chosen);
                drop(function);
                self.answer(header, result.map(|()| &[][..]))
            }
            Ok(Request::Forward(forward)) => self.forward(forward, header, payload, fds),
            Err(errno) => self.fail(header, errno),
        }
    }

    fn negotiate(&mut self, header: &Header) -> Result<(), Ended> {
        if self.session.is_some() || header.no_reply() {
            return self.fail(header, Errno::INVAL);
        }
        let link = Link::open(self.function, self.directory).map_err(LinkError::from)?;
        let participant = self.function.lock().host().join();
        self.session = Some(Session {
            link,
            _participant: participant,
        });
        self.answer(header, Ok(&version::reply()))
    }

    /// The hot path: the data is read right into the reply.
    fn read(&mut self, header: &Header, access: &wire::RegionAccess) -> Result<(), Ended> {
        const DATA: usize = wire::HEADER_SIZE + size_of::<wire::RegionAccess>();
        if header.no_reply() {
            return Ok(());
        }
        let count = usize::try_from(access.count.get())
            .unwrap_or(usize::MAX)
            .min(wire::MAX_MESSAGE_SIZE);
        let reply = header.reply(size_of::<wire::RegionAccess>() + count);
        self.reply.clear();
        self.reply.extend_from_slice(reply.as_bytes());
        self.reply.extend_from_slice(access.as_bytes());
        self.reply.resize(DATA + count, 0);
        let data = self.reply.get_mut(DATA..).unwrap_or_default();
        let mut function = self.function.lock();
        let result = function.read(access.region.get(), access.offset.get(), data);
        drop(function);
        match result {
            Ok(delay) => {
                self.wait_out(delay);
                self.send()
            }
            Err(errno) => self.fail(header, errno),
        }
    }

    /// Waits if a rule of the plan makes the reply late, while nothing is locked.
    fn wait_out(&self, delay: Option<DelayedReply>) {
        if let Some(delay) = delay {
            let (run, pending) = {
                let function = self.function.lock();
                let host = function.host();
                (Arc::clone(host.run()), host.pending_reply(&delay))
            };
            run.wait_out(&pending);
        }
    }

    fn forward(
        &mut self,
        forward: Forward,
        header: &Header,
        payload: &[u8],
        fds: &[OwnedFd],
    ) -> Result<(), Ended> {
        if forward.only_asks() && header.no_reply() {
            return Ok(());
        }
        if forward == Forward::IrqInfo
            && wire::IrqInfo::read_from_bytes(payload).is_ok_and(|info| info.index.get() == irq::ERROR)
        {
            return self.fail(header, Errno::INVAL);
        }
        let Some(session) = &mut self.session else {
            return self.fail(header, Errno::INVAL);
        };
        match session.link.call(header, payload, fds)? {
            Ok(payload) => self.answer(header, Ok(&payload)),
            Err(refusal) => {
                self.complain(&format!("refused {forward:?}: {refusal}"));
                self.answer(header, Err(refusal.errno))
            }
        }
    }

    /// Logs what a client did wrong; only so often, because it may do nothing else.
    fn complain(&self, what: &str) {
        let shared = Arc::clone(self.function.lock().host().shared());
        shared.complain(what);
    }

    /// Sends the reply to a command, unless the client wants none.
    fn answer(&mut self, header: &Header, result: Result<&[u8], Errno>) -> Result<(), Ended> {
        if header.no_reply() {
            return Ok(());
        }
        self.reply.clear();
        match result {
            Ok(payload) => {
                self.reply
                    .extend_from_slice(header.reply(payload.len()).as_bytes());
                self.reply.extend_from_slice(payload);
            }
            Err(errno) => self.reply.extend_from_slice(header.error_reply(errno).as_bytes()),
        }
        self.send()
    }

    fn fail(&mut self, header: &Header, errno: Errno) -> Result<(), Ended> {
        tracing::debug!(command = header.command.get(), size = header.message_size.get(), %errno, "bad request");
        self.answer(header, Err(errno))
    }

    fn send(&mut self) -> Result<(), Ended> {
        let mut socket = self.socket;
        let result = socket.write_all(&self.reply).map_err(Ended::Reply);
        if self.reply.capacity() > LARGE_REPLY {
            self.reply = Vec::new();
        }
        result
    }
}
