// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Register tables: one row per register, and what every reader of a table needs. Knows no SMMU.

/// What software's accesses do to a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Reads return the value, writes are ignored.
    Ro,
    /// Reads return the value, writes replace the writable bits.
    Rw,
    /// Reads return the value, writing 1 clears a writable bit.
    W1c,
    /// Reads return the value, writing 1 sets a writable bit.
    W1s,
    /// Reads return zero, a write triggers something and is not kept.
    Wo,
    /// Reads return zero, writes are ignored: not implemented.
    Raz,
}

/// One row of a register table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The specification's name without `SMMU_`; an `n` stands for the number of a group or bank.
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub doc: &'static str,
    /// Byte offset of the first register in its frame.
    pub offset: u32,
    /// Width in bytes, 4 or 8; also the stride of an array.
    pub width: u32,
    /// Number of registers in the array, 1 for a single one.
    pub count: u16,
    /// Access rule.
    pub access: Access,
    /// Only Secure software sees the register; RAZ/WI to others.
    pub secure: bool,
    /// Bits that software can write (or clear, or trigger with) in a full configuration.
    pub write: u64,
    /// Reset value, before what the configuration advertises.
    pub reset: u64,
}

impl Row {
    /// Offset of the first byte after the row.
    #[must_use]
    pub const fn end(&self) -> u32 {
        self.offset + self.width * self.count as u32
    }

    /// The value after `written` arrived on the byte lanes `lanes`, where software may write the bits `write`.
    #[must_use]
    pub const fn merge(&self, write: u64, old: u64, written: u64, lanes: u64) -> u64 {
        let hit = self.write & write & lanes;
        match self.access {
            Access::Ro | Access::Wo | Access::Raz => old,
            Access::Rw => (old & !hit) | (written & hit),
            Access::W1c => old & !(written & hit),
            Access::W1s => old | (written & hit),
        }
    }
}

/// Whether rows are in address order, do not overlap and are naturally aligned; checked when a table compiles.
pub(crate) const fn rows_are_sound(rows: &[Row]) -> bool {
    let mut end = 0;
    let mut i = 0;
    while i < rows.len() {
        let row = &rows[i];
        let full = if row.width == 8 { u64::MAX } else { u32::MAX as u64 };
        let wide = row.width == 4 || row.width == 8;
        if !wide || !row.offset.is_multiple_of(row.width) || row.offset < end || row.count == 0 {
            return false;
        }
        if row.write & !full != 0 || row.reset & !full != 0 {
            return false;
        }
        end = row.end();
        i += 1;
    }
    end <= 0x1000
}

/// The row that holds `offset`, and which register of its array.
pub(crate) fn find(rows: &[Row], offset: u32) -> Option<(usize, u16)> {
    let at = rows.partition_point(|row| row.offset <= offset).checked_sub(1)?;
    let row = rows.get(at).filter(|row| offset < row.end())?;
    let index = u16::try_from((offset - row.offset) / row.width).ok()?;
    Some((at, index))
}

/// In a row: the register is for Secure software alone.
pub(crate) const SECURE: bool = true;

/// A table as a type: an enum with one variant per row.
pub trait Table: Copy + 'static {
    /// The rows, in address order.
    const ROWS: &'static [Row];
    /// The registers, in the same order.
    const ALL: &'static [Self];
    /// Position of the register in the table.
    fn position(self) -> usize;
    /// Where the first register of the row is kept in a file of this table.
    fn slot(self) -> usize;
    /// The register's row.
    fn row(self) -> &'static Row {
        &Self::ROWS[self.position()]
    }
    /// The register at a byte offset in the frame, and its number in an array.
    fn decode(offset: u32) -> Option<(Self, u16)> {
        let (at, index) = find(Self::ROWS, offset)?;
        Some((*Self::ALL.get(at)?, index))
    }
}

/// Slot of row `at`: the number of registers before it.
pub(crate) const fn slots_before(rows: &[Row], at: usize) -> usize {
    let mut slots = 0;
    let mut i = 0;
    while i < at {
        slots += rows[i].count as usize;
        i += 1;
    }
    slots
}

/// Declares a register table.
///
/// A row reads `Variant "NAME" = offset, width, access, write mask, reset;`, an array `width x count`, a register of
/// Secure state `access in SECURE`; a mask or reset that is left out is zero. The doc comment of a row is its description.
macro_rules! frame {
    (
        $(#[$meta:meta])*
        pub enum $frame:ident {
            $(
                $(#[doc = $doc:literal])+
                $reg:ident $name:literal = $offset:literal, $width:literal $(x $count:literal)?, $access:ident $(in $security:ident)?
                $(, write $write:expr)? $(, reset $reset:expr)? ;
            )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $frame {
            $( $(#[doc = $doc])+ $reg, )+
        }

        impl $crate::spec::regs::Table for $frame {
            const ROWS: &'static [$crate::spec::regs::Row] = &[$(
                $crate::spec::regs::Row {
                    name: $name,
                    doc: concat!($($doc),+),
                    offset: $offset,
                    width: $width,
                    count: 1 $(* $count)?,
                    access: $crate::spec::regs::Access::$access,
                    secure: false $(| $crate::spec::regs::$security)?,
                    write: 0 $(| $write as u64)?,
                    reset: 0 $(| $reset as u64)?,
                },
            )+];
            const ALL: &'static [Self] = &[$(Self::$reg),+];

            fn position(self) -> usize {
                self as usize
            }

            fn slot(self) -> usize {
                const SLOTS: [usize; <$frame as $crate::spec::regs::Table>::ROWS.len()] = {
                    let mut slots = [0; <$frame as $crate::spec::regs::Table>::ROWS.len()];
                    let mut i = 0;
                    while i < slots.len() {
                        slots[i] = $crate::spec::regs::slots_before(<$frame as $crate::spec::regs::Table>::ROWS, i);
                        i += 1;
                    }
                    slots
                };
                SLOTS[self as usize]
            }
        }

        const _: () = assert!(
            $crate::spec::regs::rows_are_sound(<$frame as $crate::spec::regs::Table>::ROWS),
            concat!(stringify!($frame), ": rows are out of order, overlap, or are misaligned"),
        );
    };
}
pub(crate) use frame;

#[cfg(test)]
mod tests;
