// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The surroundings of one SMMU, as the model sees them: clock, guest memory, interrupts, chance, marks, trace, what the plan injects.
//!
//! [`Host`] is those of a register access, [`Shared`] the part of them that the threads of masters use too. Locks are taken
//! in this order: the function, the SMMU, one part of what is shared. No part's lock is held while anything is waited for.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use smmu_emu::{Access, AccessKind, BusError, Env, Hold, Injected, Line, Marks};

use crate::control::event::{Event, EventSink};
use crate::injected::{Held, Hits, Patience};
use crate::master::traffic::Traffic;
use crate::memory::GuestMemory;
use crate::msix::Vectors;
use crate::timer::Timer;
use crate::trace::Trace;

/// What all SMMUs of a process share: the clock and the marks of the run.
///
/// A run begins when a client connects and no other is there: then no mark is raised.
#[derive(Debug)]
pub struct Run {
    start: Instant,
    fresh: Marks,
    state: Mutex<State>,
    /// A mark was raised, or the process ends.
    changed: Condvar,
    /// Where interrupts wait that a rule makes late.
    timer: Timer,
    patience: Patience,
    /// There once somebody wants to hear of events.
    events: OnceLock<EventSink>,
}

#[derive(Debug)]
struct State {
    marks: Marks,
    clients: usize,
    ends: bool,
}

impl Run {
    /// A process with these marks, none of them raised, whose clients wait for replies as QEMU does.
    #[must_use]
    pub fn new(marks: Marks) -> Self {
        Self::with_patience(marks, Patience::default())
    }

