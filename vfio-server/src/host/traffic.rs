// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The accesses of an SMMU's masters that are under way, and how they are held up.
//!
//! Every access is made within a [`Passage`]. What must not meet an access (a change of guest memory, a reset) makes a
//! [`Closure`], which lets nobody in, waits until everybody is out, and then stands for as long as it is kept. A pause lets
//! the waiting in afterwards; an end turns them away, since what they were to do belongs to a time that is over.
//!
//! A transaction that stalls is not inside: it waits for software here, and comes in again to go on.

use std::sync::Arc;

use thiserror::Error;

use super::memory::Ranges;
use crate::sync::{Condvar, Mutex, MutexGuard};

#[cfg(test)]
mod tests;

/// What a master was doing is over: its SMMU was reset, the client left, or the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("given up at a reset")]
pub struct Gone;

/// Between resets masters are in the same period. Accesses of an earlier one are turned away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period(u64);

/// The traffic of one SMMU. Its lock is held for moments only.
#[derive(Debug, Default)]
pub struct Traffic {
    state: Mutex<State>,
    /// Everything that anybody waits for.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    memory: Arc<Ranges>,
    inside: usize,
    /// Closures that let the waiting in afterwards.
    pauses: usize,
    /// Closures that turn the waiting away.
    ends: usize,
    period: Period,
    /// How often stalled transactions may have been decided.
    resumes: u64,
    stopped: bool,
}

/// An access is under way until this is dropped.
#[derive(Debug)]
pub struct Passage<'a> {
    traffic: &'a Traffic,
    memory: Arc<Ranges>,
    resumes: u64,
}

/// No access is under way as long as this is kept.
#[derive(Debug)]
pub struct Closure<'a> {
    traffic: &'a Traffic,
    is_end: bool,
}

impl Traffic {
    /// The period that the next work belongs to; none once the server ends.
    #[must_use]
    pub fn period(&self) -> Option<Period> {
        let state = self.state.lock();
        (!state.stopped).then_some(state.period)
    }

    /// Whether work of a period may go on.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn check(&self, period: Period) -> Result<(), Gone> {
        self.state.lock().check(period)
    }

    /// Begins an access; waits while it is held up.
    ///
    /// # Errors
    /// [`Gone`] if its period is over.
    pub fn enter(&self, period: Period) -> Result<Passage<'_>, Gone> {
        let mut state = self.wait_while(self.state.lock(), period, |state| state.pauses > 0)?;
        state.inside += 1;
        Ok(Passage {
            traffic: self,
            memory: Arc::clone(&state.memory),
            resumes: state.resumes,
        })
    }

    /// Waits until a transaction that stalled may have been decided since the passage in which it stalled began, which is
    /// over now.
    ///
    /// # Errors
    /// [`Gone`] if its period is over.
    pub fn wait_for_resume(&self, passage: Passage<'_>, period: Period) -> Result<(), Gone> {
        let seen = passage.resumes;
        drop(passage);
        self.wait_while(self.state.lock(), period, |state| state.resumes == seen)
            .map(drop)
    }

    /// Transactions that stalled may have been decided.
    pub fn resumed(&self) {
        self.state.lock().resumes += 1;
        self.changed.notify_all();
    }

    /// Holds accesses up, and waits until those under way have ended.
    pub fn pause(&self) -> Closure<'_> {
        self.close(false)
    }

    /// Turns accesses away, stalled ones too, and waits until those under way have ended.
    pub fn end(&self) -> Closure<'_> {
        self.close(true)
    }

    /// No access begins any more.
    pub fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_all();
    }

    fn close(&self, is_end: bool) -> Closure<'_> {
        let mut state = self.state.lock();
        if is_end {
            state.ends += 1;
            self.changed.notify_all();
        } else {
            state.pauses += 1;
        }
        let inside = self.changed.wait_while(state, |state| state.inside > 0);
        drop(inside);
        Closure {
            traffic: self,
            is_end,
        }
    }

    fn wait_while<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        period: Period,
        condition: impl Fn(&State) -> bool,
    ) -> Result<MutexGuard<'a, State>, Gone> {
        loop {
            state.check(period)?;
            if !condition(&state) {
                return Ok(state);
            }
            state = self.changed.wait(state);
        }
    }
}

impl State {
    fn check(&self, period: Period) -> Result<(), Gone> {
        if self.stopped || self.ends > 0 || self.period != period {
            Err(Gone)
        } else {
            Ok(())
        }
    }
}

impl Passage<'_> {
    /// Guest memory; it does not change during the passage.
    #[must_use]
    pub fn memory(&self) -> &Ranges {
        &self.memory
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        // First, so that what is unmapped during a closure is gone at its end.
        drop(std::mem::take(&mut self.memory));
        let mut state = self.traffic.state.lock();
        state.inside -= 1;
        let someone_waits = state.inside == 0 && (state.pauses > 0 || state.ends > 0);
        drop(state);
        if someone_waits {
            self.traffic.changed.notify_all();
        }
    }
}

impl Closure<'_> {
    /// From the next access on, guest memory is this.
    pub fn set_memory(&self, memory: &Arc<Ranges>) {
        let old = std::mem::replace(&mut self.traffic.state.lock().memory, Arc::clone(memory));
        // Unmapped without the lock.
        drop(old);
    }
}

impl Drop for Closure<'_> {
    fn drop(&mut self) {
        let mut state = self.traffic.state.lock();
        if self.is_end {
            state.ends -= 1;
            state.period.0 += 1;
        } else {
            state.pauses -= 1;
        }
        drop(state);
        self.traffic.changed.notify_all();
    }
}
