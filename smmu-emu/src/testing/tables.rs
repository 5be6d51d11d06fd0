// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Page tables from the architecture's description (DDI 0487, DDI 0406), without the crate's descriptor types.

use std::collections::BTreeMap;

use super::ram::Ram;

/// Page tables in a [`Ram`]: long descriptors of either stage with any granule, or short ones.
#[derive(Clone, Debug)]
pub struct Tables {
    format: TableFormat,
    first: u32,
    /// Input bits that count; those above are dropped.
    input: u64,
    root: u64,
    next: u64,
    /// Real address of a table, less the address that the table above it has.
    moved: u64,
    /// Tables by level and number of the first input that they serve.
    made: BTreeMap<(u32, u64), u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TableFormat {
    /// log2 of the granule.
    Long(u32),
    Short,
}

impl Tables {
    /// Access flag.
    pub const AF: u64 = 1 << 10;
    /// AP\[1\] of stage 1: unprivileged access.
    pub const USER: u64 = 1 << 6;
    /// AP\[2\] of stage 1: no writes.
    pub const READ_ONLY: u64 = 1 << 7;
    /// nG of stage 1.
    pub const NG: u64 = 1 << 11;
    /// AF, S2AP = readable and writable, MemAttr = Normal write-back: a leaf of stage 2.
    pub const STAGE2: u64 = Self::AF | 3 << 6 | 0xf << 2;
    /// AF, AP = user read and write, AttrIndx 0: a leaf of stage 1.
    pub const USER_RW: u64 = Self::AF | Self::USER;
    /// An address for a root where a test has no wish of its own.
    pub const BASE: u64 = 0x9000_0000;

    /// Long descriptors: log2 of the granule, level and address of the first table, which may be 16 of them,
    /// concatenated.
    #[must_use]
    pub fn new(granule: u32, first: u32, root: u64) -> Self {
        Self {
            format: TableFormat::Long(granule),
            first,
            input: u64::MAX,
            root,
            next: root + (16 << granule),
            moved: 0,
            made: BTreeMap::new(),
        }
    }

    /// Long descriptors at [`Tables::BASE`] for an input of this many bits: log2 of the granule, bits.
    #[must_use]
    pub fn of_bits(ram: &Ram, granule: u32, bits: u32) -> Self {
        Self::of_bits_at(ram, granule, bits, Self::BASE)
    }

    /// Long descriptors for an input of this many bits, in one first table at `root`; the others follow it.
    #[must_use]
    pub fn of_bits_at(ram: &Ram, granule: u32, bits: u32, root: u64) -> Self {
        ram.add(root, 1 << granule);
        Self {
            input: (1 << bits) - 1,
            next: root + (1 << granule),
            ..Self::new(granule, 4 - (bits - granule).div_ceil(granule - 3), root)
        }
    }

    /// Short descriptors: the address of the table of level 1, 16 KiB.
    #[must_use]
    pub fn short(root: u64) -> Self {
        Self {
            format: TableFormat::Short,
            first: 1,
            input: 0xffff_ffff,
            root,
            next: root + 0x4000,
            moved: 0,
            made: BTreeMap::new(),
        }
    }

    /// The tables, but in memory this far above the addresses by which they are known: behind a stage 2.
    #[must_use]
    pub fn moved(self, moved: u64) -> Self {
        Self { moved, ..self }
    }

    /// Address of the first table.
    #[must_use]
    pub const fn root(&self) -> u64 {
        self.root
    }

    /// Level of the first table.
    #[must_use]
    pub const fn first_level(&self) -> u32 {
        self.first
    }

    /// TCR of an AArch64 bank with these tables at TTBR0: EPD1, inner and outer write-back, inner shareable.
    ///
    /// # Panics
    /// The tables are short.
    #[must_use]
    pub fn tcr(&self) -> u32 {
        let tg0 = match self.format {
            TableFormat::Long(12) => 0,
            TableFormat::Long(16) => 1,
            TableFormat::Long(_) => 2,
            TableFormat::Short => panic!("tables of AArch64 are long"),
        };
        let t0sz = 64 - self.input.count_ones();
        1 << 23 | tg0 << 14 | 3 << 12 | 1 << 10 | 1 << 8 | t0sz
    }

    /// log2 of the bytes that an entry of a level covers.
    #[must_use]
    pub const fn shift(&self, level: u32) -> u32 {
        match self.format {
            TableFormat::Long(granule) => granule + (granule - 3) * (3 - level),
            TableFormat::Short => 12 + 8 * (2 - level),
        }
    }

    /// Bytes of an entry, and of a table below the first.
    const fn sizes(&self) -> (u64, u64) {
        match self.format {
            TableFormat::Long(granule) => (8, 1 << granule),
            TableFormat::Short => (4, 0x400),
        }
    }

    /// Address in memory of the entry for an input in the table of a level; makes the tables that lead there.
    pub fn entry(&mut self, ram: &Ram, input: u64, level: u32) -> u64 {
        let input = input & self.input;
        let (width, size) = self.sizes();
        let mut table = self.root;
        let mut entry = table + width * (input >> self.shift(self.first));
        for below in self.first + 1..=level {
            let key = (below, input >> self.shift(below - 1));
            table = match self.made.get(&key) {
                Some(table) => *table,
                None => {
                    let table = self.next;
                    self.next += size;
                    ram.add(table + self.moved, size);
                    self.made.insert(key, table);
                    self.set(ram, entry + self.moved, self.descriptor(table));
                    table
                }
            };
            entry = table + width * (input >> self.shift(below) & (size / width - 1));
        }
        entry + self.moved
    }

    const fn descriptor(&self, table: u64) -> u64 {
        match self.format {
            TableFormat::Long(_) => table | 3,
            TableFormat::Short => table | 1,
        }
    }

    /// Writes an entry at an address that [`Tables::entry`] gave.
    ///
    /// # Panics
    /// The value is too wide for a short descriptor.
    pub fn set(&self, ram: &Ram, entry: u64, value: u64) {
        match self.format {
            TableFormat::Long(_) => ram.set(entry, value),
            TableFormat::Short => ram.set32(entry, u32::try_from(value).expect("a short descriptor")),
        }
    }

    /// Maps a block, section or page at a level.
    pub fn map(&mut self, ram: &Ram, input: u64, output: u64, level: u32, attributes: u64) {
        let kind = match self.format {
            TableFormat::Long(_) if level == 3 => 3,
            TableFormat::Long(_) => 1,
            TableFormat::Short => 2,
        };
        let entry = self.entry(ram, input, level);
        self.set(ram, entry, output | attributes | kind);
    }

    /// Removes the page of an input.
    pub fn unmap(&mut self, ram: &Ram, input: u64) {
        let entry = self.entry(ram, input, if self.format == TableFormat::Short { 2 } else { 3 });
        self.set(ram, entry, 0);
    }

    /// Links the table of a level for an input into the table above it again, after its entry was overwritten.
    pub fn link(&mut self, ram: &Ram, input: u64, level: u32) {
        self.entry(ram, input, level);
        let key = (level, (input & self.input) >> self.shift(level - 1));
        let table = self.made[&key];
        let above = self.entry(ram, input, level - 1);
        self.set(ram, above, self.descriptor(table));
    }
}
