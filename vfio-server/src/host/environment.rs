// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The surroundings of one SMMU, as the model sees them: clock, guest memory, interrupts, marks, trace, what the
//! plan injects.
//!
//! [`Host`] is those of a register access, [`Shared`] the part of them that the threads of DMA devices use too. Locks
//! are taken in this order: the function, the SMMU, one part of what is shared. No part's lock is held while anything
//! is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use smmu_emu::events::{Event as Traced, NoMemory};
use smmu_emu::{Access, AccessKind, DelayedReply, Injected, Line, Surroundings};
use tracing::{error, warn};

use super::dma_gate::DmaGate;
use super::injected::{Hits, PendingReply};
use super::log_limit::LogLimit;
use super::memory::{GuestMemory, OPTION, Ranges};
use super::msix::Vectors;
use super::refused::{NoMemoryLimit, RefusedAccess};
use super::run::{Participant, Run};
use crate::sync::{Mutex, MutexGuard};
use crate::trace::Probe;

/// Messages about clients that are logged at once, and the time after which there may be one more.
const CLIENT_MESSAGES: u32 = 20;
const CLIENT_PAUSE: Duration = Duration::from_secs(10);

/// Time between two edges of a line that is a level and high, in nanoseconds.
pub const LEVEL_PERIOD: u64 = 1_000_000;

/// Register accesses since the server was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}

/// Part of one SMMU's host that register accesses and DMA threads share.
#[derive(Debug)]
pub struct Shared {
    name: String,
    run: Arc<Run>,
    probe: Probe,
    vectors: Mutex<Vectors>,
    dma_gate: DmaGate,
    hits: Hits,
    reads: AtomicU64,
    writes: AtomicU64,
    no_memory: NoMemoryLimit,
    /// Messages about the clients of this SMMU, all of them: a client may come again.
    clients: LogLimit,
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

    /// Probe that traces its events.
    #[must_use]
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// Interrupts of the client; for a moment only.
    pub fn vectors(&self) -> MutexGuard<'_, Vectors> {
        self.vectors.lock()
    }

    /// Logs what a client did wrong, unless clients of this SMMU have had their share of the log.
    pub fn complain(&self, what: &str) {
        let smmu = &self.name;
        match self.clients.pass() {
            Some(0) => warn!(smmu, "{what}"),
            Some(withheld) => warn!(smmu, withheld, "{what}"),
            None => {}
        }
    }

    /// The accesses of DMA devices.
    #[must_use]
    pub fn dma_gate(&self) -> &DmaGate {
        &self.dma_gate
    }

    /// A rule of the plan hit an operation: logs it and tells of it.
    fn injected(&self, injected: &Injected) {
        self.hits.log(self.run.now(), &self.name, injected);
        if let Some(events) = self.run.events()
            && let Some(event) = self.hits.event(self.run.now(), &self.name, injected)
        {
            events.send(event);
        }
    }

    /// An access of a DMA device met no memory: logs it, tells of it and traces it.
    pub fn no_memory(&self, met: &NoMemory) {
        self.no_memory.log(self.run.now(), &self.name, met);
        if let Some(events) = self.run.events()
            && let Some(event) = self.no_memory.event(self.run.now(), &self.name, met)
        {
            events.send(event);
        }
        if self.probe.is_on() {
            self.probe.record(&Traced::NoMemory(*met));
        }
    }
}

/// The surroundings of one SMMU.
#[derive(Debug)]
pub struct Host {
    shared: Arc<Shared>,
    memory: GuestMemory,
    /// The memory is known to be the guest's, or a message has said that it is not.
    memory_is_checked: bool,
}

impl Host {
    /// The surroundings of the SMMU `name` before a client is there.
    #[must_use]
    pub fn new(name: String, run: Arc<Run>, vectors: u16) -> Self {
        let place = run.timer().join();
        let shared = Shared {
            probe: run.tracer().join(&name),
            name,
            run,
            vectors: Mutex::new(Vectors::new(vectors)),
            dma_gate: DmaGate::default(),
            hits: Hits::default(),
            reads: AtomicU64::default(),
            writes: AtomicU64::default(),
            no_memory: NoMemoryLimit::default(),
            clients: LogLimit::new(CLIENT_MESSAGES, CLIENT_PAUSE),
            place,
        };
        Self {
            shared: Arc::new(shared),
            memory: GuestMemory::default(),
            memory_is_checked: false,
        }
    }

    /// The part that DMA threads use too.
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

    /// Changes guest memory, while no access of a DMA device is under way. Stalled ones stay.
    pub fn change_memory<R>(&mut self, change: impl FnOnce(&mut GuestMemory) -> R) -> R {
        let pause = self.shared.dma_gate.pause();
        let result = change(&mut self.memory);
        pause.set_memory(self.memory.ranges());
        result
    }

