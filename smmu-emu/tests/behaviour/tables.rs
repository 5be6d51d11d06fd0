// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Builds VMSAv8-64 stage 1 tables by hand, from the architecture's description and not with the crate's types.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::bench::{Bench, Cb, Gr1, Host};

/// Tables of one half of an address space.
pub struct Tables {
    granule: u32,
    bits: u32,
    next: u64,
    root: u64,
    /// Tables by level and the address bits above what they cover.
    tables: BTreeMap<(u32, u64), u64>,
}

impl Tables {
    /// AF, AP = user read and write, AttrIndx 0.
    pub const USER_RW: u64 = 1 << 10 | 1 << 6;
    /// Where the first table is made; the rest follow.
    pub const BASE: u64 = 0x9000_0000;

    /// Empty tables: log2 of the granule, and the bits of an address.
    pub fn new(host: &mut Host, granule: u32, bits: u32) -> Self {
        Self::at(host, granule, bits, Self::BASE)
    }

    /// The same at an address of choice.
    pub fn at(host: &mut Host, granule: u32, bits: u32, root: u64) -> Self {
        host.add_memory(root, 1 << granule);
        let next = root + (1 << granule);
        Self {
            granule,
            bits,
            next,
            root,
            tables: BTreeMap::new(),
        }
    }

    pub fn root(&self) -> u64 {
        self.root
    }

    /// TCR with EPD1, inner and outer write-back, inner shareable.
    pub fn tcr(&self) -> u32 {
        let tg0 = match self.granule {
            12 => 0,
            16 => 1,
            _ => 2,
        };
        1 << 23 | tg0 << 14 | 3 << 12 | 1 << 10 | 1 << 8 | (64 - self.bits)
    }

    /// Level of the root table.
    pub fn first_level(&self) -> u32 {
        4 - (self.bits - self.granule).div_ceil(self.granule - 3)
    }

    /// log2 of what an entry of a level covers.
    pub fn shift(&self, level: u32) -> u32 {
        self.granule + (self.granule - 3) * (3 - level)
    }

    /// Address of the entry for `va` in the table of `level`, making the tables above it.
    pub fn entry(&mut self, host: &mut Host, va: u64, level: u32) -> u64 {
        let va = va & ((1 << self.bits) - 1);
        let mut table = self.root;
        for above in self.first_level()..level {
            let key = (above, va >> self.shift(above));
            let slot = table + (va >> self.shift(above) & self.index_mask()) * 8;
            table = match self.tables.get(&key) {
                Some(&table) => table,
                None => {
                    let table = self.next;
                    host.add_memory(table, 1 << self.granule);
                    self.next += 1 << self.granule;
                    host.write64(slot, table | 3);
                    self.tables.insert(key, table);
                    table
                }
            };
        }
        table + (va >> self.shift(level) & self.index_mask()) * 8
    }

    fn index_mask(&self) -> u64 {
        (1 << (self.granule - 3)) - 1
    }

    /// Maps a block or page at a level.
    pub fn map(&mut self, host: &mut Host, va: u64, pa: u64, level: u32, attributes: u64) {
        let kind = if level == 3 { 3 } else { 1 };
        let entry = self.entry(host, va, level);
        host.write64(entry, pa | attributes | kind);
    }

    /// Removes a page.
    pub fn unmap(&mut self, host: &mut Host, va: u64) {
        let entry = self.entry(host, va, 3);
        host.write64(entry, 0);
    }
}

/// A mapping to make: where, how large, and what it permits.
#[derive(Clone, Debug)]
struct Mapping {
    va: u64,
    pa: u64,
    level: u32,
    user: bool,
    read_only: bool,
}

/// Granule, address bits, mappings that do not overlap, addresses to ask for.
fn world() -> impl Strategy<Value = (u32, u32, Vec<Mapping>, Vec<u64>)> {
    let mapping = (
        any::<u64>(),
        any::<u64>(),
        1_u32..=3,
        any::<bool>(),
        any::<bool>(),
    );
    (
        prop_oneof![Just(12), Just(14), Just(16)],
        25_u32..=48,
        vec(mapping, 1..12),
        vec(any::<u64>(), 1..20),
    )
        .prop_map(|(granule, bits, wanted, asked): (u32, u32, _, Vec<u64>)| {
            let stride = granule - 3;
            let first = 4 - (bits - granule).div_ceil(stride);
            let mut made: Vec<(Mapping, u64)> = Vec::new();
            for (va, pa, level, user, read_only) in wanted {
                // The largest block of each granule, and no level above the first.
                let level = level.max(first).max(if granule == 12 { 1 } else { 2 });
                let size = 1_u64 << (granule + stride * (3 - level));
                let va = va & ((1 << bits) - 1) & !(size - 1);
                let pa = pa & 0xffff_ffff_ffff & !(size - 1);
                if va + size <= 1 << bits
                    && !made
                        .iter()
                        .any(|(m, other)| va < m.va + other && m.va < va + size)
                {
                    made.push((
                        Mapping {
                            va,
                            pa,
                            level,
                            user,
                            read_only,
                        },
                        size,
                    ));
                }
            }
            // Half of the addresses lie in mappings.
            let inside = asked
                .iter()
                .zip(made.iter().cycle())
                .map(|(ask, (m, size))| m.va + ask % size);
            let outside = asked.iter().map(|ask| ask & ((1 << bits) - 1));
            let asked = inside.chain(outside).collect();
            (granule, bits, made.into_iter().map(|(m, _)| m).collect(), asked)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_walk_finds_what_was_mapped_and_nothing_else((granule, bits, mappings, asked) in world()) {
        let mut bench = Bench::new("preset = \"smmuv2-generic\"");
        let mut tables = Tables::new(&mut bench.host, granule, bits);
        for Mapping { va, pa, level, user, read_only } in &mappings {
            let attributes = 1 << 10 | u64::from(*user) << 6 | u64::from(*read_only) << 7;
            tables.map(&mut bench.host, *va, *pa, *level, attributes);
        }
        bench.w(Gr1(0x804), 1);
        bench.w(Gr1(0x004), 1 << 16);
        bench.w(Cb(1, 0x10), 5);
        bench.w(Cb(1, 0x30), tables.tcr());
        bench.w64(Cb(1, 0x20), tables.root());
        bench.w(Cb(1, 0x00), 1);
        for va in asked {
            let page = va & !0xfff;
            let hit = mappings.iter().find(|m| page >> tables.shift(m.level) == m.va >> tables.shift(m.level));
            for (operation, privileged, write) in [(0x800, true, false), (0x808, true, true), (0x810, false, false), (0x818, false, true)] {
                bench.w64(Cb(1, operation), va);
                let par = bench.r64(Cb(1, 0x50));
                match hit {
                    None => prop_assert_eq!(par & 0xfff, 0x203, "TF at {:#x}", va),
                    Some(m) if (privileged || m.user) && !(write && m.read_only) => {
                        prop_assert_eq!(par & 1, 0, "{:#x}: {:#x}", va, par);
                        prop_assert_eq!(par & 0xffff_ffff_f000, m.pa + (page - m.va));
                    }
                    Some(m) => prop_assert_eq!(par, u64::from(m.level) << 32 | 0x209, "PF at {:#x}", va),
                }
            }
        }
    }
}
