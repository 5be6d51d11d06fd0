// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The ring: the last events of all SMMUs, in the order in which they were recorded.

use smmu_emu::events::Event;

/// Events that are kept unless a user asks for another number.
pub const DEFAULT_RECORDS: usize = 1 << 16;
/// The fewest and the most that can be kept. A record takes about 100 bytes, and some microseconds to be saved.
pub const RECORDS: std::ops::RangeInclusive<usize> = 1 << 10..=1 << 18;

/// One event of one SMMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Nanoseconds since the start of the server.
    pub ns: u64,
    /// Number of the SMMU, in the order of the configuration.
    pub smmu: usize,
    /// The event itself.
    pub event: Event,
}

/// Keeps the last records and overwrites the oldest.
#[derive(Debug)]
pub struct Ring {
    /// Record number `n` is at `n % capacity`.
    slots: Vec<Record>,
    capacity: usize,
    /// The number that the next record gets.
    next: u64,
    /// Records before this one were dropped with a former ring.
    first: u64,
}

/// Result of one read of a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Records that were overwritten before this reader came to them.
    pub lost: u64,
    /// Number of the record at which it goes on.
    pub next: u64,
}

impl Ring {
    /// An empty ring for this many records, brought into [`RECORDS`]. Takes no memory before it is used.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            slots: Vec::new(),
            capacity: capacity.clamp(*RECORDS.start(), *RECORDS.end()),
            next: 0,
            first: 0,
        }
    }

    /// The most records that are kept.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Keeps this many from now on, and forgets what was there.
    pub fn resize(&mut self, capacity: usize) {
        *self = Self {
            next: self.next,
            first: self.next,
            ..Self::new(capacity)
        };
    }

    /// The number that the next record will get.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The number of the oldest record that is there.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        let capacity = u64::try_from(self.capacity).unwrap_or(u64::MAX);
        self.next.saturating_sub(capacity).max(self.first)
    }

    /// Adds a record.
    pub fn push(&mut self, record: Record) {
        if self.slots.capacity() == 0 {
            // At once: growing would move everything while a register access waits.
            self.slots.reserve_exact(self.capacity);
        }
        // Slots are filled from the first on; `first` is where this ring began.
        let at = self.place(self.next);
        match self.slots.get_mut(at) {
            Some(slot) => *slot = record,
            None => self.slots.push(record),
        }
        self.next += 1;
    }

    /// Calls `take` with the number of each record from `from` on that is still there, `most` at the most and before
    /// `end`.
    pub fn read(&self, from: u64, end: u64, most: usize, mut take: impl FnMut(u64, &Record)) -> Taken {
        let start = from.max(self.oldest()).min(end.max(from));
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        let stop = start.saturating_add(most).min(end).min(self.next);
        for number in start..stop {
            if let Some(record) = self.slots.get(self.place(number)) {
                take(number, record);
            }
        }
        Taken {
            lost: start - from,
            next: stop.max(start),
        }
    }

    fn place(&self, number: u64) -> usize {
        let capacity = u64::try_from(self.capacity).unwrap_or(u64::MAX);
        usize::try_from((number - self.first) % capacity).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
