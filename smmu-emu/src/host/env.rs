// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The seams of the model: everything that comes from outside, or leaves.

use super::events::Event;
use super::injected::{Hold, Injected};
use crate::arch::frame::Access;
use crate::arch::line::Line;
use crate::arch::memory::Memory;

/// What the model asks of its surroundings. One implementation per process that hosts it; tests have their own.
pub trait Env: Memory {
    /// Nanoseconds of a monotonic clock with any origin.
    fn now(&self) -> u64;

    /// Sets an interrupt line.
    ///
    /// Called when the level changes, and again with `true` when software wrote a status or control register of
    /// the line and the level is still high: a host that turns levels into edges must send another edge.
    fn set_line(&mut self, line: Line, level: bool);

    /// A register access took effect. Does nothing unless overridden.
    fn access(&mut self, access: &Access) {
        let _ = access;
    }

    /// A rule of the plan hit an operation. Does nothing unless overridden.
    fn injected(&mut self, injected: &Injected) {
        let _ = injected;
    }

    /// The reply to the register access under way is to be late; the access itself takes effect at once. The host waits
    /// when it has let go of the SMMU. Does nothing unless overridden.
    fn hold(&mut self, hold: &Hold<'_>) {
        let _ = hold;
    }

    /// An interrupt is due at this time of [`Env::now`], or when a mark is raised: the host calls [`Smmu::elapse`] then,
    /// though not from within this call. Of several times the earliest counts. Does nothing unless overridden.
    ///
    /// [`Smmu::elapse`]: crate::Smmu::elapse
    fn wake_at(&mut self, time: u64) {
        let _ = time;
    }

    /// Whether the host wants to be told of everything that happens, by [`Self::trace`].
    fn traces(&self) -> bool {
        false
    }

    /// Something happened. Called only while [`Self::traces`] says so; does nothing unless overridden.
    fn trace(&mut self, event: &Event) {
        let _ = event;
    }

    /// Whether the mark of this name has been raised (see [`crate::plan::mark`]).
    fn mark(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// What waits for a context bank may have been decided: the host asks [`Smmu::resume`] again for every
    /// [`Stall`] of the bank, though not from within this call. Does nothing unless overridden.
    ///
    /// [`Smmu::resume`]: crate::Smmu::resume
    /// [`Stall`]: crate::Stall
    fn resumed(&mut self, bank: u8) {
        let _ = bank;
    }
}
