// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The server: one thread per socket that accepts clients, one thread per client that serves it.
//!
//! A function serves one client at a time. A second one waits a moment for the first to leave, as after a restart of
//! QEMU, and is then turned away with a line in the log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, eventfd};
use smmu_emu::Marks;
use thiserror::Error;

use super::socket::{PublicSocket, SocketError};
use crate::config::dma_devices;
use crate::config::{Config, ConfigError, DmaDeviceError, Interrupts};
use crate::function::Function;
use crate::function::pci;
use crate::host::timer::{self, Timer};
use crate::host::{Host, Run};
use crate::trace::{Ended, Format};

#[cfg(test)]
mod tests;

use super::clients::Port;
use super::device::Device;

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
    /// A DMA device cannot be made, such as for want of its image.
    #[error("smmu {smmu:?}: {error}")]
    DmaDevice {
        /// Name of the SMMU.
        smmu: String,
        /// Why, and what to do.
        error: DmaDeviceError,
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
                .attach(&smmu.dma_devices)
                .map_err(|error| StartError::DmaDevice {
                    smmu: smmu.name.clone(),
                    error,
                })?;
        }
        start_traces(config, &functions)?;
        let timer = match functions.first() {
            Some(function) => {
                let called = functions.iter().map(Function::timer_target).collect();
                Some(Timer::start(function.host().run(), called)?)
            }
            None => None,
        };
        let mut ports = Vec::new();
        for ((smmu, socket), function) in config.smmu.iter().zip(sockets).zip(functions) {
            ports.push(Port::new(&smmu.name, socket, function));
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
            let name = format!("smmu {}", port.name());
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

    /// Ends all clients, removes the sockets and writes the traces out; what became of these, those that ended before
    /// included.
    pub fn stop(mut self) -> Vec<Ended> {
        self.end_clients();
        self.end_traces()
    }

    /// Ends all clients and removes the sockets; no register is accessed afterwards.
    pub fn end_clients(&mut self) {
        if self.timer.is_none() {
            // They have ended.
            return;
        }
        // Level-triggered and never read: every thread sees it.
        if let Err(error) = rustix::io::write(&*self.stop, &1_u64.to_ne_bytes()) {
            tracing::error!(%error, "cannot signal the threads to stop");
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
    }

    /// Last: what ends with the server is in the trace too.
    fn end_traces(&mut self) -> Vec<Ended> {
        let devices = std::mem::take(&mut self.devices);
        let Some(device) = devices.first() else {
            return Vec::new();
        };
        let run = Arc::clone(device.lock().host().run());
        run.tracer().stop_all()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end_clients();
        // What is incomplete is in the log.
        let _ = self.end_traces();
    }
}

/// Builds all functions, without DMA devices and traces.
fn prepare(config: &Config) -> Result<Vec<Function>, ConfigError> {
    config.check()?;
    let names: Vec<&str> = config.smmu.iter().map(|smmu| smmu.name.as_str()).collect();
    let marks = Marks::new(config.mark.clone(), &names)?;
    let run = Arc::new(Run::with_reply_timeout(marks, config.reply_timeout()).with_files(config.places()));
    let mut functions = Vec::new();
    for (i, smmu) in (0_u64..).zip(&config.smmu) {
        let error = |error| ConfigError::Model {
            name: smmu.name.clone(),
            error,
        };
        let geometry = smmu.model.validate().map_err(|wrong| error(wrong.into()))?;
        dma_devices::check(&smmu.dma_devices, &geometry).map_err(|error| ConfigError::DmaDevice {
            smmu: smmu.name.clone(),
            error,
        })?;
        let vectors = geometry.lines().count() + smmu.dma_devices.len();
        let vectors = u16::try_from(vectors).unwrap_or(u16::MAX).min(pci::MAX_VECTORS);
        let host = Host::new(smmu.name.clone(), Arc::clone(&run), vectors);
        let plan = smmu.plan(config.seed_of(i));
        if smmu.interrupts == Interrupts::Level {
            host.shared().vectors().set_levels();
        }
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