    /// The same with clients that wait for replies for another time.
    #[must_use]
    pub fn with_patience(marks: Marks, patience: Patience) -> Self {
        let state = Mutex::new(State {
            marks: marks.clone(),
            clients: 0,
            ends: false,
        });
        Self {
            start: Instant::now(),
            fresh: marks,
            state,
            changed: Condvar::new(),
            timer: Timer::default(),
            patience,
            events: OnceLock::new(),
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

    /// Whether the mark of this name is raised.
    #[must_use]
    pub fn is_raised_by_name(&self, name: &str) -> bool {
        self.lock().marks.is_raised(name)
    }

    /// Raises the mark with this number, if there is one.
    pub fn raise(&self, number: usize) {
        self.change_marks(|marks| marks.raise(number));
    }

    /// Every mark by name, and whether it is raised.
    #[must_use]
    pub fn marks(&self) -> Vec<(String, bool)> {
        let state = self.lock();
        let names = state.marks.names().enumerate();
        names
            .map(|(i, name)| (name.to_owned(), state.marks.is_raised_at(i)))
            .collect()
    }

    /// Names of the marks of every run.
    #[must_use]
    pub fn mark_names(&self) -> Vec<&str> {
        self.fresh.names().collect()
    }

    /// Where interrupts wait that a rule makes late.
    #[must_use]
    pub fn timer(&self) -> &Timer {
        &self.timer
    }

    /// How long clients wait for replies.
    #[must_use]
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// Lets a reply wait. Nobody else waits for the caller meanwhile.
    pub fn wait_out(&self, held: &Held) {
        let mut state = self.lock();
        loop {
            let left = held.until.saturating_sub(self.now());
            let raised = held
                .mark
                .as_deref()
                .is_some_and(|mark| state.marks.is_raised(mark));
            if left == 0 || raised || state.ends {
                return;
            }
            let wait = self.changed.wait_timeout(state, Duration::from_nanos(left));
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The process ends: no reply waits any longer.
    pub fn end(&self) {
        self.lock().ends = true;
        self.changed.notify_all();
    }

    /// From now on events go here; only the first call counts.
    pub fn send_events_to(&self, events: EventSink) {
        let _ = self.events.set(events);
    }

    /// Tells of an event, if somebody wants to hear of it.
    pub fn tell(&self, event: impl FnOnce() -> Event) {
        if let Some(events) = self.events.get() {
            events.send(event());
        }
    }

    fn change_marks(&self, change: impl FnOnce(&mut Marks)) {
        let mut state = self.lock();
        let raised =
            |marks: &Marks| -> Vec<bool> { (0..marks.len()).map(|i| marks.is_raised_at(i)).collect() };
        let before = raised(&state.marks);
        change(&mut state.marks);
        let after = raised(&state.marks);
        if before == after {
            return;
        }
        let changed = before
            .into_iter()
            .zip(after)
            .map(|(before, after)| after && !before);
        let names = changed.zip(state.marks.names()).filter(|(changed, _)| *changed);
        for (_, mark) in names {
            self.tell(|| Event::new("MARK_RAISED", json!({ "mark": mark })));
        }
        drop(state);
        self.changed.notify_all();
        self.timer.look_now();
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

/// Register accesses since the control socket was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}

/// What register accesses and the threads of masters share of the surroundings of one SMMU.
#[derive(Debug)]
pub struct Shared {
    name: String,
    run: Arc<Run>,
    vectors: Mutex<Vectors>,
    traffic: Traffic,
    hits: Mutex<Hits>,
    /// Number of the SMMU at the timer.
    place: usize,
}

impl Shared {
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

    /// Interrupts of the client; for a moment only.
    pub fn vectors(&self) -> MutexGuard<'_, Vectors> {
        self.vectors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The accesses of masters.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// A rule of the plan hit an operation: logs it and tells of it.
    pub fn injected(&self, injected: &Injected) {
        let mut hits = self.hits.lock().unwrap_or_else(PoisonError::into_inner);
        hits.log(self.run.now(), &self.name, injected);
        if let Some(events) = self.run.events.get()
            && let Some(event) = hits.event(self.run.now(), &self.name, injected)
        {
            events.send(event);
        }
    }

    /// An interrupt of the SMMU is due at this time.
    pub fn wake_at(&self, time: u64) {
        self.run.timer.set(self.place, time);
    }
}

/// The surroundings of one SMMU.
#[derive(Debug)]
pub struct Host {
    shared: Arc<Shared>,
    trace: Option<Arc<Trace>>,
    counts: Option<Counts>,
    /// The reply to the access under way has to wait.
    held: Option<Held>,
    memory: GuestMemory,
}

impl Host {
    /// The surroundings of the SMMU `name` before a client is there.
    #[must_use]
    pub fn new(name: String, run: Arc<Run>, vectors: u16) -> Self {
        let place = run.timer.join();
        let shared = Shared {
            name,
            run,
            vectors: Mutex::new(Vectors::new(vectors)),
            traffic: Traffic::default(),
            hits: Mutex::default(),
            place,
        };
        Self {
            shared: Arc::new(shared),
            trace: None,
            counts: None,
            held: None,
            memory: GuestMemory::default(),
        }
    }

    /// What the threads of masters use too.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Name of the SMMU.
    #[must_use]
    pub fn name(&self) -> &str {
        self.shared.name()
    }

    /// The run that this SMMU takes part in.
    #[must_use]
    pub fn run(&self) -> &Arc<Run> {
        self.shared.run()
    }

    /// Guest memory of the client.
    #[must_use]
    pub fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    /// Changes guest memory, while no access of a master is under way. Stalled ones stay.
    pub fn change_memory<R>(&mut self, change: impl FnOnce(&mut GuestMemory) -> R) -> R {
        let pause = self.shared.traffic.pause();
        let result = change(&mut self.memory);
        pause.set_memory(self.memory.ranges());
        result
    }

    /// Begins to count register accesses.
    pub fn count(&mut self) {
        self.counts.get_or_insert_default();
    }

    /// The accesses counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts.unwrap_or_default()
    }

    /// Traces into another file, or no more; returns the trace that was there.
    pub fn set_trace(&mut self, trace: Option<Arc<Trace>>) -> Option<Arc<Trace>> {
        std::mem::replace(&mut self.trace, trace)
    }

    /// Whether accesses are traced.
    #[must_use]
    pub fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    /// Writes the trace out.
    pub fn flush_trace(&self) {
        if let Some(trace) = &self.trace {
            trace.flush();
        }
    }

    /// What the reply to the access that was made has to wait for; once.
    pub fn take_held(&mut self) -> Option<Held> {
        self.held.take()
    }

    /// The client is gone: unmaps its memory, closes its eventfds, writes the trace out.
    pub fn disconnect(&mut self) {
        self.change_memory(GuestMemory::unmap_all);
        self.shared.vectors().disconnect();
        self.flush_trace();
    }
}

impl Env for Host {
    fn now(&self) -> u64 {
        self.run().now()
    }

    fn read_memory(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        self.memory.ranges().read(address, data)
    }

    fn compare_exchange(&self, address: u64, old: u64, new: u64) -> Result<u64, BusError> {
        self.memory.ranges().compare_exchange(address, old, new)
    }

    fn set_line(&mut self, line: Line, level: bool) {
        self.shared.vectors().set_line(line, level);
    }

    fn access(&mut self, access: &Access) {
        let Shared { name, run, .. } = &*self.shared;
        if run.has_marks() {
            run.change_marks(|marks| marks.observe(name, access));
        }
        if let Some(counts) = &mut self.counts {
            match access.kind {
                AccessKind::Read => counts.reads = counts.reads.saturating_add(1),
                AccessKind::Write => counts.writes = counts.writes.saturating_add(1),
            }
        }
        if let Some(trace) = &self.trace {
            trace.record(run.now(), name, access);
        }
    }

    fn injected(&mut self, injected: &Injected) {
        self.shared.injected(injected);
    }

    fn hold(&mut self, hold: &Hold<'_>) {
        let Shared { name, run, .. } = &*self.shared;
        let held = Held::new(hold, run.now(), run.patience);
        if let Some(warning) = held.warning(name, hold.register, run.now(), run.patience) {
            run.tell(|| warning);
        }
        // Of several in one message the longest.
        if self.held.as_ref().is_none_or(|other| other.until < held.until) {
            self.held = Some(held);
        }
    }

    fn wake_at(&mut self, time: u64) {
        self.shared.wake_at(time);
    }

    fn mark(&self, name: &str) -> bool {
        self.run().is_raised_by_name(name)
    }

    fn resumed(&mut self, _: u8) {
        self.shared.traffic.resumed();
    }
}
