// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The accesses of an SMMU's DMA devices that are under way, and how they are held up.
//!
//! Every access is made within an [`AccessGuard`]. What must not meet an access (a change of guest memory, a reset)
//! makes a [`Drain`], which lets no access in, waits until all are out, and then stands for as long as it is kept. A
//! pause lets the waiting in afterwards; an end turns them away, since what they were to do belongs to a time that is
//! over.
//!
//! A transaction that stalls is not inside: it waits for software here, and comes in again to go on.

use std::sync::Arc;

use thiserror::Error;

use super::memory::Ranges;
use crate::sync::{Condvar, Mutex, MutexGuard};

#[cfg(test)]
mod tests;

/// Work is revoked: the SMMU was reset, the client left, or the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("given up at a reset")]
pub struct Revoked;

/// Between resets DMA devices are in the same generation. Accesses of an earlier one are turned away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation(u64);

/// Gate for the DMA accesses of one SMMU. Its lock is held for moments only.
#[derive(Debug, Default)]
pub struct DmaGate {
    state: Mutex<State>,
    /// Signals every change that a thread waits for.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    memory: Arc<Ranges>,
    inside: usize,
    /// Drains that let the waiting in afterwards.
    pauses: usize,
    /// Drains that turn the waiting away.
    ends: usize,
    generation: Generation,
    /// Number of times that stalled transactions may have been decided.
    resumes: u64,
    stopped: bool,
}

/// An access is under way until this is dropped.
#[derive(Debug)]
pub struct AccessGuard<'a> {
    gate: &'a DmaGate,
    memory: Arc<Ranges>,
    resumes: u64,
}

/// No access is under way as long as this is kept.
#[derive(Debug)]
pub struct Drain<'a> {
    gate: &'a DmaGate,
    is_end: bool,
}

impl DmaGate {
    /// The generation that the next work belongs to; none once the server ends.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        let state = self.state.lock();
        (!state.stopped).then_some(state.generation)
    }

    /// Whether work of a generation may go on.
    ///
    /// # Errors
    /// [`Revoked`].
    pub fn check(&self, generation: Generation) -> Result<(), Revoked> {
        self.state.lock().check(generation)
    }

    /// Begins an access; waits while it is held up.
    ///
    /// # Errors
    /// [`Revoked`] if its generation is over.
    pub fn enter(&self, generation: Generation) -> Result<AccessGuard<'_>, Revoked> {
        let mut state = self.wait_while(self.state.lock(), generation, |state| state.pauses > 0)?;
        state.inside += 1;
        Ok(AccessGuard {
            gate: self,
            memory: Arc::clone(&state.memory),
            resumes: state.resumes,
        })
    }

    /// Waits until a transaction that stalled may have been decided since the access in which it stalled began; its
    /// guard is over now.
    ///
    /// # Errors
    /// [`Revoked`] if its generation is over.
    pub fn wait_for_resume(&self, guard: AccessGuard<'_>, generation: Generation) -> Result<(), Revoked> {
        let seen = guard.resumes;
        drop(guard);
        self.wait_while(self.state.lock(), generation, |state| state.resumes == seen)
            .map(drop)
    }

    /// Transactions that stalled may have been decided.
    pub fn resumed(&self) {
        self.state.lock().resumes += 1;
        self.changed.notify_all();
    }

    /// Holds accesses up, and waits until those under way have ended.
    pub fn pause(&self) -> Drain<'_> {
        self.close(false)
    }

    /// Turns accesses away, stalled ones too, and waits until those under way have ended.
    pub fn end(&self) -> Drain<'_> {
        self.close(true)
    }

    /// No access begins any more.
    pub fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_all();
    }

    fn close(&self, is_end: bool) -> Drain<'_> {
        let mut state = self.state.lock();
        if is_end {
            state.ends += 1;
            self.changed.notify_all();
        } else {
            state.pauses += 1;
        }
        let inside = self.changed.wait_while(state, |state| state.inside > 0);
        drop(inside);
        Drain { gate: self, is_end }
    }

    fn wait_while<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        generation: Generation,
        condition: impl Fn(&State) -> bool,
    ) -> Result<MutexGuard<'a, State>, Revoked> {
        loop {
            state.check(generation)?;
            if !condition(&state) {
                return Ok(state);
            }
            state = self.changed.wait(state);
        }
    }
}

impl State {
    fn check(&self, generation: Generation) -> Result<(), Revoked> {
        if self.stopped || self.ends > 0 || self.generation != generation {
            Err(Revoked)
        } else {
            Ok(())
        }
    }
}

impl AccessGuard<'_> {
    /// Guest memory; it does not change as long as the guard is kept.
    #[must_use]
    pub fn memory(&self) -> &Ranges {
        &self.memory
    }
}

impl Drop for AccessGuard<'_> {
    fn drop(&mut self) {
        // First, so that what is unmapped during a drain is gone at its end.
        drop(std::mem::take(&mut self.memory));
        let mut state = self.gate.state.lock();
        state.inside -= 1;
        let someone_waits = state.inside == 0 && (state.pauses > 0 || state.ends > 0);
        drop(state);
        if someone_waits {
            self.gate.changed.notify_all();
        }
    }
}

impl Drain<'_> {
    /// From the next access on, guest memory is this.
    pub fn set_memory(&self, memory: &Arc<Ranges>) {
        let old = std::mem::replace(&mut self.gate.state.lock().memory, Arc::clone(memory));
        // Unmapped without the lock.
        drop(old);
    }
}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state.lock();
        if self.is_end {
            state.ends -= 1;
            state.generation.0 += 1;
        } else {
            state.pauses -= 1;
        }
        drop(state);
        self.gate.changed.notify_all();
    }
}
