// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The server: one thread per socket that accepts clients, one thread per client that serves it.
//!
//! A function serves one client at a time. A second one waits a moment for the first to leave, as after a restart of
//! QEMU, and is then turned away with a line in the log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use serde_json::json;
use smmu_emu::Marks;
use thiserror::Error;

use crate::config::{Config, ConfigError};
use crate::control::event::Event;
use crate::function::Function;
use crate::gate;
use crate::host::{Host, Run};
use crate::master::{self, MasterError};
use crate::pci;
use crate::socket::{PublicSocket, SocketError};
use crate::timer::{self, Timer};
use crate::trace::Format;

#[cfg(test)]
mod tests;

/// How long a second client waits for the first one to leave.
const TAKE_OVER: Duration = Duration::from_secs(1);
/// Pause after a failed accept, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The server cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A socket cannot be made.
    #[error("smmu {name:?}: {error}")]
    Socket {
        /// Name of the SMMU.
        name: String,
        /// Why, and what to do.
        error: SocketError,
    },
    /// A master cannot be made, such as for want of its image.
    #[error("smmu {smmu:?}: {error}")]
    Master {
        /// Name of the SMMU.
        smmu: String,
        /// Why, and what to do.
        error: MasterError,
    },
    /// A trace file cannot be made.
    #[error("cannot create the trace file {}: {error}", .path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// No threads or descriptors.
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
}

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    stop: Arc<OwnedFd>,
    threads: Vec<JoinHandle<()>>,
    devices: Vec<Device>,
    /// Kept for its end.
    timer: Option<timer::Running>,
}

/// One SMMU of a running server.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Where its clients connect.
    pub socket: PathBuf,
    /// The SMMU.
    pub function: Arc<Mutex<Function>>,
}

impl Device {
    /// The function, for as short a time as possible: register accesses wait.
    pub fn lock(&self) -> MutexGuard<'_, Function> {
        self.function.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Checks a configuration as far as that needs no socket and no file.
    ///
    /// # Errors
    /// [`ConfigError`] names the SMMU or mark and the field.
    pub fn check(config: &Config) -> Result<(), ConfigError> {
        prepare(config).map(|_| ())
    }

