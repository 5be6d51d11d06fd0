// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Register tables: one row per register, which says everything about it; the checks that a table compiles; lookup.

use crate::spec::effect::{Effect, Features};
use crate::spec::fields::{Applies, Layout};
use crate::spec::form::Form;

/// Effect of software's accesses on a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessRule {
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
    /// Purpose of the register, in one sentence.
    pub doc: &'static str,
    /// Byte offset of the first register in its frame.
    pub offset: u32,
    /// Width in bytes, 4 or 8; also the stride of an array.
    pub width: u32,
    /// Number of registers in the array, 1 for a single one.
    pub count: u16,
    /// Access rule.
    pub access: AccessRule,
    /// Only Secure software sees the register; RAZ/WI to others.
    pub secure: bool,
    /// Secure software has a copy of its own.
    pub banked: bool,
    /// Position in the table of the register whose value this one shows at another offset.
    pub alias: Option<usize>,
    /// Formats, of which the first that applies counts; empty for a register that is one number.
    pub formats: &'static [Layout],
    /// Bits that software can write (or clear, or trigger with) in a full configuration.
    pub write: u64,
    /// Reset value, before what the configuration advertises. An alias has that of its register.
    pub reset: u64,
    /// Features without any of which the register is RAZ/WI.
    pub needs: Features,
    /// Effect of an access beyond the access rule.
    pub effect: Effect,
}

impl Row {
    /// Offset of the first byte after the row.
    #[must_use]
    pub const fn end(&self) -> u32 {
        self.offset + self.width * self.count as u32
    }

    /// The format of a value of the register, in a bank of this form; `None` for a register that is one number, and for
    /// a trigger, which holds nothing.
    #[must_use]
    pub fn format(&self, form: Form, value: u64) -> Option<&'static Layout> {
        let mut formats = self.formats.iter();
        let format = formats.find(|format| form.satisfies(format.applies, value));
        format.filter(|_| self.access != AccessRule::Wo)
    }

    /// Whether Secure software has a copy of its own of the register, or the register for itself.
    #[must_use]
    pub const fn has_secure_copy(&self) -> bool {
        self.banked || self.secure && self.alias.is_none()
    }

    /// The value after `written` arrived on the byte lanes `lanes`, where software may write the bits `write`.
    #[must_use]
    pub const fn merge(&self, write: u64, old: u64, written: u64, lanes: u64) -> u64 {
        let hit = self.write & write & lanes;
        match self.access {
            AccessRule::Ro | AccessRule::Wo | AccessRule::Raz => old,
            AccessRule::Rw => (old & !hit) | (written & hit),
            AccessRule::W1c => old & !(written & hit),
            AccessRule::W1s => old | (written & hit),
        }
    }
}

/// Fault of a table, checked when it compiles. `None` for a sound one.
pub(crate) const fn fault_of(rows: &[Row]) -> Option<&'static str> {
    let mut end = 0;
    let mut i = 0;
    while i < rows.len() {
        let row = &rows[i];
        if row.offset < end {
            return Some("rows are out of order, or overlap");
        }
        if let Some(fault) = fault_of_row(row) {
            return Some(fault);
        }
        if let Some(at) = row.alias
            && let Some(fault) = fault_of_alias(row, &rows[at])
        {
            return Some(fault);
        }
        end = row.end();
        i += 1;
    }
    if end > 0x1000 {
        return Some("a row is beyond the frame");
    }
    None
}

const fn fault_of_row(row: &Row) -> Option<&'static str> {
    if row.width != 4 && row.width != 8 || row.count == 0 || !row.offset.is_multiple_of(row.width) {
        return Some("a row is misaligned, of odd width, or an empty array");
    }
    let full = if row.width == 8 { u64::MAX } else { u32::MAX as u64 };
    if row.write & !full != 0 || row.reset & !full != 0 {
        return Some("a writable bit or a reset value is outside of the register");
    }
    if matches!(row.access, AccessRule::Ro | AccessRule::Raz) && row.write != 0 {
        return Some("a read-only register has writable bits");
    }
    if matches!(row.access, AccessRule::Wo | AccessRule::Raz) && row.reset != 0 {
        return Some("a register that reads zero has a reset value");
    }
    if row.banked && row.secure {
        return Some("a register of Secure software alone has no Non-secure copy");
    }
    // No stream is Secure: Secure software's own triggers have nothing to do.
    let of_secure_software = row.secure && row.alias.is_none();
    if !of_secure_software && !row.effect.suits(row.access) {
        return Some("an access rule and an effect contradict each other");
    }
    fault_of_formats(row)
}

