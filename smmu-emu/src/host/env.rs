// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The interface of the host, and of all that surrounds an SMMU.

use super::events::Event;
use super::injected::Injected;
use crate::arch::frame::Access;
use crate::arch::line::Line;
use crate::arch::memory::{BusError, Memory};

/// The host of an SMMU: lines, time, marks, and what it hears of. One implementation per process; tests have their own.
///
/// Callbacks have no default if something would wait forever without them.
pub trait Host {
    /// Nanoseconds of a monotonic clock with any origin.
    fn now(&self) -> u64;

    /// Sets an interrupt line.
    ///
    /// Called when the level changes, and again with `true` when software wrote a status or control register of
    /// the line and the level is still high: a host that turns levels into edges must send another edge.
    fn set_line(&mut self, line: Line, level: bool);

    /// An interrupt is due at this time of [`Host::now`], or when a mark is raised: the host calls [`Smmu::elapse`]
    /// then, though not from within this call. Of several times the earliest counts. Never called without rules that
    /// delay interrupts.
    ///
    /// [`Smmu::elapse`]: crate::Smmu::elapse
    fn wake_at(&mut self, time: u64);

    /// Transactions that wait for a context bank may go on: the host asks [`Smmu::resume`] again for every [`Stall`] of
    /// the bank, though not from within this call.
    ///
    /// [`Smmu::resume`]: crate::Smmu::resume
    /// [`Stall`]: crate::Stall
    fn resumed(&mut self, bank: u8);

    /// Whether the mark of this name has been raised (see [`crate::plan::mark`]); `false` in a host without marks.
    fn mark(&self, name: &str) -> bool;

    /// A register access took effect. Does nothing unless overridden.
    fn access(&mut self, access: &Access) {
        let _ = access;
    }

    /// A rule of the plan hit an operation. Does nothing unless overridden.
    fn injected(&mut self, injected: &Injected) {
        let _ = injected;
    }

    /// Whether the host wants to be told of everything that happens, by [`Self::trace`].
    fn traces(&self) -> bool {
        false
    }

    /// An event happened. Called only while [`Self::traces`] says so; does nothing unless overridden.
    fn trace(&mut self, event: &Event) {
        let _ = event;
    }
}

/// Memory and host, for calls that walk tables. Every type that is both is one; [`Surroundings`] joins two.
pub trait Env: Memory + Host {}

impl<T: Memory + Host> Env for T {}

/// A memory and a host as one [`Env`].
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<M, H> {
    /// Physical memory.
    pub memory: M,
    /// The host.
    pub host: H,
}

impl<M: Memory, H> Memory for Surroundings<M, H> {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        self.memory.read(address, data)
    }

    fn compare_exchange(&self, address: u64, old: u64, new: u64) -> Result<u64, BusError> {
        self.memory.compare_exchange(address, old, new)
    }
}

impl<M, H: Host> Host for Surroundings<M, H> {
    fn now(&self) -> u64 {
        self.host.now()
    }

    fn set_line(&mut self, line: Line, level: bool) {
        self.host.set_line(line, level);
    }

    fn wake_at(&mut self, time: u64) {
        self.host.wake_at(time);
    }

    fn resumed(&mut self, bank: u8) {
        self.host.resumed(bank);
    }

    fn mark(&self, name: &str) -> bool {
        self.host.mark(name)
    }

    fn access(&mut self, access: &Access) {
        self.host.access(access);
    }

    fn injected(&mut self, injected: &Injected) {
        self.host.injected(injected);
    }

    fn traces(&self) -> bool {
        self.host.traces()
    }

    fn trace(&mut self, event: &Event) {
        self.host.trace(event);
    }
}
