// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Builds VMSAv8-64 stage 1 tables by hand, from the architecture's description and not with the crate's types.

use std::collections::BTreeMap;

use crate::bench::Host;

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
