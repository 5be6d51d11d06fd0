// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Events: what the device side has to tell, on its way to the clients.
//!
//! The device side never waits: what does not fit into the queue is lost and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, Sender, bounded};
use mio::Waker;
use serde_json::{Value, json};

use super::log_limit::LogLimit;

/// Events between the device side and the loop.
const QUEUE: usize = 1024;
/// `DELAY_FIRED` events of one SMMU in a second, and as many `FAULT_FIRED`.
pub const FIRED_PER_SECOND: u32 = 200;

/// Limit of the events of one kind and SMMU.
#[must_use]
pub fn fired_limit() -> LogLimit {
    LogLimit::per(FIRED_PER_SECOND, Duration::from_secs(1))
}

/// Name and meaning of each event, for `docs/control.md`.
pub const EVENTS: &[(&str, &str)] = &[
    (
        "DELAY_FIRED",
        "A delay hit an operation: `smmu`, `delay` (its number), `operation` (which of those that the rule \
         is for, as `nth` has it), `site`; `bank`, `register` with `index`, `line`, null where they do not \
         apply; `suppressed` (events of this kind that were left out before this one: at most 200 per second \
         and SMMU are sent).",
    ),
    (
        "FAULT_FIRED",
        "A fault hit an operation: `smmu`, `fault` (its number), `operation`, `kind`; `bank`, `stream`, \
         `address`, `descriptor`, `register` with `index`, `line`, null where they do not apply; \
         `suppressed` as above.",
    ),
    (
        "STALL_NEAR_TIMEOUT",
        "The reply to a register access is held up for a time near to what QEMU waits: `smmu`, `register`, \
         `milliseconds` (at most), `timeout` (QEMU's, in milliseconds).",
    ),
    (
        "MARK_RAISED",
        "A mark was raised: `mark`. A new run, in which none is raised, has no event.",
    ),
    (
        "CLIENT_CONNECTED",
        "A vfio-user client, such as QEMU, connected: `smmu`.",
    ),
    ("CLIENT_DISCONNECTED", "It left: `smmu`."),
    (
        "RESET",
        "An SMMU was reset: `smmu`, `cause` (`client`: asked for over vfio-user; `disconnected`; `control`; `power`: \
         its clock controller does not retain registers).",
    ),
    (
        "CLOCK_VIOLATION",
        "The registers of an SMMU were accessed while its clock controller kept the clock from it: `smmu`, `offset`, \
         `register` with `index` (null where none is), `write`, \
         `count` (so far; the first, second, fourth and so on are reported).",
    ),
    (
        "NO_MEMORY",
        "An access of a DMA device left the SMMU and met no memory: `smmu`, `stream`, `address`, `access` \
         (`read`, `write` or `fetch`), `to` (the physical address), `suppressed` as above.",
    ),
    (
        "EVENTS_LOST",
        "Events were left out because this client, or the server, could not take them in time: `count`.",
    ),
];

/// Something happened.
#[derive(Clone, Debug)]
pub struct Event {
    name: &'static str,
    data: Value,
    at: SystemTime,
}

impl Event {
    /// An event of this moment.
    #[must_use]
    pub fn new(name: &'static str, data: Value) -> Self {
        Self {
            name,
            data,
            at: SystemTime::now(),
        }
    }

    /// Message that is sent.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let since = self.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        json!({
            "event": self.name,
            "data": self.data,
            "timestamp": { "seconds": since.as_secs(), "microseconds": since.subsec_micros() },
        })
    }
}

/// Wakes the loop; many calls before it looks cost one system call.
#[derive(Debug)]
pub struct Bell {
    waker: Waker,
    rung: AtomicBool,
}

impl Bell {
    /// Bell of the loop that `waker` belongs to.
    #[must_use]
    pub fn new(waker: Waker) -> Self {
        Self {
            waker,
            rung: AtomicBool::new(false),
        }
    }

    /// Wakes the loop.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "cannot wake the control socket");
            self.rung.store(false, Ordering::Release);
        }
    }

    /// The loop is about to look at everything.
    pub fn answer(&self) {
        self.rung.store(false, Ordering::Release);
    }
}

/// Sender of events, for the device side.
#[derive(Clone, Debug)]
pub struct EventSink {
    sender: Sender<Event>,
    bell: Arc<Bell>,
    lost: Arc<AtomicU64>,
}

/// Receiver of events, for the loop.
#[derive(Debug)]
pub struct EventSource {
    receiver: Receiver<Event>,
    lost: Arc<AtomicU64>,
}

/// A queue from the device side to the loop.
#[must_use]
pub fn queue(bell: Arc<Bell>) -> (EventSink, EventSource) {
    let (sender, receiver) = bounded(QUEUE);
    let lost = Arc::new(AtomicU64::new(0));
    let source = EventSource {
        receiver,
        lost: Arc::clone(&lost),
    };
    (EventSink { sender, bell, lost }, source)
}

impl EventSink {
    /// Sends an event, or counts it as lost. Does not wait.
    pub fn send(&self, event: Event) {
        if self.sender.try_send(event).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        self.bell.ring();
    }
}

impl EventSource {
    /// The next event that is there.
    #[must_use]
    pub fn next(&self) -> Option<Event> {
        self.receiver.try_recv().ok()
    }

    /// Whether there is none now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// Events lost since the last call.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}
