// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A host that records, with a clock that the test turns.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use vm_memory::{Bytes, GuestAddress};

use super::ram::Ram;
use crate::events::Event;
use crate::{Access, BusError, DelayedReply, Injected, Line, Memory};

/// A function that reads, as a [`Memory`]; hardware updates of descriptors are refused.
#[derive(Clone, Copy, Debug)]
pub struct Reads<F>(pub F);

impl<F: Fn(u64, &mut [u8]) -> Result<(), BusError>> Memory for Reads<F> {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        self.0(address, data)
    }

    fn compare_exchange(&self, _: u64, _: u64, _: u64) -> Result<u64, BusError> {
        Err(BusError)
    }
}

/// Guest memory of a VMM as a [`Memory`].
#[derive(Clone, Debug)]
pub struct Guest<T>(pub T);

impl<T: Bytes<GuestAddress>> Memory for Guest<T> {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        self.0
            .read_slice(data, GuestAddress(address))
            .map_err(|_| BusError)
    }

    fn compare_exchange(&self, _: u64, _: u64, _: u64) -> Result<u64, BusError> {
        Err(BusError)
    }
}

/// The surroundings of an SMMU: memory, a clock, and a record of all that the model reports.
#[derive(Clone, Debug, Default)]
pub struct Host<M = Ram> {
    /// Physical memory.
    pub memory: M,
    /// Nanoseconds of [`crate::Host::now`].
    pub time: Cell<u64>,
    /// Nanoseconds by which the clock goes on at every traced event.
    pub tick: u64,
    /// Marks that are raised.
    pub marks: BTreeSet<String>,
    /// A mark that is raised while the model says when it wants to be called: the window of that race.
    pub raised_meanwhile: Option<String>,
    /// Whether to record no register accesses and no line calls, for long runs.
    pub quiet: bool,
    /// Whether the host asks for [`Host::events`].
    pub traced: bool,
    /// Current level of every line that was ever set.
    pub levels: BTreeMap<Line, bool>,
    /// Every call of [`crate::Host::set_line`].
    pub line_calls: Vec<(Line, bool)>,
    /// Every register access.
    pub accesses: Vec<Access>,
    /// Every hit of a rule.
    pub injected: Vec<Injected>,
    /// Every reply that is late, of the accesses that a [`super::Bench`] makes.
    pub delayed: Vec<DelayedReply>,
    /// Every time at which the model wants to be called.
    pub wakes: Vec<u64>,
    /// Every bank that let stalled transactions go on.
    pub resumed: Vec<u8>,
    /// Every traced event, with the time at which it came.
    pub events: Vec<(u64, Event)>,
}

impl Host {
    /// A host with an empty [`Ram`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<M> Host<M> {
    /// A host with this memory.
    pub fn with(memory: M) -> Self {
        Self {
            memory,
            time: Cell::default(),
            tick: 0,
            marks: BTreeSet::new(),
            raised_meanwhile: None,
            quiet: false,
            traced: false,
            levels: BTreeMap::new(),
            line_calls: Vec::new(),
            accesses: Vec::new(),
            injected: Vec::new(),
            delayed: Vec::new(),
            wakes: Vec::new(),
            resumed: Vec::new(),
            events: Vec::new(),
        }
    }

    /// A host with this memory that records no register accesses and no line calls: for long runs.
    pub fn quiet(memory: M) -> Self {
        Self {
            quiet: true,
            ..Self::with(memory)
        }
    }

    /// The level of a line.
    #[must_use]
    pub fn line(&self, line: Line) -> bool {
        self.levels.get(&line).copied().unwrap_or(false)
    }

    /// Lines that are high.
    pub fn high(&self) -> Vec<Line> {
        let high = self.levels.iter().filter(|(_, high)| **high);
        high.map(|(line, _)| *line).collect()
    }
}

impl<M: Memory> Memory for Host<M> {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        self.memory.read(address, data)
    }

    fn compare_exchange(&self, address: u64, old: u64, new: u64) -> Result<u64, BusError> {
        self.memory.compare_exchange(address, old, new)
    }
}

impl<M> crate::Host for Host<M> {
    fn now(&self) -> u64 {
        self.time.get()
    }

    fn set_line(&mut self, line: Line, level: bool) {
        if self.traced {
            let told = self.events.last();
            let in_time = matches!(told, Some((_, Event::Line { line: of, .. })) if *of == line);
            assert!(in_time, "{line:?} changes before the trace has it");
        }
        self.levels.insert(line, level);
        if !self.quiet {
            self.line_calls.push((line, level));
        }
    }

    fn access(&mut self, access: &Access) {
        if !self.quiet {
            self.accesses.push(*access);
        }
    }

    fn injected(&mut self, injected: &Injected) {
        self.injected.push(*injected);
    }

    fn wake_at(&mut self, time: u64) {
        self.marks.extend(self.raised_meanwhile.take());
        self.wakes.push(time);
    }

    fn traces(&self) -> bool {
        self.traced
    }

    fn trace(&mut self, event: &Event) {
        let time = self.time.get();
        self.events.push((time, *event));
        self.time.set(time + self.tick);
    }

    fn mark(&self, name: &str) -> bool {
        self.marks.contains(name)
    }

    fn resumed(&mut self, bank: u8) {
        self.resumed.push(bank);
    }
}