    /// The surroundings of a register access. There is one, so the guest runs: says so if its memory is not what the
    /// client passed.
    pub fn surroundings(&mut self) -> Surroundings<&Ranges, Callbacks<'_>> {
        if !self.memory_is_checked {
            self.warn_if_private();
        }
        self.observer()
    }

    fn warn_if_private(&mut self) {
        self.memory_is_checked = self.memory.maps() > 0;
        if self.memory.is_blank() {
            error!(
                smmu = self.name(),
                "the guest runs, but its memory is private to QEMU, and DMA will not find it: start QEMU with \
                 `{OPTION}`"
            );
        }
    }

    /// The surroundings of a look at the model from outside.
    #[must_use]
    pub fn observer(&self) -> Surroundings<&Ranges, Callbacks<'_>> {
        Surroundings {
            memory: self.memory.ranges(),
            host: Callbacks::new(&self.shared),
        }
    }

    /// The accesses so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let Shared { reads, writes, .. } = &*self.shared;
        Counts {
            reads: reads.load(Ordering::Relaxed),
            writes: writes.load(Ordering::Relaxed),
        }
    }

    /// Delay of a reply that the plan makes late, within what clients bear; warns if it comes near to that.
    #[must_use]
    pub fn pending_reply(&self, delay: &DelayedReply) -> PendingReply {
        let Shared { name, run, .. } = &*self.shared;
        let pending = PendingReply::new(delay, run.now(), run.reply_timeout());
        if let Some(warning) = pending.warning(name, delay.register, run.now(), run.reply_timeout()) {
            run.emit(|| warning);
        }
        pending
    }

    /// A client has negotiated; it counts until the guard is dropped. What DMA devices were told by the control socket
    /// before is not for it to hear of.
    #[must_use]
    pub fn join(&self) -> Participant {
        self.shared.vectors().forget_edges();
        self.run().join()
    }

    /// The client is gone: unmaps its memory, closes its eventfds.
    pub fn disconnect(&mut self) {
        self.change_memory(GuestMemory::unmap_all);
        self.memory_is_checked = false;
        let signals = self.shared.vectors().disconnect();
        // Not with the vectors locked.
        drop(signals);
    }
}

/// The model's host, for register accesses, threads of DMA devices and the timer alike. Memory is not part of it: each
/// access has its own ([`Surroundings`]).
#[derive(Debug)]
pub struct Callbacks<'a> {
    shared: &'a Shared,
    watches: bool,
    /// The last access that the SMMU refused, if this watches.
    pub refused: Option<RefusedAccess>,
}

impl<'a> Callbacks<'a> {
    /// The host of one call.
    #[must_use]
    pub fn new(shared: &'a Shared) -> Self {
        Self {
            shared,
            watches: false,
            refused: None,
        }
    }

    /// Like [`Self::new`], and keeps what the SMMU refused: also without a trace, messages say so. A unit asks for what
    /// it does not translate itself only.
    #[must_use]
    pub fn watching(shared: &'a Shared) -> Self {
        Self {
            watches: true,
            ..Self::new(shared)
        }
    }
}

impl smmu_emu::Host for Callbacks<'_> {
    fn now(&self) -> u64 {
        self.shared.run.now()
    }

    fn set_line(&mut self, line: Line, level: bool) {
        let again = self.shared.vectors().set_line(line, level);
        if again {
            self.wake_at(self.now().saturating_add(LEVEL_PERIOD));
        }
    }

    fn wake_at(&mut self, time: u64) {
        self.shared.run.timer().set(self.shared.place, time);
    }

    fn resumed(&mut self, _: u8) {
        self.shared.dma_gate.resumed();
    }

    fn mark(&self, name: &str) -> bool {
        self.shared.run.is_raised_by_name(name)
    }

    fn access(&mut self, access: &Access) {
        let Shared { name, run, .. } = self.shared;
        if run.has_marks() {
            run.change_marks(|marks| marks.observe(name, access));
        }
        let count = match access.kind {
            AccessKind::Read => &self.shared.reads,
            AccessKind::Write => &self.shared.writes,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn injected(&mut self, injected: &Injected) {
        self.shared.injected(injected);
    }

    fn traces(&self) -> bool {
        self.watches || self.shared.probe.is_on()
    }

    fn trace(&mut self, event: &Traced) {
        if let Traced::NoMemory(met) = event {
            self.shared.no_memory(met);
            return;
        }
        if self.watches {
            self.refused = RefusedAccess::of(event).or(self.refused);
        }
        if self.shared.probe.is_on() {
            self.shared.probe.record(event);
        }
    }
}
