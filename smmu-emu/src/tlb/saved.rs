// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The TLB as a value: every entry in its place, so that a restored TLB also evicts what the saved one would have
//! evicted.

use std::collections::BTreeSet;

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::Tlb;
use super::cache::{CHAIN, Cache, END, Key, LONG_CHAIN, Slot};
use super::pending::{Pending, SavedMaintained};
use super::stamps::{InvalidationStamps, REMEMBERED};
use crate::translate::tag::Space;
use crate::translate::walk::{Leaf, Permissions, TableRef};

/// Bits of an address that a table or a page can have.
const OUTPUT_BITS: u32 = 52;
/// log2 of the smallest page.
const PAGE: u32 = 12;
/// Times count invalidations: more than there can be.
const NEVER: u64 = u64::MAX >> 1;

/// A TLB that was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub(crate) struct SavedTlb {
    /// Invalidations so far.
    now: u64,
    /// Time of the last invalidation of each regime.
    spaces: [u64; 3],
    /// Times of the last invalidation of VMIDs.
    vmids: Vec<(Space, u16, u64)>,
    /// Times of the last invalidation of ASIDs.
    asids: Vec<(Space, u16, u16, u64)>,
    leaves: SavedCache<Leaf>,
    tables: SavedCache<TableRef>,
    /// Maintenance that waits for a sync.
    pending: Vec<SavedMaintained>,
}

/// The entries of a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
struct SavedCache<P> {
    /// In an order in which they can be put into their chains again, one after the other.
    entries: Vec<SavedEntry<P>>,
    /// Free places, the next one last.
    free: Vec<u32>,
    /// The entry that goes next.
    hand: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
struct SavedEntry<P> {
    /// Its place.
    at: u32,
    space: Space,
    vmid: u16,
    /// `None` is global.
    asid: Option<u16>,
    /// log2 of its size.
    class: u32,
    /// Its address in units of its size.
    page: u64,
    stamp: u64,
    payload: P,
}

/// Destination of an entry.
pub(super) trait Payload: Copy {
    /// For a place without an entry.
    fn none() -> Self;
    /// Whether an entry of this size and place can lead there.
    fn fits(&self, class: u32, page: u64) -> bool;
}

impl Payload for Leaf {
    fn none() -> Self {
        Self {
            address: 0,
            size: 1 << PAGE,
            level: 3,
            attributes: 0,
            shareability: 0,
            permissions: Permissions::empty(),
            global: false,
        }
    }

    fn fits(&self, class: u32, _: u64) -> bool {
        self.size == 1 << class
            && self.address & (self.size - 1) == 0
            && self.address >> OUTPUT_BITS == 0
            && self.level <= 3
            && matches!(self.shareability, 0 | 2 | 3)
    }
}

impl Payload for TableRef {
    fn none() -> Self {
        Self::default()
    }

    fn fits(&self, class: u32, page: u64) -> bool {
        self.shift == class
            && self.input == page << class
            && self.address >> OUTPUT_BITS == 0
            && (1..=3).contains(&self.level)
    }
}

impl Tlb {
    /// The TLB as a value.
    pub(crate) fn save(&self) -> SavedTlb {
        let Self {
            mode: _,
            leaves,
            tables,
            stamps,
            pending,
        } = self;
        let InvalidationStamps {
            now,
            spaces,
            vmids,
            asids,
        } = stamps;
        SavedTlb {
            now: *now,
            spaces: *spaces,
            vmids: vmids
                .iter()
                .map(|(&(space, vmid), &at)| (space, vmid, at))
                .collect(),
            asids: asids
                .iter()
                .map(|(&(space, vmid, asid), &at)| (space, vmid, asid, at))
                .collect(),
            leaves: leaves.save(),
            tables: tables.save(),
            pending: pending.save(),
        }
    }

