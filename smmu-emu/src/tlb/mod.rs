// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The TLB: where addresses led, until software says that it may have changed (IHI 0062D §5).
//!
//! Entries are tagged with regime, VMID and ASID, never with a context bank. Stage 1 and stage 2 have entries of their
//! own; a nested translation uses one of each. Only walks that end in a block or page are kept, whether or not it
//! permits the access. SCTLR.M is no part of an entry: a bank that is off does not look here.

mod cache;
mod lookup;
mod maintenance;
mod pending;
mod saved;
mod stamps;

use std::collections::VecDeque;

use cache::Cache;
use pending::Pending;
use stamps::InvalidationStamps;

use crate::config::TlbMode;
use crate::registers::register::Scope;
use crate::translate::tag::{Space, Tag};
use crate::translate::walk::{Leaf, TableRef};

pub(crate) use lookup::Lookup;
pub(crate) use maintenance::{Invalidation, decode, decode_bank};
pub(crate) use pending::Maintained;
pub(crate) use saved::SavedTlb;

/// The TLB of one SMMU.
#[derive(Debug)]
pub(crate) struct Tlb {
    mode: TlbMode,
    leaves: Cache<Leaf>,
    tables: Cache<TableRef>,
    stamps: InvalidationStamps,
    pending: Pending,
}

/// Fills: what a translation found by walking, for the TLB.
#[derive(Debug, Default)]
pub(crate) struct Fills {
    /// Blocks and pages, each with the address that led there.
    pub(crate) leaves: Vec<(Tag, u64, Leaf)>,
    /// Tables in the same way.
    pub(crate) tables: Vec<(Tag, u64, TableRef)>,
    /// It had to walk, also if that led to a fault or nothing is kept.
    pub(crate) walked: bool,
}

/// An entry that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its tag; the ASID does not count for a global one.
    pub(crate) tag: Tag,
    /// Its first input address.
    pub(crate) address: u64,
    /// Its content.
    pub(crate) content: Content,
}

impl Entry {
    /// Tag, whether it is of every ASID, first address, and size as a power of two: its place in a cache.
    const fn key(&self) -> (Tag, bool, u64, u32) {
        let class = self.content.size().trailing_zeros();
        (self.tag, self.content.is_global(), self.address, class)
    }
}

/// Content of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A block or page.
    Leaf(Leaf),
    /// A table, as a place to start a walk.
    Table(TableRef),
}

impl Content {
    /// Bytes of input addresses.
    pub(crate) const fn size(&self) -> u64 {
        match self {
            Self::Leaf(leaf) => leaf.size,
            Self::Table(table) => 1 << table.shift,
        }
    }

    /// Whether it is of every ASID. Tables have no nG: they are the ASID's that walked.
    pub(crate) const fn is_global(&self) -> bool {
        match self {
            Self::Leaf(leaf) => leaf.global,
            Self::Table(_) => false,
        }
    }
}

impl Tlb {
    /// Holds `entries` blocks and pages, and a quarter as many tables.
    pub(crate) fn new(mode: TlbMode, entries: u32) -> Self {
        let evicts = !mode.keeps_all();
        Self {
            mode,
            leaves: Cache::new(entries, evicts),
            tables: Cache::new(entries.div_ceil(4), evicts),
            stamps: InvalidationStamps::default(),
            pending: Pending::default(),
        }
    }

    /// Block or page of an address, as far as is known.
    pub(crate) fn leaf(&self, tag: Tag, address: u64) -> Option<Leaf> {
        let leaf = self.leaves.get(tag, address, self.stamps.of(tag))?;
        Some(Leaf {
            address: leaf.address | (address & (leaf.size - 1)),
            ..leaf
        })
    }

    /// The last table on the way to an address that is known.
    pub(crate) fn table(&self, tag: Tag, address: u64) -> Option<TableRef> {
        self.tables.get(tag, address, self.stamps.of(tag))
    }

