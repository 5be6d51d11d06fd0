// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A hash table of bounded size, for blocks and pages and for tables.
//!
//! An entry hangs in the chain of (regime, VMID, size, address at that size), whatever its ASID. So an invalidation by
//! address finds the entries of all ASIDs, and a lookup probes one chain for each size that is present.

use super::maintenance::Asids;
use super::stamps::{InvalidationStamps, Validity};
use crate::translate::tag::{Space, Tag};

/// No entry.
pub(super) const END: u32 = u32::MAX;
/// Entries that a lookup passes in one chain at most, where entries may be evicted: one address in many address spaces.
pub(super) const CHAIN: usize = 32;
/// Entries that a lookup passes in one chain at most, where entries may not be evicted: what comes later is not kept.
pub(super) const LONG_CHAIN: usize = 4096;
/// Entries that are looked at for one that no longer counts, where entries may not be evicted.
const SEARCH: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) space: Space,
    pub(super) vmid: u16,
    /// log2 of the size.
    pub(super) class: u32,
    /// The address in units of the size.
    pub(super) page: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Slot<P> {
    pub(super) key: Key,
    /// `None` is global.
    pub(super) asid: Option<u16>,
    pub(super) stamp: u64,
    pub(super) next: u32,
    pub(super) payload: P,
}

/// The table.
#[derive(Debug)]
pub(super) struct Cache<P> {
    /// First entry of each chain; a power of two.
    pub(super) heads: Box<[u32]>,
    pub(super) slots: Vec<Slot<P>>,
    pub(super) free: Vec<u32>,
    pub(super) capacity: usize,
    /// The entry that goes next.
    pub(super) hand: u32,
    /// Entries may go before they are invalidated.
    pub(super) evicts: bool,
    /// Number of entries of each size, and the sizes that have any.
    counts: [u32; 64],
    classes: u64,
}

impl<P: Copy> Cache<P> {
    /// Holds at most `capacity` entries.
    pub(super) fn new(capacity: u32, evicts: bool) -> Self {
        let chains = capacity.next_power_of_two() as usize;
        Self {
            heads: vec![END; chains].into_boxed_slice(),
            slots: Vec::new(),
            free: Vec::new(),
            capacity: capacity as usize,
            hand: 0,
            evicts,
            counts: [0; 64],
            classes: 0,
        }
    }

    /// The entry of the smallest size that covers an address.
    pub(super) fn get(&self, tag: Tag, address: u64, floor: Validity) -> Option<P> {
        self.classes().find_map(|class| {
            let key = Key::new(tag.space, tag.vmid, address, class);
            self.chain(key)
                .find(|slot| {
                    slot.asid.is_none_or(|asid| asid == tag.asid)
                        && floor.admits(slot.asid.is_none(), slot.stamp)
                })
                .map(|slot| slot.payload)
        })
    }

    /// Adds an entry for what has `1 << class` bytes around an address.
    pub(super) fn insert(
        &mut self,
        tag: Tag,
        global: bool,
        address: u64,
        class: u32,
        payload: P,
        stamps: &InvalidationStamps,
    ) {
        let key = Key::new(tag.space, tag.vmid, address, class);
        let asid = (!global).then_some(tag.asid);
        let stamp = stamps.stamp();
        let head = self.head(key);
        let (mut at, mut last, mut length) = (self.first(head), END, 0);
        while let Some(slot) = self.slots.get_mut(at as usize) {
            if slot.key == key && slot.asid == asid {
                (slot.stamp, slot.payload) = (stamp, payload);
                return;
            }
            (last, length, at) = (at, length + 1, slot.next);
        }
        if self.evicts && length >= CHAIN {
            self.remove(last);
        }
        if length >= LONG_CHAIN {
            return;
        }
        let Some(at) = self.room(stamps) else { return };
        let slot = Slot {
            key,
            asid,
            stamp,
            next: self.first(head),
            payload,
        };
        match self.slots.get_mut(at as usize) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
        self.set_first(head, at);
        self.count(class);
    }

    /// One more entry of this size.
    pub(super) fn count(&mut self, class: u32) {
        if let Some(count) = self.counts.get_mut(class as usize) {
            *count += 1;
            self.classes |= 1 << class;
        }
    }

    /// Drops the entries of every size that cover an address.
    pub(super) fn invalidate(&mut self, space: Space, vmid: u16, asids: Asids, address: u64) {
        for class in self.classes() {
            let key = Key::new(space, vmid, address, class);
            let head = self.head(key);
            let (mut at, mut before) = (self.first(head), END);
            while let Some(slot) = self.slots.get(at as usize) {
                let covered = match (asids, slot.asid) {
                    (Asids::All, _) | (Asids::One(_), None) => true,
                    (Asids::One(asid), Some(of)) => asid == of,
                };
                let next = slot.next;
                if slot.key == key && covered {
                    self.unlink(head, before, at);
                } else {
                    before = at;
                }
                at = next;
            }
        }
    }

