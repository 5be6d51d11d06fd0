// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Masters: devices that do DMA through an SMMU.
//!
//! A master is an *engine*: a [`Block`] of registers in BAR2, which the guest's accesses reach with the function locked, and
//! threads, which make the DMA. [`kinds`] says which engine serves which kind; an engine is made with a [`Place`], which
//! gives it its [`Interrupt`] and starts its threads:
//!
//! ```ignore
//! pub fn start(place: &mut Place) -> io::Result<Box<dyn Block>> {
//!     let registers = Arc::new(Mutex::new(Registers::default()));
//!     let (theirs, interrupt) = (Arc::clone(&registers), place.interrupt());
//!     let doorbell = place.thread(move |port| {            // once for each ring, or for several at once
//!         let job = lock(&theirs).next.take();             // its lock is not held during an access
//!         let Some(job) = job else { return };
//!         match port.write(job.address, &job.data, job.access) {
//!             Err(Refusal::Gone(_)) => return,             // a reset: `Block::reset` has cleared the registers
//!             done => lock(&theirs).finish(job, done),     // unless a reset came after the access
//!         }
//!         interrupt.raise();
//!     })?;
//!     Ok(Box::new(MyBlock { registers, doorbell }))        // its `write` rings
//! }
//! ```
//!
//! | module | is |
//! | --- | --- |
//! | [`config`] | `[[smmu.master]]` |
//! | [`kinds`] | from a kind to its engine |
//! | [`port`] | the way of a thread to memory |
//! | [`test_master`] | a master that does what it is told, for tests and to inject faults |
//! | [`thread`] | threads that wait for a ring |
//! | [`traffic`] | accesses under way, and what holds them up |

use std::io;
use std::sync::{Arc, Mutex};

use smmu_emu::Smmu;
use thiserror::Error;

use super::port::{Activity, Port};
use super::thread::{Doorbell, Thread};
use crate::config::masters::MasterConfig;
use crate::devices::kinds;
use crate::host::Shared;

/// Bytes of a register block.
pub const BLOCK_SIZE: u64 = 4096;

/// The registers of a master. Called with the function locked: these return at once, and never wait for a thread of the
/// master, which may be waiting itself.
pub trait Block: Send + std::fmt::Debug {
    /// Reads `data.len()` bytes at `offset`, which are within [`BLOCK_SIZE`].
    fn read(&mut self, offset: u64, data: &mut [u8]);

    /// Writes bytes at `offset`, which are within [`BLOCK_SIZE`].
    fn write(&mut self, offset: u64, data: &[u8]);

    /// Back to the state after power-on. No access is under way; a thread that works on something gets [`Gone`] from its
    /// next access, and must not find its work again.
    fn reset(&mut self);
}

/// A master cannot be made.
#[derive(Debug, Error)]
#[error("master {name:?}: {problem}")]
pub struct MasterError {
    /// Its name.
    pub name: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// The interrupt of a master: an edge for every event.
#[derive(Clone, Debug)]
pub struct Interrupt {
    shared: Arc<Shared>,
    vector: usize,
}

impl Interrupt {
    /// Raises it. Does not wait for anything.
    pub fn raise(&self) {
        self.shared.vectors().raise(self.vector);
    }
}

/// Where an engine is put: what it is given, and what it has started there.
#[derive(Debug)]
pub struct Place {
    name: String,
    stream: u16,
    smmu: Arc<Mutex<Smmu>>,
    shared: Arc<Shared>,
    vector: usize,
    activity: Arc<Activity>,
    threads: Vec<Thread>,
}

impl Place {
    /// Name of the master.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its stream ID.
    #[must_use]
    pub fn stream(&self) -> u16 {
        self.stream
    }

    /// What it shares with the SMMU's register side, such as the run's events.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Its interrupt.
    #[must_use]
    pub fn interrupt(&self) -> Interrupt {
        Interrupt {
            shared: Arc::clone(&self.shared),
            vector: self.vector,
        }
    }