    /// Listens at all sockets. When this returns, clients can connect.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left behind then.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        Self::check(config)?;
        // Before the trace files are emptied, which may be those of a server that is there and has the sockets.
        let mut sockets = Vec::new();
        for smmu in &config.smmu {
            let socket = PublicSocket::bind(&smmu.socket).map_err(|error| StartError::Socket {
                name: smmu.name.clone(),
                error,
            })?;
            sockets.push(socket);
        }
        let mut functions = prepare(config)?;
        for (smmu, function) in config.smmu.iter().zip(&mut functions) {
            function
                .attach(&smmu.master)
                .map_err(|error| StartError::Master {
                    smmu: smmu.name.clone(),
                    error,
                })?;
        }
        start_traces(config, &functions)?;
        let timer = match functions.first() {
            Some(function) => {
                let called = functions.iter().map(Function::called).collect();
                Some(Timer::start(function.host().run(), called)?)
            }
            None => None,
        };
        let mut ports = Vec::new();
        for ((smmu, socket), function) in config.smmu.iter().zip(sockets).zip(functions) {
            ports.push(Port {
                name: smmu.name.clone(),
                socket,
                function: Arc::new(Mutex::new(function)),
                slot: Arc::default(),
            });
        }
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(io::Error::from)?;
        let mut server = Self {
            stop: Arc::new(stop),
            threads: Vec::new(),
            devices: ports.iter().map(Port::device).collect(),
            timer,
        };
        for port in ports {
            let stop = Arc::clone(&server.stop);
            let name = format!("smmu {}", port.name);
            server.threads.push(
                std::thread::Builder::new()
                    .name(name)
                    .spawn(move || port.accept(&stop))?,
            );
        }
        Ok(server)
    }

    /// The SMMUs, in the order of the configuration.
    #[must_use]
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Ends all clients, removes the sockets and writes the traces out.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Level-triggered and never read: every thread sees it.
        if let Err(error) = rustix::io::write(&*self.stop, &1_u64.to_ne_bytes()) {
            tracing::error!(%error, "cannot tell the threads to stop");
        }
        if let Some(device) = self.devices.first() {
            let run = Arc::clone(device.lock().host().run());
            run.end();
        }
        for thread in self.threads.drain(..) {
            // A panic was logged where it happened.
            let _ = thread.join();
        }
        self.timer = None;
        for device in &self.devices {
            device.lock().detach();
        }
        // Last: what ends with the server is in the trace too.
        if let Some(device) = self.devices.first() {
            let run = Arc::clone(device.lock().host().run());
            run.tracer().stop_all();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Builds all functions, without masters and traces.
fn prepare(config: &Config) -> Result<Vec<Function>, ConfigError> {
    config.check()?;
    let names: Vec<&str> = config.smmu.iter().map(|smmu| smmu.name.as_str()).collect();
    let marks = Marks::new(config.mark.clone(), &names)?;
    let run = Arc::new(Run::with_patience(marks, config.patience()));
    let mut functions = Vec::new();
    for (i, smmu) in (0_u64..).zip(&config.smmu) {
        let error = |error| ConfigError::Model {
            name: smmu.name.clone(),
            error,
        };
        let geometry = smmu.model.validate().map_err(error)?;
        master::config::check(&smmu.master, &geometry).map_err(|error| ConfigError::Master {
            smmu: smmu.name.clone(),
            error,
        })?;
        let vectors = geometry.lines().count() + smmu.master.len();
        let vectors = u16::try_from(vectors).unwrap_or(u16::MAX).min(pci::MAX_VECTORS);
        let host = Host::new(smmu.name.clone(), Arc::clone(&run), vectors);
        let plan = smmu.plan(config.seed_of(i));
        let mut function = Function::new(&smmu.model, plan, host).map_err(error)?;
        function.set_clock(smmu.clock);
        functions.push(function);
    }
    Ok(functions)
}

/// Turns the trace on as the configuration says. SMMUs may share a file.
fn start_traces(config: &Config, functions: &[Function]) -> Result<(), StartError> {
    let Some(tracer) = functions.first().map(|function| function.host().run().tracer()) else {
        return Ok(());
    };
    if config.trace_ring.is_some() {
        let all: Vec<usize> = (0..functions.len()).collect();
        tracer.record(&all, config.trace_ring);
    }
    let mut files: BTreeMap<&Path, Vec<usize>> = BTreeMap::new();
    for (i, smmu) in config.smmu.iter().enumerate() {
        if let Some(path) = smmu.trace.as_deref() {
            files.entry(path).or_default().push(i);
        }
    }
    for (path, smmus) in files {
        let started = File::create(path).and_then(|file| tracer.write(&smmus, file, path, Format::of(path)));
        started.map_err(|error| StartError::Trace {
            path: path.to_owned(),
            error,
        })?;
    }
    Ok(())
}

/// A function, its socket, and the client that is there.
#[derive(Debug)]
struct Port {
    name: String,
    socket: PublicSocket,
    function: Arc<Mutex<Function>>,
    slot: Arc<Slot>,
}

/// Room for one client.
#[derive(Debug, Default)]
struct Slot {
    client: Mutex<Option<UnixStream>>,
    left: Condvar,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Option<UnixStream>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the slot for a client, if it is free or gets free in time.
    fn take(&self, client: UnixStream) -> bool {
        let (mut slot, _) = self
            .left
            .wait_timeout_while(self.lock(), TAKE_OVER, |slot| slot.is_some())
            .unwrap_or_else(PoisonError::into_inner);
        let free = slot.is_none();
        if free {
            *slot = Some(client);
        }
        free
    }

    fn free(&self) {
        *self.lock() = None;
        self.left.notify_all();
    }
}

impl Port {
    fn device(&self) -> Device {
        Device {
            name: self.name.clone(),
            socket: self.socket.path().to_owned(),
            function: Arc::clone(&self.function),
        }
    }

    /// Accepts clients until `stop` is readable, then ends the one that is there.
    fn accept(self, stop: &OwnedFd) {
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
        if let Some(client) = &*self.slot.lock() {
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

    /// Starts to serve a client, or turns it away.
    fn admit(&self, stream: UnixStream) -> io::Result<Option<JoinHandle<()>>> {
        if !self.slot.take(stream.try_clone()?) {
            tracing::warn!(smmu = self.name, "turned a client away: another one is connected");
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

/// A client's thread. However it ends, even if it never starts, the slot is free again and the function clean.
struct Session {
    name: String,
    function: Arc<Mutex<Function>>,
    slot: Arc<Slot>,
}

impl Session {
    fn run(self, stream: &UnixStream, directory: &Path) {
        tracing::info!(smmu = self.name, "client connected");
        self.tell("CLIENT_CONNECTED");
        let serve = AssertUnwindSafe(|| gate::serve(stream, &self.function, directory));
        match std::panic::catch_unwind(serve) {
            Ok(Ok(())) => tracing::info!(smmu = self.name, "client left"),
            Ok(Err(error)) => tracing::warn!(smmu = self.name, "ended the client: {error}"),
            Err(_) => tracing::error!(
                smmu = self.name,
                "ended the client after a defect of the server, see above"
            ),
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    fn tell(&self, event: &'static str) {
        let run = Arc::clone(
            self.function
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .host()
                .run(),
        );
        run.tell(|| Event::new(event, json!({ "smmu": self.name })));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.tell("CLIENT_DISCONNECTED");
        self.function
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .disconnect();
        self.slot.free();
    }
}