    /// Whether anything is kept at all.
    pub(crate) fn is_enabled(&self) -> bool {
        self.mode != TlbMode::Off
    }

    /// Whether maintenance waits for a sync.
    pub(crate) fn is_lazy(&self) -> bool {
        self.mode == TlbMode::Lazy
    }

    /// Has an operation wait for a sync that covers it. Returns the one that is to be carried out now, if too many
    /// wait.
    pub(crate) fn defer(&mut self, operation: Maintained) -> Option<Maintained> {
        self.pending.push(operation)
    }

    /// Takes out the operations that a sync of this scope covers, the oldest first.
    pub(crate) fn take_covered(&mut self, sync: Scope) -> VecDeque<Maintained> {
        self.pending.take(sync)
    }

    /// Takes up the fills of a translation, and empties the list. Says how many blocks and pages that were.
    pub(crate) fn fill(&mut self, fills: &mut Fills) -> usize {
        let Fills {
            leaves,
            tables,
            walked,
        } = fills;
        *walked = false;
        if leaves.is_empty() {
            return 0;
        }
        let kept = leaves.len();
        for (tag, address, leaf) in leaves.drain(..) {
            let base = Leaf {
                address: leaf.address & !(leaf.size - 1),
                ..leaf
            };
            let class = leaf.size.trailing_zeros();
            self.leaves
                .insert(tag, leaf.global, address, class, base, &self.stamps);
        }
        for (tag, address, table) in tables.drain(..) {
            // Tables have no nG: they are the ASID's that walked.
            self.tables
                .insert(tag, false, address, table.shift, table, &self.stamps);
        }
        kept
    }

    /// Entries that are held: blocks and pages, then tables.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> {
        let entry = |tag, address, content| Entry {
            tag,
            address,
            content,
        };
        let leaves = self.leaves.entries(&self.stamps);
        let tables = self.tables.entries(&self.stamps);
        leaves
            .map(move |(tag, address, leaf)| entry(tag, address, Content::Leaf(leaf)))
            .chain(tables.map(move |(tag, address, table)| entry(tag, address, Content::Table(table))))
    }

    /// Whether an entry is still held.
    pub(crate) fn holds(&self, entry: &Entry) -> bool {
        let (tag, global, address, class) = entry.key();
        match entry.content {
            Content::Leaf(_) => self.leaves.holds(tag, global, address, class, &self.stamps),
            Content::Table(_) => self.tables.holds(tag, global, address, class, &self.stamps),
        }
    }

    /// Holds an entry again that was dropped.
    pub(crate) fn restore(&mut self, entry: &Entry) {
        let (tag, global, address, class) = entry.key();
        match entry.content {
            Content::Leaf(leaf) => self
                .leaves
                .insert(tag, global, address, class, leaf, &self.stamps),
            Content::Table(table) => self
                .tables
                .insert(tag, global, address, class, table, &self.stamps),
        }
    }

    /// Carries out a TLB maintenance operation.
    pub(crate) fn invalidate(&mut self, operation: Invalidation) {
        let stamps = &mut self.stamps;
        match operation {
            Invalidation::Space(space) => stamps.invalidate_space(space),
            Invalidation::NonHyp => {
                stamps.invalidate_space(Space::El10);
                stamps.invalidate_space(Space::Stage2);
            }
            Invalidation::Vmid(space, vmid) => stamps.invalidate_vmid(space, vmid),
            Invalidation::BothStages(vmid) => {
                stamps.invalidate_vmid(Space::El10, vmid);
                stamps.invalidate_vmid(Space::Stage2, vmid);
            }
            Invalidation::Asid(tag) => stamps.invalidate_asid(tag),
            Invalidation::Address {
                space,
                vmid,
                asids,
                address,
                last_level,
            } => {
                self.leaves.invalidate(space, vmid, asids, address);
                if !last_level {
                    self.tables.invalidate(space, vmid, asids, address);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