const fn fault_of_formats(row: &Row) -> Option<&'static str> {
    let mut i = 0;
    while i < row.formats.len() {
        let format = &row.formats[i];
        if format.width != row.width as usize {
            return Some("a register and the type of its fields have different widths");
        }
        let last = i + 1 == row.formats.len();
        if matches!(format.applies, Applies::Always) != last {
            return Some("the last format of a register applies always, and no other");
        }
        i += 1;
    }
    None
}

const fn fault_of_alias(row: &Row, of: &Row) -> Option<&'static str> {
    if of.alias.is_some() || of.width != row.width || of.count != row.count {
        return Some("an alias is of another alias, or of a register of another width or count");
    }
    if row.banked || row.reset != 0 {
        return Some("an alias has a copy or a reset value of its own");
    }
    None
}

/// Adds the features that every row needs, and fills in what an alias has from the register behind it: formats,
/// writable bits, features, effect.
pub(crate) const fn completed<const N: usize>(every: Features, mut rows: [Row; N]) -> [Row; N] {
    let mut i = 0;
    while i < N {
        rows[i].needs = rows[i].needs.union(every);
        i += 1;
    }
    i = 0;
    while i < N {
        if let Some(at) = rows[i].alias {
            rows[i].formats = rows[at].formats;
            rows[i].write = rows[at].write;
            rows[i].needs = rows[at].needs;
            rows[i].effect = rows[at].effect;
        }
        i += 1;
    }
    rows
}

/// Writable bits of a row: `given`, or those of its formats.
pub(crate) const fn writable(access: AccessRule, given: &[u64], formats: &[Layout]) -> u64 {
    if let [bits, ..] = *given {
        return bits;
    }
    let mut bits = 0;
    let mut i = 0;
    while i < formats.len() && !matches!(access, AccessRule::Ro | AccessRule::Raz) {
        bits |= formats[i].writable();
        i += 1;
    }
    bits
}

/// Reset value of a row: `given`, or that of its format.
pub(crate) const fn reset(given: &[u64], formats: &[Layout]) -> u64 {
    match (given, formats) {
        ([value, ..], _) => *value,
        ([], [format]) => format.reset,
        ([], _) => 0,
    }
}

/// The row that holds `offset`, and which register of its array.
pub(crate) fn find(rows: &[Row], offset: u32) -> Option<(usize, u16)> {
    let at = rows.partition_point(|row| row.offset <= offset).checked_sub(1)?;
    let row = rows.get(at).filter(|row| offset < row.end())?;
    // A width is 4 or 8.
    let index = u16::try_from((offset - row.offset) >> row.width.trailing_zeros()).ok()?;
    Some((at, index))
}

/// In a row: the register, or a copy of it, is for Secure software alone.
pub(crate) const SECURE: bool = true;

/// The effect of a row: none if none is given.
pub(crate) const fn effect(given: &[Effect]) -> Effect {
    match given {
        [effect, ..] => *effect,
        [] => Effect::None,
    }
}

/// A table as a type: an enum with one variant per row.
pub trait Table: Copy + 'static {
    /// The rows, in address order.
    const ROWS: &'static [Row];
    /// The registers, in the same order.
    const ALL: &'static [Self];
    /// Position of the register in the table.
    fn position(self) -> usize;
    /// Slot of the first register of the row in a file of this table; for an alias, that of the register behind it.
    fn slot(self) -> usize;
    /// The register's row.
    fn row(self) -> &'static Row {
        &Self::ROWS[self.position()]
    }
    /// The register behind an alias; itself if it is none.
    fn behind_alias(self) -> Self {
        let behind = self.row().alias.and_then(|at| Self::ALL.get(at));
        behind.copied().unwrap_or(self)
    }
    /// The register at a byte offset in the frame, and its number in an array.
    fn decode(offset: u32) -> Option<(Self, u16)> {
        let (at, index) = find(Self::ROWS, offset)?;
        Some((*Self::ALL.get(at)?, index))
    }
}

