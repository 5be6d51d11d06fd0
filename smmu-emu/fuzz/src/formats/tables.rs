// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Tables of every format, in one layout: four regions of four pages.

use super::super::machine::{BASE, Outside};

/// The formats of tables here. Banks with the same format have the same tables.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Stage 1, long descriptors: AArch64, and AArch32 with EAE.
    Long,
    /// Stage 1, short descriptors.
    Short,
    /// Stage 2, either width.
    Stage2,
}

/// A table of level 1, two of level 2 and four of level 3, from an offset on.
pub const LONG: u64 = 0;
pub const STAGE2: u64 = 0x7000;
/// 16 KiB of level 1; then four tables of small pages, and four of a large page each, 1 KiB each.
pub const SHORT: u64 = 0x1_0000;
const SMALL: u64 = 0x1_4000;
const LARGE: u64 = 0x1_5000;
/// What they take.
pub const WORDS: usize = 0x1_6000 / 8;

/// Four regions of four pages; the last is far away. Stage 1 leads to the same addresses.
pub fn address(page: u8) -> u64 {
    let (region, index) = (u64::from(page / 4 % 4), u64::from(page % 4));
    (if region == 3 { 3 << 30 } else { region << 21 }) | index << 12
}

/// Where the leaf of a page is, and what leads to its table.
fn leaf_at(format: Format, page: u8) -> u64 {
    let (region, index) = (u64::from(page / 4), u64::from(page % 4));
    BASE + match format {
        Format::Long => LONG + 0x3000 + (region << 12) + 8 * index,
        Format::Stage2 => STAGE2 + 0x3000 + (region << 12) + 8 * index,
        Format::Short => SMALL + (region << 10) + 4 * index,
    }
}

fn above_at(format: Format, page: u8) -> u64 {
    let region = u64::from(page / 4);
    let long = if region == 3 { 0x2000 } else { 0x1000 + 8 * region };
    BASE + match format {
        Format::Long => LONG + long,
        Format::Stage2 => STAGE2 + long,
        Format::Short => SHORT + 4 * (address(page) >> 20),
    }
}

/// A leaf with the output address and the attributes that the bits of a byte say; none for some. `large` leaves are for the
/// four pages of a region.
fn leaf(format: Format, descriptor: u8, large: bool) -> u64 {
    let bits = u64::from(descriptor);
    if bits & 0x60 == 0 {
        return 0;
    }
    let to = address(descriptor & if large { 0xc } else { 0xf });
    let kind = if large { 1 } else { 3 };
    let global = bits >> 7;
    match format {
        // nG, AF, AP.
        Format::Long => to | global << 11 | u64::from(bits & 6 != 0) << 10 | (bits >> 3 & 3) << 6 | kind,
        // AF, S2AP, MemAttr.
        Format::Stage2 => 1 << 32 | to | u64::from(bits & 6 != 0) << 10 | (bits >> 3 & 3) << 6 | 0x3c | kind,
        // nG, AP[2], AP[1:0]: a section or a small page.
        Format::Short if large => to | global << 17 | (bits >> 3 & 1) << 15 | (bits >> 4 & 3) << 10 | 2,
        Format::Short => to | global << 11 | (bits >> 3 & 1) << 9 | (bits >> 4 & 3) << 4 | 2,
    }
}

/// The tables in memory.
pub struct Tables<'a>(pub &'a Outside);

impl Tables<'_> {
    /// Words of the short format are half as long.
    fn set(&self, format: Format, at: u64, value: u64) {
        let memory = self.0;
        let value = match (format, at & 4) {
            (Format::Long | Format::Stage2, _) => value,
            (Format::Short, 0) => memory.word(at) >> 32 << 32 | value,
            (Format::Short, _) => memory.word(at) & 0xffff_ffff | value << 32,
        };
        memory.set_word(at & !7, value);
    }

    /// Writes the leaf of a page into its table.
    pub fn leaf(&self, format: Format, page: u8, descriptor: u8) {
        self.set(format, leaf_at(format, page), leaf(format, descriptor, false));
    }

    /// Hangs the table of a page in.
    pub fn table(&self, format: Format, page: u8) {
        let table = leaf_at(format, page & 0xc);
        let kind = if format == Format::Short { 1 } else { 3 };
        self.set(format, above_at(format, page), table | kind);
    }

    /// Puts a descriptor where a page's table, or one leaf instead of it, belongs: one of the four that there are.
    pub fn above(&self, format: Format, page: u8, descriptor: u8) {
        match descriptor % 4 {
            0 => self.set(format, above_at(format, page), 0),
            1 => self.table(format, page),
            2 if format == Format::Short => {
                let table = BASE + LARGE + (u64::from(page / 4) << 10);
                // A large page in each of its 16 places.
                let large = match leaf(format, descriptor & !3, false) {
                    0 => 0,
                    small => small & !0xf003 | 1,
                };
                for index in 0..16 {
                    self.set(format, table + 4 * index, large);
                }
                self.set(format, above_at(format, page), table | 1);
            }
            _ => self.set(format, above_at(format, page), leaf(format, descriptor, true)),
        }
    }
}
