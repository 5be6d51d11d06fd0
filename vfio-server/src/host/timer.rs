// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The clock of interrupts that a rule of the plan makes late, and of lines that are levels: one thread, and one time
//! for each SMMU.
//!
//! The thread holds no lock of its own while it takes that of an SMMU, since those who set a time hold that.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use smmu_emu::SmmuHandle;

use super::environment::{Callbacks, LEVEL_PERIOD, Shared};
use super::run::Run;
use crate::sync::{
    Condvar, Mutex,
    thread::{self, JoinHandle},
};

#[cfg(test)]
mod tests;

/// Times at which the SMMUs want to be called.
#[derive(Debug, Default)]
pub struct Timer {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Nanoseconds of the run, by SMMU.
    due: Vec<Option<u64>>,
    ends: bool,
}

/// An SMMU, for the timer to call.
#[derive(Debug)]
pub struct TimerTarget {
    /// The model.
    pub smmu: SmmuHandle,
    /// Its surroundings.
    pub shared: Arc<Shared>,
}

/// The thread. Dropping it ends it.
#[derive(Debug)]
pub struct Running {
    run: Arc<Run>,
    thread: Option<JoinHandle<()>>,
}

impl Timer {
    /// The number of one more SMMU.
    pub(crate) fn join(&self) -> usize {
        let mut state = self.state.lock();
        state.due.push(None);
        state.due.len() - 1
    }

    /// An SMMU wants to be called at this time, or earlier if it wanted so already.
    pub(crate) fn set(&self, target: usize, time: u64) {
        let mut state = self.state.lock();
        if let Some(due) = state.due.get_mut(target) {
            *due = Some(due.map_or(time, |other| other.min(time)));
            self.changed.notify_all();
        }
    }

    /// A mark was raised, which may be what an interrupt waits for.
    pub(crate) fn look_now(&self) {
        let mut state = self.state.lock();
        let mut any = false;
        for due in state.due.iter_mut().flatten() {
            *due = 0;
            any = true;
        }
        if any {
            self.changed.notify_all();
        }
    }

    /// The process ends: the thread calls no SMMU any more.
    fn end(&self) {
        self.state.lock().ends = true;
        self.changed.notify_all();
    }

    /// Starts the thread for these SMMUs, which have joined in this order.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(run: &Arc<Run>, called: Vec<TimerTarget>) -> io::Result<Running> {
        let of_thread = Arc::clone(run);
        let thread = thread::Builder::new().name("timer".into()).spawn(move || {
            while let Some(target) = of_thread.timer().wait(|| of_thread.now()) {
                if let Some(called) = called.get(target) {
                    called.call(target);
                }
            }
        })?;
        Ok(Running {
            run: Arc::clone(run),
            thread: Some(thread),
        })
    }

    /// Waits until an SMMU is to be called; none when the process ends.
    fn wait(&self, now: impl Fn() -> u64) -> Option<usize> {
        let mut state = self.state.lock();
        loop {
            if state.ends {
                return None;
            }
            let times = state.due.iter().enumerate();
            let next = times
                .filter_map(|(target, due)| due.map(|due| (due, target)))
                .min();
            let Some((due, target)) = next else {
                state = self.changed.wait(state);
                continue;
            };
            let left = due.saturating_sub(now());
            if left == 0 {
                if let Some(due) = state.due.get_mut(target) {
                    *due = None;
                }
                return Some(target);
            }
            state = self.changed.wait_timeout(state, Duration::from_nanos(left));
        }
    }
}

impl TimerTarget {
    fn call(&self, target: usize) {
        let mut smmu = self.smmu.lock();
        smmu.elapse(&mut Callbacks::new(&self.shared));
        if let Some(due) = smmu.next_due() {
            self.shared.run().timer().set(target, due);
            // No thread was woken by a mark that was raised before there was a time.
            smmu.elapse(&mut Callbacks::new(&self.shared));
        }
        drop(smmu);
        let run = self.shared.run();
        if self.shared.vectors().raise_levels() {
            run.timer().set(target, run.now().saturating_add(LEVEL_PERIOD));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.run.timer().end();
        if let Some(thread) = self.thread.take() {
            // A panic was logged where it happened.
            let _ = thread.join();
        }
    }
}
