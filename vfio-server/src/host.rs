// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The surroundings of one SMMU, as the model sees them: clock, guest memory, interrupts, chance, marks, trace.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use smmu_emu::{Access, BusError, Env, Line, Marks};

use crate::memory::GuestMemory;
use crate::msix::Vectors;
use crate::trace::Trace;

/// What all SMMUs of a process share: the clock and the marks of the run.
///
/// A run begins when a client connects and no other is there: then no mark is raised.
#[derive(Debug)]
pub struct Run {
    start: Instant,
    fresh: Marks,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    marks: Marks,
    clients: usize,
}

impl Run {
    /// A process with these marks, none of them raised.
    #[must_use]
    pub fn new(marks: Marks) -> Self {
        let state = Mutex::new(State {
            marks: marks.clone(),
            clients: 0,
        });
        Self {
            start: Instant::now(),
            fresh: marks,
            state,
        }
    }

    /// Whether there are marks at all.
    #[must_use]
    pub fn has_marks(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Nanoseconds since the start of the process.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A client has negotiated; it counts until the guard is dropped.
    #[must_use]
    pub fn join(self: &Arc<Self>) -> Participant {
        let mut state = self.lock();
        if state.clients == 0 {
            state.marks = self.fresh.clone();
        }
        state.clients += 1;
        Participant {
            run: Arc::clone(self),
        }
    }

    /// Whether the mark with this number is raised.
    #[must_use]
    pub fn is_raised(&self, number: usize) -> bool {
        self.lock().marks.is_raised_at(number)
    }

    /// Raises the mark with this number, if there is one.
    pub fn raise(&self, number: usize) {
        self.lock().marks.raise(number);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a client counted as part of the run.
#[derive(Debug)]
pub struct Participant {
    run: Arc<Run>,
}

impl Drop for Participant {
    fn drop(&mut self) {
        let mut state = self.run.lock();
        state.clients = state.clients.saturating_sub(1);
    }
}

/// The surroundings of one SMMU.
#[derive(Debug)]
pub struct Host {
    name: String,
    run: Arc<Run>,
    trace: Option<Arc<Trace>>,
    seed: u64,
    random: fastrand::Rng,
    /// Guest memory of the client.
    pub memory: GuestMemory,
    /// Interrupts of the client.
    pub vectors: Vectors,
}

impl Host {
    /// The surroundings of the SMMU `name` before a client is there.
    #[must_use]
    pub fn new(name: String, run: Arc<Run>, trace: Option<Arc<Trace>>, seed: u64, vectors: u16) -> Self {
        Self {
            name,
            run,
            trace,
            seed,
            random: fastrand::Rng::with_seed(seed),
            memory: GuestMemory::default(),
            vectors: Vectors::new(vectors),
        }
    }

    /// Name of the SMMU.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The run that this SMMU takes part in.
    #[must_use]
    pub fn run(&self) -> &Arc<Run> {
        &self.run
    }

    /// Writes the trace out.
    pub fn flush_trace(&self) {
        if let Some(trace) = &self.trace {
            trace.flush();
        }
    }

    /// The client is gone: unmaps its memory, closes its eventfds, writes the trace out, and begins the random
    /// numbers anew, so that the next client meets the same ones.
    pub fn disconnect(&mut self) {
        self.memory.unmap_all();
        self.vectors.disconnect();
        self.random.seed(self.seed);
        self.flush_trace();
    }
}

impl Env for Host {
    fn now(&self) -> u64 {
        self.run.now()
    }

    fn read_memory(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        self.memory.read(address, data)
    }

    fn set_line(&mut self, line: Line, level: bool) {
        self.vectors.set_line(line, level);
    }

    fn random(&mut self) -> u64 {
        self.random.u64(..)
    }

    fn access(&mut self, access: &Access) {
        if self.run.has_marks() {
            self.run.lock().marks.observe(&self.name, access);
        }
        if let Some(trace) = &self.trace {
            trace.record(self.run.now(), &self.name, access);
        }
    }

    fn mark(&self, name: &str) -> bool {
        self.run.lock().marks.is_raised(name)
    }
}