    /// A TLB of this kind and size with what was saved; `None` if no such TLB can hold that.
    pub(crate) fn restored(&self, saved: &SavedTlb) -> Option<Self> {
        let SavedTlb {
            now,
            spaces,
            vmids,
            asids,
            leaves,
            tables,
            pending,
        } = saved;
        let past = |at: &u64| at <= now;
        let stamps = InvalidationStamps {
            now: *now,
            spaces: *spaces,
            vmids: vmids
                .iter()
                .map(|&(space, vmid, at)| ((space, vmid), at))
                .collect(),
            asids: asids
                .iter()
                .map(|&(space, vmid, asid, at)| ((space, vmid, asid), at))
                .collect(),
        };
        let possible = *now <= NEVER
            && spaces.iter().all(past)
            && stamps.vmids.values().all(past)
            && stamps.asids.values().all(past)
            && stamps.vmids.len() <= REMEMBERED
            && stamps.asids.len() <= REMEMBERED
            && (self.is_lazy() || pending.is_empty());
        if !possible {
            return None;
        }
        Some(Self {
            mode: self.mode,
            leaves: self.leaves.restored(leaves, *now)?,
            tables: self.tables.restored(tables, *now)?,
            stamps,
            pending: Pending::restored(pending)?,
        })
    }
}

impl<P: Payload> Cache<P> {
    fn save(&self) -> SavedCache<P> {
        let mut entries = Vec::with_capacity(self.slots.len() - self.free.len());
        for &head in &self.heads {
            let start = entries.len();
            let mut at = head;
            while let Some(slot) = self.slots.get(at as usize) {
                let Key {
                    space,
                    vmid,
                    class,
                    page,
                } = slot.key;
                entries.push(SavedEntry {
                    at,
                    space,
                    vmid,
                    asid: slot.asid,
                    class,
                    page,
                    stamp: slot.stamp,
                    payload: slot.payload,
                });
                at = slot.next;
            }
            // An entry is put at the head of its chain.
            if let Some(chain) = entries.get_mut(start..) {
                chain.reverse();
            }
        }
        SavedCache {
            entries,
            free: self.free.clone(),
            hand: self.hand,
        }
    }

    /// A cache of this kind and size with these entries.
    fn restored(&self, saved: &SavedCache<P>, now: u64) -> Option<Self> {
        let SavedCache { entries, free, hand } = saved;
        let places = entries.len() + free.len();
        let used: BTreeSet<u32> = entries
            .iter()
            .map(|entry| entry.at)
            .chain(free.iter().copied())
            .collect();
        // Each place once.
        let whole = used.len() == places && used.last().is_none_or(|&last| last as usize + 1 == places);
        if places > self.capacity || !whole || *hand as usize >= self.capacity.max(1) {
            return None;
        }
        let mut cache = Self::new(u32::try_from(self.capacity).ok()?, self.evicts);
        let nothing = Slot {
            key: Key::new(Space::El10, 0, 0, PAGE),
            asid: None,
            stamp: 0,
            next: END,
            payload: P::none(),
        };
        cache.slots = vec![nothing; places];
        cache.free.clone_from(free);
        cache.hand = *hand;
        let longest = if self.evicts { CHAIN } else { LONG_CHAIN };
        let mut lengths = vec![0_usize; cache.heads.len()];
        for entry in entries {
            let key = entry.key()?;
            let head = cache.head(key);
            let length = lengths.get_mut(head)?;
            *length += 1;
            if entry.stamp > now || !entry.payload.fits(key.class, key.page) || *length > longest {
                return None;
            }
            let next = cache.first(head);
            *cache.slots.get_mut(entry.at as usize)? = Slot {
                key,
                asid: entry.asid,
                stamp: entry.stamp,
                next,
                payload: entry.payload,
            };
            cache.set_first(head, entry.at);
            cache.count(key.class);
        }
        Some(cache)
    }
}

impl<P> SavedEntry<P> {
    /// The chain that it hangs in, if there can be such an entry.
    fn key(&self) -> Option<Key> {
        let class = self.class;
        let possible = (PAGE..u64::BITS).contains(&class) && self.page <= u64::MAX >> class;
        possible.then_some(Key {
            space: self.space,
            vmid: self.vmid,
            class,
            page: self.page,
        })
    }
}
