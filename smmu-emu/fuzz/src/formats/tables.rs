// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Tables of every format, in one layout: four regions of four pages.

use smmu_emu::testing::{Ram, Tables};

use super::super::machine::BASE;

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

/// Roots.
pub const LONG: u64 = BASE;
pub const STAGE2: u64 = BASE + 0x10_0000;
pub const SHORT: u64 = BASE + 0x20_0000;
/// Tables of a large page each, 1 KiB each.
const LARGE: u64 = BASE + 0x30_0000;

/// Four regions of four pages; the last is far away. Stage 1 leads to the same addresses.
pub fn address(page: u8) -> u64 {
    let (region, index) = (u64::from(page / 4 % 4), u64::from(page % 4));
    (if region == 3 { 3 << 30 } else { region << 21 }) | index << 12
}

/// A leaf with the output address and the attributes that the bits of a byte say; none for some. `large` leaves are for
/// the four pages of a region.
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

/// The tables of each format. Banks of one format share them.
#[derive(Clone)]
pub struct AllTables {
    long: Tables,
    short: Tables,
    stage2: Tables,
}

impl AllTables {
    /// Every page is mapped, readable, writable and not global.
    pub fn new(ram: &Ram) -> Self {
        let mut all = Self {
            long: Tables::new(12, 1, LONG),
            short: Tables::short(SHORT),
            stage2: Tables::new(12, 1, STAGE2),
        };
        // The tables of stage 1 are in the gigabyte that stage 2 maps to itself.
        all.stage2.map(ram, 0x8000_0000, 0x8000_0000, 1, 0x7fc);
        for (format, descriptor) in [
            (Format::Long, 0xea),
            (Format::Stage2, 0xfa),
            (Format::Short, 0xf2),
        ] {
            (0..16).for_each(|page| all.leaf(ram, format, page, descriptor));
        }
        all
    }

    /// The tables of a format, and the level of its pages.
    fn of(&mut self, format: Format) -> (&mut Tables, u32) {
        match format {
            Format::Long => (&mut self.long, 3),
            Format::Stage2 => (&mut self.stage2, 3),
            Format::Short => (&mut self.short, 2),
        }
    }

    /// Address of the descriptor of a page, or of one of those above it.
    pub fn descriptor(&mut self, ram: &Ram, format: Format, page: u8, above: u32) -> u64 {
        let (tables, last) = self.of(format);
        tables.entry(ram, address(page), last.saturating_sub(above).max(1))
    }

    /// Writes the leaf of a page into its table.
    pub fn leaf(&mut self, ram: &Ram, format: Format, page: u8, descriptor: u8) {
        let (tables, last) = self.of(format);
        let entry = tables.entry(ram, address(page), last);
        tables.set(ram, entry, leaf(format, descriptor, false));
    }

    /// Puts a descriptor where a page's table, or one leaf instead of it, belongs: one of the four that there are.
    pub fn above(&mut self, ram: &Ram, format: Format, page: u8, descriptor: u8) {
        let (tables, last) = self.of(format);
        let entry = tables.entry(ram, address(page), last - 1);
        match descriptor % 4 {
            0 => tables.set(ram, entry, 0),
            1 => tables.link(ram, address(page), last),
            2 if format == Format::Short => {
                let table = LARGE + (u64::from(page / 4) << 10);
                // A large page in each of its 16 places.
                let large = match leaf(format, descriptor & !3, false) {
                    0 => 0,
                    small => small & !0xf003 | 1,
                };
                (0..16).for_each(|index| tables.set(ram, table + 4 * index, large));
                tables.set(ram, entry, table | 1);
            }
            _ => tables.set(ram, entry, leaf(format, descriptor, true)),
        }
    }
}
