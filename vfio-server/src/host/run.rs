// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! State that all SMMUs of a process share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::json;
use smmu_emu::{MarkError, MarkRule, MarkState, Marks};

use host_guard::confine::Places;

use super::events::{Event, EventSink};
use super::injected::PendingReply;
use super::timer::Timer;
use crate::config::ReplyTimeout;
use crate::sync::{Condvar, Mutex};
use crate::trace::Tracer;

#[cfg(test)]
mod tests;

/// State that all SMMUs of a process share: the clock, the marks of the run, the trace.
///
/// A run begins when a client connects and no other is there: then no mark is raised.
#[derive(Debug)]
pub struct Run {
    start: Instant,
    tracer: Arc<Tracer>,
    /// There are marks, so that accesses have to be looked at.
    has_marks: AtomicBool,
    state: Mutex<State>,
    /// A mark was raised, or the process ends.
    changed: Condvar,
    /// Timer of the interrupts that a rule makes late.
    timer: Timer,
    reply_timeout: ReplyTimeout,
    /// Files that DMA devices may use.
    files: Places,
    /// Present once there is a receiver of events.
    events: OnceLock<EventSink>,
}

#[derive(Debug)]
struct State {
    marks: Marks,
    /// The marks at the start of a run.
    fresh: Marks,
    clients: usize,
    ends: bool,
}

impl Run {
    /// A process with these marks, none of them raised, whose clients wait for replies as QEMU does.
    #[must_use]
    pub fn new(marks: Marks) -> Self {
        Self::with_reply_timeout(marks, ReplyTimeout::default())
    }

    /// Like [`Self::new`], with clients that wait for replies for another time.
    #[must_use]
    pub fn with_reply_timeout(marks: Marks, reply_timeout: ReplyTimeout) -> Self {
        let has_marks = AtomicBool::new(!marks.is_empty());
        let state = Mutex::new(State {
            fresh: marks.clone(),
            marks,
            clients: 0,
            ends: false,
        });
        let start = Instant::now();
        Self {
            start,
            tracer: Arc::new(Tracer::new(start)),
            has_marks,
            state,
            changed: Condvar::default(),
            timer: Timer::default(),
            reply_timeout,
            files: Places::anywhere(),
            events: OnceLock::new(),
        }
    }

    /// Lets DMA devices use no other files than these.
    #[must_use]
    pub fn with_files(self, files: Places) -> Self {
        Self { files, ..self }
    }

    /// The files that DMA devices may use.
    #[must_use]
    pub fn files(&self) -> &Places {
        &self.files
    }

    /// Whether there are marks at all.
    #[must_use]
    pub fn has_marks(&self) -> bool {
        self.has_marks.load(Ordering::Relaxed)
    }

    /// Adds marks to this run and to all later ones, but for those that are there already, and says which number the
    /// first has.
    ///
    /// # Errors
    /// [`MarkError`] names the mark and the field; nothing is added then.
    pub fn add_marks(&self, rules: &[MarkRule], smmus: &[&str]) -> Result<usize, MarkError> {
        let mut state = self.state.lock();
        let known: Vec<MarkRule> = state.fresh.rules().cloned().collect();
        let number = known.len();
        let new: Vec<MarkRule> = rules
            .iter()
            .filter(|rule| !known.contains(rule))
            .cloned()
            .collect();
        state.fresh.add(&new, smmus)?;
        state.marks.add(&new, smmus)?;
        self.has_marks.store(!state.fresh.is_empty(), Ordering::Relaxed);
        Ok(number)
    }

    /// The rules of all marks.
    #[must_use]
    pub fn mark_rules(&self) -> Vec<MarkRule> {
        self.state.lock().fresh.rules().cloned().collect()
    }

    /// Nanoseconds since the start of the process.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The trace, whose times are those of [`Self::now`].
    #[must_use]
    pub fn tracer(&self) -> &Arc<Tracer> {
        &self.tracer
    }