/// Slot of row `at`: the number of registers before it that are no aliases. An alias has the slot of its register.
pub(crate) const fn slot_of(rows: &[Row], at: usize) -> usize {
    let at = match rows[at].alias {
        Some(behind) => behind,
        None => at,
    };
    let mut slot = 0;
    let mut i = 0;
    while i < at {
        if rows[i].alias.is_none() {
            slot += rows[i].count as usize;
        }
        i += 1;
    }
    slot
}

/// Declares a register table.
///
/// A row reads `Variant "NAME" = offset, width, access, columns…;`, an array `width x count`, a register of Secure
/// software alone `access in SECURE`. The columns, each of which may be left out, in this order:
///
/// - `as Type`: field type, from which writable bits and reset value follow; `as A or B` for several formats, the first
///   that applies;
/// - `write mask`, `reset value`: those of a register without a field type, or where they are not the type's;
/// - `needs FEATURE and FEATURE`: without one of these the register is RAZ/WI; those above all rows, behind the name of
///   the table, count for each;
/// - `banked in SECURE`: Secure software has a copy of its own;
/// - `alias of Variant`: shows the value of that register, and has its columns;
/// - `effect Effect`: effect of an access beyond the access rule.
///
/// The doc comment of a row is its description.
macro_rules! frame {
    (
        $(#[$meta:meta])*
        pub enum $frame:ident $(needs $every:ident)? {
            $(
                $(#[doc = $doc:literal])+
                $reg:ident $name:literal = $offset:literal, $width:literal $(x $count:literal)?,
                    $access:ident $(in $security:ident)?
                $(, as $type:ident $(or $other:ident)*)?
                $(, write $write:expr)?
                $(, reset $reset:expr)?
                $(, needs $need:ident $(and $also:ident)*)?
                $(, banked in $copy:ident)?
                $(, alias of $alias:ident)?
                $(, effect $effect:ident $(($of:expr))?)?
                ;
            )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $frame {
            $( $(#[doc = $doc])+ $reg, )+
        }

        impl $crate::spec::regs::Table for $frame {
            const ROWS: &'static [$crate::spec::regs::Row] = {
                const EVERY: $crate::spec::effect::Features = $crate::spec::effect::Features::empty()
                    $(.union($crate::spec::effect::Features::$every))?;
                &$crate::spec::regs::completed(EVERY, [$({
                const FORMATS: &[$crate::spec::fields::Layout] = &[$(
                    <$type as $crate::spec::fields::FieldType>::LAYOUT,
                    $(<$other as $crate::spec::fields::FieldType>::LAYOUT,)*
                )?];
                const ACCESS: $crate::spec::regs::AccessRule = $crate::spec::regs::AccessRule::$access;
                $crate::spec::regs::Row {
                    name: $name,
                    doc: concat!($($doc),+),
                    offset: $offset,
                    width: $width,
                    count: 1 $(* $count)?,
                    access: ACCESS,
                    secure: false $(| $crate::spec::regs::$security)?,
                    banked: false $(| $crate::spec::regs::$copy)?,
                    alias: $crate::spec::fields::first(&[$($frame::$alias as usize)?]),
                    formats: FORMATS,
                    write: $crate::spec::regs::writable(ACCESS, &[$($write as u64)?], FORMATS),
                    reset: $crate::spec::regs::reset(&[$($reset as u64)?], FORMATS),
                    needs: $crate::spec::effect::Features::empty()
                        $(.union($crate::spec::effect::Features::$need)
                            $(.union($crate::spec::effect::Features::$also))*)?,
                    effect: $crate::spec::regs::effect(&[$($crate::spec::effect::Effect::$effect $(($of))?)?]),
                }
            },)+])
            };
            const ALL: &'static [Self] = &[$(Self::$reg),+];

            fn position(self) -> usize {
                self as usize
            }

            fn slot(self) -> usize {
                const SLOTS: [usize; <$frame as $crate::spec::regs::Table>::ROWS.len()] = {
                    let mut slots = [0; <$frame as $crate::spec::regs::Table>::ROWS.len()];
                    let mut i = 0;
                    while i < slots.len() {
                        slots[i] = $crate::spec::regs::slot_of(<$frame as $crate::spec::regs::Table>::ROWS, i);
                        i += 1;
                    }
                    slots
                };
                SLOTS[self as usize]
            }
        }

        const _: () = if let Some(fault) = $crate::spec::regs::fault_of(<$frame as $crate::spec::regs::Table>::ROWS) {
            panic!("{}", fault);
        };
    };
}
pub(crate) use frame;

#[cfg(test)]
mod tests;
