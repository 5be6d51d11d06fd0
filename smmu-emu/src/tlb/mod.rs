// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The TLB: where addresses led, until software says that it may have changed (IHI 0062D §5).
//!
//! Entries are tagged with regime, VMID and ASID, never with a context bank. Stage 1 and stage 2 have entries of their
//! own; a nested translation uses one of each. Only walks that end in a block or page are kept, whether or not it
//! permits the access. SCTLR.M is no part of an entry: a bank that is off does not look here.

mod cache;
mod floors;
mod lookup;
mod maintenance;

use crate::translate::tag::{Space, Tag};
use cache::Cache;
use floors::Floors;
pub(crate) use lookup::Lookup;
pub(crate) use maintenance::{Invalidation, decode, decode_bank};

use crate::config::TlbMode;
use crate::translate::walk::{Leaf, TableRef};

/// The TLB of one SMMU.
#[derive(Debug)]
pub(crate) struct Tlb {
    mode: TlbMode,
    leaves: Cache<Leaf>,
    tables: Cache<TableRef>,
    floors: Floors,
}

/// What a translation learnt by walking.
#[derive(Debug, Default)]
pub(crate) struct Learnt {
    /// Blocks and pages, each with the address that led there.
    pub(crate) leaves: Vec<(Tag, u64, Leaf)>,
    /// Tables in the same way.
    pub(crate) tables: Vec<(Tag, u64, TableRef)>,
    /// It had to walk, also if that led to a fault or nothing is kept.
    pub(crate) walked: bool,
}

/// A block or page that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Whose it is; the ASID does not count for a global one.
    pub(crate) tag: Tag,
    /// Its first input address.
    pub(crate) address: u64,
    /// Where it leads.
    pub(crate) leaf: Leaf,
}

impl Tlb {
    /// Holds `entries` blocks and pages, and a quarter as many tables.
    pub(crate) fn new(mode: TlbMode, entries: u32) -> Self {
        let evicts = mode != TlbMode::StrictStale;
        Self {
            mode,
            leaves: Cache::new(entries, evicts),
            tables: Cache::new(entries.div_ceil(4), evicts),
            floors: Floors::default(),
        }
    }

    /// Where an address leads, as far as is known.
    pub(crate) fn leaf(&self, tag: Tag, address: u64) -> Option<Leaf> {
        let leaf = self.leaves.get(tag, address, self.floors.of(tag))?;
        Some(Leaf {
            address: leaf.address | (address & (leaf.size - 1)),
            ..leaf
        })
    }

    /// The last table on the way to an address that is known.
    pub(crate) fn table(&self, tag: Tag, address: u64) -> Option<TableRef> {
        self.tables.get(tag, address, self.floors.of(tag))
    }

    /// Whether anything is kept at all.
    pub(crate) fn keeps(&self) -> bool {
        self.mode != TlbMode::Off
    }

    /// Keeps what a translation learnt, and empties the list. Says how many blocks and pages that were.
    pub(crate) fn keep(&mut self, learnt: &mut Learnt) -> usize {
        let Learnt {
            leaves,
            tables,
            walked,
        } = learnt;
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
                .insert(tag, leaf.global, address, class, base, &self.floors);
        }
        for (tag, address, table) in tables.drain(..) {
            // Tables have no nG: they are the ASID's that walked.
            self.tables
                .insert(tag, false, address, table.shift, table, &self.floors);
        }
        kept
    }

    /// Blocks and pages that are held.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = Entry> {
        self.leaves
            .entries(&self.floors)
            .map(|(tag, address, leaf)| Entry { tag, address, leaf })
    }

    /// Tables that are held, with the first address that each serves.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (Tag, u64, TableRef)> {
        self.tables.entries(&self.floors)
    }

    /// Whether an entry is still held.
    pub(crate) fn holds(&self, entry: &Entry) -> bool {
        let Entry { tag, address, leaf } = *entry;
        let class = leaf.size.trailing_zeros();
        self.leaves.holds(tag, leaf.global, address, class, &self.floors)
    }

    /// Holds an entry again that was dropped.
    pub(crate) fn restore(&mut self, entry: &Entry) {
        let Entry { tag, address, leaf } = *entry;
        let class = leaf.size.trailing_zeros();
        self.leaves
            .insert(tag, leaf.global, address, class, leaf, &self.floors);
    }

    /// Carries out a TLB maintenance operation.
    pub(crate) fn invalidate(&mut self, operation: Invalidation) {
        let floors = &mut self.floors;
        match operation {
            Invalidation::Space(space) => floors.raise_space(space),
            Invalidation::NonHyp => {
                floors.raise_space(Space::El10);
                floors.raise_space(Space::Stage2);
            }
            Invalidation::Vmid(space, vmid) => floors.raise_vmid(space, vmid),
            Invalidation::BothStages(vmid) => {
                floors.raise_vmid(Space::El10, vmid);
                floors.raise_vmid(Space::Stage2, vmid);
            }
            Invalidation::Asid(tag) => floors.raise_asid(tag),
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