    /// A client has negotiated; it counts until the guard is dropped.
    #[must_use]
    pub fn join(self: &Arc<Self>) -> Participant {
        let mut state = self.state.lock();
        if state.clients == 0 {
            state.marks = state.fresh.clone();
        }
        state.clients += 1;
        Participant {
            run: Arc::clone(self),
        }
    }

    /// Whether the mark with this number is raised.
    #[must_use]
    pub fn is_raised(&self, number: usize) -> bool {
        self.state.lock().marks.is_raised_at(number)
    }

    /// Whether the mark of this name is raised.
    #[must_use]
    pub fn is_raised_by_name(&self, name: &str) -> bool {
        self.state.lock().marks.is_raised(name)
    }

    /// Raises the mark with this number, if there is one.
    pub fn raise(&self, number: usize) {
        self.change_marks(|marks| marks.raise(number));
    }

    /// Every mark by name, and whether it is raised.
    #[must_use]
    pub fn marks(&self) -> Vec<(String, bool)> {
        let state = self.state.lock();
        let names = state.marks.names().enumerate();
        names
            .map(|(i, name)| (name.to_owned(), state.marks.is_raised_at(i)))
            .collect()
    }

    /// The marks and how far each has got.
    #[must_use]
    pub fn save_marks(&self) -> Vec<MarkState> {
        self.state.lock().marks.save()
    }

    /// Lets marks be as far as they were when they were saved.
    ///
    /// # Errors
    /// [`MarkError`] names a mark that the run does not have; nothing is changed then.
    pub fn restore_marks(&self, saved: &[MarkState]) -> Result<(), MarkError> {
        let mut restored = Ok(());
        self.change_marks(|marks| restored = marks.restore(saved));
        restored
    }

    /// Names of the marks of every run.
    #[must_use]
    pub fn mark_names(&self) -> Vec<String> {
        self.state.lock().fresh.names().map(str::to_owned).collect()
    }

    /// Timer of the interrupts that a rule makes late.
    #[must_use]
    pub fn timer(&self) -> &Timer {
        &self.timer
    }

    /// Time for which clients wait for replies.
    #[must_use]
    pub fn reply_timeout(&self) -> ReplyTimeout {
        self.reply_timeout
    }

    /// Lets a reply wait. No other thread waits for the caller meanwhile.
    pub fn wait_out(&self, delayed: &PendingReply) {
        let mut state = self.state.lock();
        loop {
            let left = delayed.until.saturating_sub(self.now());
            let raised = delayed
                .mark
                .as_deref()
                .is_some_and(|mark| state.marks.is_raised(mark));
            if left == 0 || raised || state.ends {
                return;
            }
            state = self.changed.wait_timeout(state, Duration::from_nanos(left));
        }
    }

    /// The process ends: no reply waits any longer.
    pub fn end(&self) {
        self.state.lock().ends = true;
        self.changed.notify_all();
    }

    /// From now on events go here; only the first call counts.
    pub fn send_events_to(&self, events: EventSink) {
        let _ = self.events.set(events);
    }

    /// Receiver of events, if there is one.
    pub(super) fn events(&self) -> Option<&EventSink> {
        self.events.get()
    }

    /// Sends an event, if there is a receiver.
    pub fn emit(&self, event: impl FnOnce() -> Event) {
        if let Some(events) = self.events.get() {
            events.send(event());
        }
    }

    pub(super) fn change_marks(&self, change: impl FnOnce(&mut Marks)) {
        let mut state = self.state.lock();
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
            self.emit(|| Event::new("MARK_RAISED", json!({ "mark": mark })));
        }
        drop(state);
        self.changed.notify_all();
        self.timer.look_now();
    }
}

/// Keeps a client counted as part of the run.
#[derive(Debug)]
pub struct Participant {
    run: Arc<Run>,
}

impl Drop for Participant {
    fn drop(&mut self) {
        let mut state = self.run.state.lock();
        state.clients = state.clients.saturating_sub(1);
    }
}
