// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The data of a channel between its loads and its stores.
//!
//! Loads and stores are queued, as in hardware, and what continues the access before it becomes part of that: so a
//! program that copies word by word costs the bus, and the SMMU behind it, one access for each page at best. Four rules
//! keep this out of software's sight:
//!
//! - A channel's accesses have the effect that they would have one after the other: a load that overlaps a queued store
//!   waits for it.
//! - What is queued is done before a barrier, an event, a wait, the end of the program and the end of a slice.
//! - No access crosses a multiple of 4 KiB, so that it fails as a whole; stores whose data came before a load that
//!   fails are done.
//! - Beats of a fixed address stay accesses of their own.

use std::mem;

use super::bus::{Bus, Protection};
use super::fifo::Fifo;
use super::spec::Faults;

/// Boundary that no access crosses, in bytes.
const PAGE: u32 = 4096;

/// A burst as an instruction asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Burst {
    pub(super) address: u32,
    /// Bytes of a beat, a power of two.
    pub(super) beat: u32,
    /// Beats.
    pub(super) beats: u32,
    /// The address moves on from beat to beat.
    pub(super) incrementing: bool,
    pub(super) protection: Protection,
    /// Bytes whose order is reversed, a power of two; 1 for none.
    pub(super) swap: u32,
}

impl Burst {
    /// Bytes of the first beat, which ends at a multiple of its size.
    fn first(&self) -> u32 {
        self.beat - self.address % self.beat
    }

    /// Bytes of all beats.
    pub(super) fn bytes(&self) -> u32 {
        if self.incrementing {
            self.first() + self.beat * (self.beats - 1)
        } else {
            self.first() * self.beats
        }
    }

    /// The address after the burst.
    pub(super) fn next(&self) -> u32 {
        if self.incrementing {
            self.address.wrapping_add(self.bytes())
        } else {
            self.address
        }
    }

    /// Address and length of each access that the burst needs if nothing is combined.
    fn accesses(&self) -> impl Iterator<Item = (u32, u32)> + use<> {
        let Self {
            address,
            incrementing,
            ..
        } = *self;
        let (mut at, first, mut left) = (address, self.first(), self.bytes());
        std::iter::from_fn(move || {
            let from = at;
            let length = left.min(if incrementing { PAGE - at % PAGE } else { first });
            left -= length;
            if incrementing {
                at = at.wrapping_add(length);
            }
            (length > 0).then_some((from, length))
        })
    }
}

/// An access that is queued; none if its length is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Run {
    address: u32,
    length: u32,
    protection: Protection,
    /// A store of zeros.
    zero: bool,
}

impl Run {
    /// Takes up what continues it.
    fn extend(&mut self, other: &Self) -> bool {
        let continues = self.length > 0
            && !other.address.is_multiple_of(PAGE)
            && self.address.wrapping_add(self.length) == other.address
            && (self.protection, self.zero) == (other.protection, other.zero);
        if continues {
            self.length += other.length;
        }
        continues
    }

    fn overlaps(&self, other: &Self) -> bool {
        other.address.wrapping_sub(self.address) < self.length
            || self.address.wrapping_sub(other.address) < other.length && self.length > 0
    }
}

/// Data and queues of a channel.
#[derive(Clone, Debug, Default)]
pub(super) struct Transfer {
    /// Data loaded and not yet stored.
    fifo: Fifo,
    load: Run,
    store: Run,
    /// An access was made since it was last asked.
    moved: bool,
}

impl Transfer {
    /// Bytes of the MFIFO that the channel occupies.
    pub(super) fn held(&self) -> usize {
        self.fifo.len() + self.load.length as usize
    }

    /// Bytes that a store finds.
    pub(super) fn available(&self) -> usize {
        let owed = if self.store.zero { 0 } else { self.store.length };
        self.held().saturating_sub(owed as usize)
    }

    /// Whether the bus was used since the last time.
    pub(super) fn take_moved(&mut self) -> bool {
        mem::take(&mut self.moved)
    }

    /// Drops data and queues.
    pub(super) fn clear(&mut self) {
        self.fifo.clear();
        self.load = Run::default();
        self.store = Run::default();
    }

    /// DMALD. The caller has looked for room.
    pub(super) fn load(&mut self, bus: &mut impl Bus, burst: &Burst) -> Result<(), Faults> {
        if burst.incrementing && burst.swap == 1 {
            return burst
                .accesses()
                .try_for_each(|(address, length)| self.queue_load(bus, burst, address, length));
        }
        self.drain(bus)?;
        let before = self.fifo.len();
        for (address, length) in burst.accesses() {
            self.read(bus, address, length, burst.protection)?;
        }
        let units = self.fifo.after(before).chunks_exact_mut(burst.swap as usize);
        units.for_each(<[u8]>::reverse);
        Ok(())
    }

    fn queue_load(
        &mut self,
        bus: &mut impl Bus,
        burst: &Burst,
        address: u32,
        length: u32,
    ) -> Result<(), Faults> {
        let run = Run {
            address,
            length,
            protection: burst.protection,
            zero: false,
        };
        if self.store.overlaps(&run) {
            self.drain(bus)?;
        }
        if !self.load.extend(&run) {
            if self.load.length > 0 {
                self.drain(bus)?;
            }
            self.load = run;
        }
        Ok(())
    }

    /// DMAST, or DMASTZ if `zero`. The caller has looked for the data.
    pub(super) fn store(&mut self, bus: &mut impl Bus, burst: &Burst, zero: bool) -> Result<(), Faults> {
        if !burst.incrementing {
            self.drain(bus)?;
        }
        for (address, length) in burst.accesses() {
            let run = Run {
                address,
                length,
                protection: burst.protection,
                zero,
            };
            if !burst.incrementing {
                self.write(bus, &run)?;
            } else if !self.store.extend(&run) {
                if self.store.length > 0 {
                    self.drain(bus)?;
                }
                self.store = run;
            }
        }
        Ok(())
    }

    /// Does what is queued.
    pub(super) fn drain(&mut self, bus: &mut impl Bus) -> Result<(), Faults> {
        let load = mem::take(&mut self.load);
        let store = mem::take(&mut self.store);
        let loaded = match load.length {
            0 => Ok(()),
            length => self.read(bus, load.address, length, load.protection),
        };
        let stored = self.write(bus, &store);
        match (loaded, stored) {
            (Err(one), Err(other)) => Err(one | other),
            (loaded, stored) => loaded.and(stored),
        }
    }

    fn read(
        &mut self,
        bus: &mut impl Bus,
        address: u32,
        length: u32,
        protection: Protection,
    ) -> Result<(), Faults> {
        self.moved = true;
        let data = self.fifo.grow(length as usize);
        bus.read(address, data, protection).map_err(|_| {
            self.fifo.shrink(length as usize);
            Faults::DATA_READ_ERR
        })
    }

    /// Stores, or as much of it as there is data for.
    fn write(&mut self, bus: &mut impl Bus, run: &Run) -> Result<(), Faults> {
        static ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];
        let length = run.length as usize;
        let data = if run.zero {
            ZEROS.get(..length).unwrap_or(&ZEROS)
        } else {
            self.fifo.front(length)
        };
        if data.is_empty() {
            return Ok(());
        }
        self.moved = true;
        let result = bus.write(run.address, data, run.protection);
        if !run.zero {
            self.fifo.consume(length);
        }
        result.map_err(|_| Faults::DATA_WRITE_ERR)
    }
}

#[cfg(test)]
mod tests;