    /// Starts a thread with a port of its own, which calls `work` after the doorbell was rung.
    ///
    /// A call belongs to the period between two resets in which it begins: its port makes no access after the next reset,
    /// also for what was asked for since. So a call does not take one job after the other from what a reset clears; rings
    /// are kept, and the next call finds what this one leaves.
    ///
    /// # Errors
    /// There are no more threads.
    pub fn thread(&mut self, work: impl FnMut(&mut Port) + Send + 'static) -> io::Result<Doorbell> {
        let shared = Arc::clone(&self.shared);
        let port = Port::new(
            &self.smmu,
            Arc::clone(&shared),
            self.stream,
            Arc::clone(&self.activity),
        );
        let thread = Thread::start(&self.name, shared, port, work)?;
        let doorbell = thread.doorbell().clone();
        self.threads.push(thread);
        Ok(doorbell)
    }
}

/// One master of an SMMU.
#[derive(Debug)]
pub struct Master {
    config: MasterConfig,
    block: Box<dyn Block>,
    vector: usize,
    activity: Arc<Activity>,
    threads: Vec<Thread>,
}

impl Master {
    /// What the configuration says.
    #[must_use]
    pub fn config(&self) -> &MasterConfig {
        &self.config
    }

    /// Its MSI-X vector.
    #[must_use]
    pub fn vector(&self) -> usize {
        self.vector
    }

    /// What it has done.
    #[must_use]
    pub fn activity(&self) -> &Activity {
        &self.activity
    }
}

/// The masters of one SMMU.
#[derive(Debug)]
pub struct Masters {
    shared: Arc<Shared>,
    masters: Vec<Master>,
}

impl Masters {
    /// No masters.
    #[must_use]
    pub fn none(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            masters: Vec::new(),
        }
    }

    /// Makes masters, whose vectors begin with `vector`, and starts their threads.
    ///
    /// # Errors
    /// [`MasterError`] names the master; none is left running then.
    pub fn start(
        configs: &[MasterConfig],
        smmu: &Arc<Mutex<Smmu>>,
        shared: &Arc<Shared>,
        vector: usize,
    ) -> Result<Self, MasterError> {
        let mut masters = Self::none(shared);
        for (vector, config) in (vector..).zip(configs) {
            let mut place = Place {
                name: config.name.clone(),
                stream: config.stream_id,
                smmu: Arc::clone(smmu),
                shared: Arc::clone(shared),
                vector,
                activity: Arc::default(),
                threads: Vec::new(),
            };
            let block = kinds::start(&config.kind, &mut place).map_err(|problem| MasterError {
                name: config.name.clone(),
                problem,
            });
            let Place {
                activity, threads, ..
            } = place;
            masters.masters.push(Master {
                config: config.clone(),
                block: block?,
                vector,
                activity,
                threads,
            });
        }
        Ok(masters)
    }

    /// All of them, in the order of the configuration.
    #[must_use]
    pub fn all(&self) -> &[Master] {
        &self.masters
    }

    /// Reads the blocks at an offset from the first one. Where none is, and across the border of two, there is 0.
    pub fn read(&mut self, offset: u64, data: &mut [u8]) {
        match self.block(offset, data.len()) {
            Some((block, offset)) => block.read(offset, data),
            None => data.fill(0),
        }
    }

    /// Writes the blocks at an offset from the first one.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        if let Some((block, offset)) = self.block(offset, data.len()) {
            block.write(offset, data);
        }
    }

    fn block(&mut self, offset: u64, length: usize) -> Option<(&mut dyn Block, u64)> {
        let (number, offset) = (offset / BLOCK_SIZE, offset % BLOCK_SIZE);
        let end = u64::try_from(length).ok()?.checked_add(offset)?;
        let master = self.masters.get_mut(usize::try_from(number).ok()?)?;
        (end <= BLOCK_SIZE).then_some((&mut *master.block, offset))
    }

    /// Resets every block. The caller has ended the traffic.
    pub fn reset(&mut self) {
        for master in &mut self.masters {
            master.block.reset();
        }
    }
}

impl Drop for Masters {
    fn drop(&mut self) {
        if self.masters.is_empty() {
            return;
        }
        self.shared.traffic().stop();
        // All of them first, so that they end at the same time.
        let threads = || self.masters.iter().flat_map(|master| &master.threads);
        threads().for_each(Thread::close);
    }
}
