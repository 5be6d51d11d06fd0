// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The clients of one socket: a function serves one at a time.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use serde_json::json;

use super::device::Device;
use super::gate;
use super::socket::PublicSocket;
use crate::function::Function;
use crate::host::Shared;
use crate::host::events::Event;
use crate::sync::{Condvar, Mutex};

#[cfg(test)]
mod tests;

/// Time for which a second client waits for the first one to leave.
const TAKE_OVER: Duration = Duration::from_secs(1);
/// Pause after a failed accept, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A function, its socket, and the client that is there.
#[derive(Debug)]
pub(super) struct Port {
    name: String,
    socket: PublicSocket,
    function: Arc<Mutex<Function>>,
    slot: Arc<Slot<UnixStream>>,
}

/// Room for one client.
#[derive(Debug)]
struct Slot<C> {
    client: Mutex<Option<C>>,
    left: Condvar,
}

impl<C> Default for Slot<C> {
    fn default() -> Self {
        Self {
            client: Mutex::new(None),
            left: Condvar::default(),
        }
    }
}

impl<C> Slot<C> {
    /// Takes the slot for a client, if it is free or gets free in time.
    fn take(&self, client: C) -> bool {
        let mut slot = self
            .left
            .wait_timeout_while(self.client.lock(), TAKE_OVER, |slot| slot.is_some());
        let free = slot.is_none();
        if free {
            *slot = Some(client);
        }
        free
    }

    fn free(&self) {
        *self.client.lock() = None;
        self.left.notify_all();
    }
}

impl Port {
    /// Makes the port at which clients of this function connect.
    pub(super) fn new(name: &str, socket: PublicSocket, function: Function) -> Self {
        Self {
            name: name.to_owned(),
            socket,
            function: Arc::new(Mutex::new(function)),
            slot: Arc::default(),
        }
    }

    /// The name of its SMMU.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its SMMU, for the control socket.
    pub(super) fn device(&self) -> Device {
        Device {
            name: self.name.clone(),
            socket: self.socket.path().to_owned(),
            function: Arc::clone(&self.function),
        }
    }

    /// Accepts clients until `stop` is readable, then ends the one that is there.
    pub(super) fn accept(self, stop: &OwnedFd) {
        let mut session: Option<JoinHandle<()>> = None;
        while !self.wait(stop) {
            match self.socket.listener().accept() {
                Ok((stream, _)) => match self.admit(stream) {
                    Ok(Some(thread)) => session = Some(thread),
                    Ok(None) => {}
                    Err(error) => tracing::error!(smmu = self.name, %error, "cannot serve a client"),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    tracing::error!(smmu = self.name, %error, "cannot accept a client");
                    std::thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
        if let Some(client) = &*self.slot.client.lock() {
            let _ = client.shutdown(Shutdown::Both);
        }
        if let Some(session) = session {
            let _ = session.join();
        }
    }

    /// Waits for a client; true if it is time to stop instead.
    fn wait(&self, stop: &OwnedFd) -> bool {
        let mut fds = [
            PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.socket.listener().as_fd(), PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) => !fds[0].revents().is_empty(),
            Err(Errno::INTR) => false,
            Err(error) => {
                tracing::error!(smmu = self.name, %error, "cannot wait for clients");
                true
            }
        }
    }

    fn shared(&self) -> Arc<Shared> {
        shared(&self.function)
    }

    /// Starts to serve a client, or turns it away.
    fn admit(&self, stream: UnixStream) -> io::Result<Option<JoinHandle<()>>> {
        if !self.slot.take(stream.try_clone()?) {
            self.shared()
                .complain("turned a client away: another one is connected");
            return Ok(None);
        }
        let session = Session {
            name: self.name.clone(),
            function: Arc::clone(&self.function),
            slot: Arc::clone(&self.slot),
        };
        let directory = self.socket.directory().to_owned();
        std::thread::Builder::new()
            .name(format!("client {}", self.name))
            .spawn(move || session.run(&stream, &directory))
            .map(Some)
    }
}

/// State that a function shares with the threads of its DMA devices.
fn shared(function: &Mutex<Function>) -> Arc<Shared> {
    let function = function.lock();
    Arc::clone(function.host().shared())
}

/// A client's thread. However it ends, even if it never starts, the slot is free again and the function clean.
struct Session {
    name: String,
    function: Arc<Mutex<Function>>,
    slot: Arc<Slot<UnixStream>>,
}

impl Session {
    fn run(self, stream: &UnixStream, directory: &Path) {
        tracing::info!(smmu = self.name, "client connected");
        self.emit("CLIENT_CONNECTED");
        let serve = AssertUnwindSafe(|| gate::serve(stream, &self.function, directory));
        match std::panic::catch_unwind(serve) {
            Ok(Ok(())) => tracing::info!(smmu = self.name, "client left"),
            Ok(Err(error)) => shared(&self.function).complain(&format!("ended the client: {error}")),
            Err(_) => tracing::error!(
                smmu = self.name,
                "ended the client after a defect of the server, see above"
            ),
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    fn emit(&self, event: &'static str) {
        let run = Arc::clone(self.function.lock().host().run());
        run.emit(|| Event::new(event, json!({ "smmu": self.name })));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.emit("CLIENT_DISCONNECTED");
        self.function.lock().disconnect();
        self.slot.free();
    }
}
