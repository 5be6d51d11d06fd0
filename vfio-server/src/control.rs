// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The control socket: a QMP server, so that the tools people have can drive the run.
//!
//! | module | is |
//! | --- | --- |
//! | [`framing`] | where a message of the JSON stream ends |
//! | [`qmp`] | requests, answers, the greeting |
//! | [`commands`] | the table of commands, and what they do |
//! | `client` | one connection: its bytes in and out, bounded |
//! | `event_loop` | all connections, in one thread over mio |
//! | `worker` | the threads that carry commands out |
//!
//! The loop touches sockets and never a lock of the device side; the workers take those locks and never touch a
//! socket. Between them are channels. Clients are hostile: each has one command under way at most, bounded input, and
//! bounded output; what a client does not read holds up no other client. `docs/decisions/0007-control-socket.md` says
//! why.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use commands::Context;
use event_loop::EventLoop;
use mio::{Poll, Waker};
use thiserror::Error;

use crate::client::device::Device;
use crate::client::socket::{PublicSocket, SocketError};
use crate::host::events::{self, Bell};

mod client;
pub mod commands;
pub mod ctl;
mod event_loop;
pub mod framing;
pub mod qmp;
mod worker;

/// The control socket cannot be opened.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The socket cannot be made.
    #[error("control socket: {0}")]
    Socket(#[from] SocketError),
    /// No threads or descriptors.
    #[error("control socket: {0}")]
    Io(#[from] io::Error),
}

/// An open control socket. Dropping it closes and removes it.
#[derive(Debug)]
pub struct Control {
    stop: Arc<AtomicBool>,
    bell: Arc<Bell>,
    threads: Vec<JoinHandle<()>>,
}

impl Control {
    /// Opens the socket for these SMMUs. `quit` gets a message when a client asks the server to end.
    ///
    /// # Errors
    /// [`ControlError`]; nothing is left behind then.
    pub fn open(path: &Path, devices: &[Device], quit: Sender<&'static str>) -> Result<Self, ControlError> {
        let no_device = || io::Error::from(io::ErrorKind::InvalidInput);
        let context = Context::new(devices).ok_or_else(no_device)?;
        let socket = PublicSocket::bind(path)?;
        let poll = Poll::new()?;
        let bell = Arc::new(Bell::new(Waker::new(poll.registry(), event_loop::BELL)?));
        let (sink, events) = events::queue(Arc::clone(&bell));
        let (workers, jobs, answers) = worker::start(&context, &bell)?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut control = Self {
            stop: Arc::clone(&stop),
            bell: Arc::clone(&bell),
            threads: Vec::new(),
        };
        let event_loop = EventLoop::new(poll, socket, bell, jobs, answers, events, quit, stop)?;
        let thread = std::thread::Builder::new().name("control".into());
        control.threads.push(thread.spawn(move || event_loop.run())?);
        // They end when the loop is gone, and with it the channels of jobs.
        control.threads.extend(workers);
        context.run().send_events_to(sink);
        Ok(control)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.bell.ring();
        for thread in self.threads.drain(..) {
            // A panic was logged where it happened.
            let _ = thread.join();
        }
    }
}