    /// Every entry that counts, with its tag and first address; the ASID of a global one is 0.
    pub(super) fn entries(&self, stamps: &InvalidationStamps) -> impl Iterator<Item = (Tag, u64, P)> {
        let slots = self.heads.iter().flat_map(|&head| self.linked(head));
        let counting = slots.filter(|slot| slot.counts(stamps));
        counting.map(|slot| (slot.tag(), slot.key.page << slot.key.class, slot.payload))
    }

    /// Whether there is an entry of exactly this size, tag and place.
    pub(super) fn holds(
        &self,
        tag: Tag,
        global: bool,
        address: u64,
        class: u32,
        stamps: &InvalidationStamps,
    ) -> bool {
        let key = Key::new(tag.space, tag.vmid, address, class);
        let asid = (!global).then_some(tag.asid);
        self.chain(key)
            .any(|slot| slot.asid == asid && slot.counts(stamps))
    }

    /// A place for an entry; none if the table is full of what may not go.
    fn room(&mut self, stamps: &InvalidationStamps) -> Option<u32> {
        if let Some(at) = self.free.pop() {
            return Some(at);
        }
        if self.slots.len() < self.capacity {
            return u32::try_from(self.slots.len()).ok();
        }
        for _ in 0..SEARCH {
            let at = self.hand;
            self.hand = if at as usize + 1 < self.slots.len() {
                at + 1
            } else {
                0
            };
            if self.evicts
                || self
                    .slots
                    .get(at as usize)
                    .is_some_and(|slot| !slot.counts(stamps))
            {
                self.remove(at);
                return self.free.pop();
            }
        }
        None
    }

    /// Takes an entry out of its chain.
    fn remove(&mut self, at: u32) {
        let Some(Slot { key, .. }) = self.slots.get(at as usize) else {
            return;
        };
        let head = self.head(*key);
        let (mut next, mut before) = (self.first(head), END);
        while next != at
            && let Some(slot) = self.slots.get(next as usize)
        {
            (before, next) = (next, slot.next);
        }
        self.unlink(head, before, at);
    }

    /// Takes an entry out of its chain, with the entry before it; `END` if it is the first.
    fn unlink(&mut self, head: usize, before: u32, at: u32) {
        let Some(Slot { key, next, .. }) = self.slots.get(at as usize) else {
            return;
        };
        let (key, next) = (*key, *next);
        match self.slots.get_mut(before as usize) {
            Some(slot) => slot.next = next,
            None => self.set_first(head, next),
        }
        self.free.push(at);
        if let Some(count) = self.counts.get_mut(key.class as usize) {
            *count -= 1;
            if *count == 0 {
                self.classes &= !(1 << key.class);
            }
        }
    }

    /// The sizes that are present, the smallest first.
    fn classes(&self) -> impl Iterator<Item = u32> + use<P> {
        let mut left = self.classes;
        core::iter::from_fn(move || {
            let class = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            (class < 64).then_some(class)
        })
    }

    fn chain(&self, key: Key) -> impl Iterator<Item = &Slot<P>> {
        self.linked(self.first(self.head(key)))
            .filter(move |slot| slot.key == key)
    }

    /// The entries from this one on to the end of its chain.
    fn linked(&self, mut at: u32) -> impl Iterator<Item = &Slot<P>> {
        core::iter::from_fn(move || {
            let slot = self.slots.get(at as usize)?;
            at = slot.next;
            Some(slot)
        })
    }

    #[expect(clippy::cast_possible_truncation, reason = "masked by the number of chains")]
    pub(super) fn head(&self, key: Key) -> usize {
        key.hash() as usize & (self.heads.len() - 1)
    }

    pub(super) fn first(&self, head: usize) -> u32 {
        self.heads.get(head).copied().unwrap_or(END)
    }

    pub(super) fn set_first(&mut self, head: usize, at: u32) {
        if let Some(first) = self.heads.get_mut(head) {
            *first = at;
        }
    }
}

impl<P> Slot<P> {
    fn tag(&self) -> Tag {
        let Key { space, vmid, .. } = self.key;
        Tag {
            space,
            vmid,
            asid: self.asid.unwrap_or(0),
        }
    }

    fn counts(&self, stamps: &InvalidationStamps) -> bool {
        stamps.of(self.tag()).admits(self.asid.is_none(), self.stamp)
    }
}

impl Key {
    pub(super) fn new(space: Space, vmid: u16, address: u64, class: u32) -> Self {
        Self {
            space,
            vmid,
            class,
            page: address >> class,
        }
    }

    /// Mixes all fields; the same in every run.
    fn hash(self) -> u64 {
        let tag = u64::from(self.vmid) << 16 | u64::from(self.class) << 8 | self.space as u64;
        let mixed = (self.page ^ tag << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32 ^ mixed >> 47
    }
}
