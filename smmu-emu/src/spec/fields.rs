// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Fields of a register by name: position, meaning of the value, whether software can write it.
//!
//! `fields!` declares a bitbybit type and emits the list of its fields from the same lines. The write mask of a
//! register follows from that list.

use arbitrary_int::UInt;
use arbitrary_int::traits::{BuiltinInteger, UnsignedInteger};

/// The meaning of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Set or clear.
    Flag,
    /// An unsigned number.
    Number,
    /// One of these values, each with its name; others are reserved.
    Encoding(&'static [(u64, &'static str)]),
}

/// A field of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The specification's name: in lower case for a field, in upper case for a fault bit.
    pub name: &'static str,
    /// The lowest bit.
    pub low: u32,
    /// The highest bit.
    pub high: u32,
    /// The meaning of the value.
    pub meaning: Meaning,
    /// Reason for which software cannot write the field in any configuration, if it cannot.
    pub fixed: Option<Fixed>,
}

/// Reason for which software cannot write a field in any configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixed {
    /// RAZ/WI to Non-secure software.
    Secure,
    /// The feature that it controls is not implemented.
    Unimplemented,
    /// Read-only.
    ReadOnly,
}

impl Field {
    /// A place for a field in an array under construction.
    pub(crate) const NONE: Self = Self::flag("", 1, false);

    /// A single bit.
    pub(crate) const fn flag(name: &'static str, bit: u32, writable: bool) -> Self {
        Self {
            name,
            low: bit.trailing_zeros(),
            high: bit.trailing_zeros(),
            meaning: Meaning::Flag,
            fixed: if writable { None } else { Some(Fixed::ReadOnly) },
        }
    }

    /// The field's bits of the register.
    #[must_use]
    pub const fn mask(&self) -> u64 {
        (u64::MAX >> (63 - self.high)) & (u64::MAX << self.low)
    }

    /// The field of a value of the register, as text: `true` or `false`, the name of an encoding, or a decimal number.
    #[must_use]
    pub fn show(&self, register: u64) -> String {
        let value = (register & self.mask()) >> self.low;
        match self.meaning {
            Meaning::Flag => (value == 1).to_string(),
            Meaning::Number => value.to_string(),
            Meaning::Encoding(names) => {
                let name = names.iter().find(|(encoding, _)| *encoding == value);
                name.map_or_else(|| value.to_string(), |(_, name)| (*name).into())
            }
        }
    }
}

/// Condition on the state of the bank, or on the value, under which a register has a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    /// In any other case.
    Always,
    /// The bank translates stage 2 (`CBARn.TYPE`).
    Stage2,
    /// The tables of the bank have AArch64 format.
    AArch64,
    /// The tables of the bank have short descriptors.
    Short,
    /// Bit 0 of the value is set: `CBn_PAR.F`.
    Faulted,
}

/// Format of a register: its fields, and the writable bits and the reset value that follow from them.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Name of the Rust type.
    pub name: &'static str,
    /// Width in bytes.
    pub width: usize,
    /// Condition under which the register has this format, if it has several.
    pub applies: Applies,
    /// Fields, the highest bit first.
    pub fields: &'static [Field],
    /// Reset value.
    pub reset: u64,
}

impl Layout {
    /// Bits that software can write in a full configuration: those of the fields that are not fixed.
    #[must_use]
    pub const fn writable(&self) -> u64 {
        let mut bits = 0;
        let mut i = 0;
        while i < self.fields.len() {
            if self.fields[i].fixed.is_none() {
                bits |= self.fields[i].mask();
            }
            i += 1;
        }
        bits
    }
}

/// Type of a register's fields.
pub trait FieldType {
    /// The fields.
    const LAYOUT: Layout;
}

/// Type of one field's value.
pub(crate) trait FieldValue {
    /// The meaning of the value.
    const MEANING: Meaning;
}

impl FieldValue for bool {
    const MEANING: Meaning = Meaning::Flag;
}

impl FieldValue for u8 {
    const MEANING: Meaning = Meaning::Number;
}

impl FieldValue for u16 {
    const MEANING: Meaning = Meaning::Number;
}

impl<T: UnsignedInteger + BuiltinInteger, const BITS: usize> FieldValue for UInt<T, BITS> {
    const MEANING: Meaning = Meaning::Number;
}

/// An encoding with reserved values.
impl<T: FieldValue> FieldValue for Option<T> {
    const MEANING: Meaning = T::MEANING;
}

/// The name of a field without the `r#` of a Rust keyword.
pub(crate) const fn plain_name(identifier: &'static str) -> &'static str {
    match identifier.as_bytes() {
        [b'r', b'#', ..] => identifier.split_at(2).1,
        _ => identifier,
    }
}

/// The value of an optional part of a macro's input.
pub(crate) const fn first<T: Copy>(given: &[T]) -> Option<T> {
    match given {
        [] => None,
        [one, ..] => Some(*one),
    }
}

/// Declares a bitbybit type and the list of its fields.
///
/// The attribute of bitbybit comes first, as it is: names that it makes up are looked up where it was written. Above
/// the type may stand `#[reset(value)]` (zero if absent) and `#[applies(condition)]` ([`Applies`]), above a field
/// `#[fixed(reason)]`
/// ([`Fixed`]).
macro_rules! fields {
    (
        $hash:tt $bitfield:tt
        $(#[doc = $doc:tt])+
        $(#[reset($reset:expr)])?
        $(#[applies($applies:ident)])?
        pub struct $type:ident {
            $(
                $(#[doc = $field_doc:tt])+
                $(#[bit($bit:tt, rw)])?
                $(#[bits($low:tt ..= $high:tt, rw)])?
                $(#[fixed($fixed:ident)])?
                $field:ident: $of:ident $(<$encoding:ident>)?,
            )+
        }
    ) => {
        $hash $bitfield
        $(#[doc = $doc])+
        #[derive(PartialEq, Eq)]
        pub struct $type {
            $(
                $(#[doc = $field_doc])+
                $(#[bit($bit, rw)])?
                $(#[bits($low ..= $high, rw)])?
                $field: $of $(<$encoding>)?,
            )+
        }

        impl $crate::spec::fields::FieldType for $type {
            const LAYOUT: $crate::spec::fields::Layout = $crate::spec::fields::Layout {
                name: stringify!($type),
                width: size_of::<$type>(),
                applies: match $crate::spec::fields::first(&[$($crate::spec::fields::Applies::$applies)?]) {
                    Some(applies) => applies,
                    None => $crate::spec::fields::Applies::Always,
                },
                fields: &[$(
                    $crate::spec::fields::Field {
                        name: $crate::spec::fields::plain_name(stringify!($field)),
                        low: $($bit)? $($low)?,
                        high: $($bit)? $($high)?,
                        meaning: <$of $(<$encoding>)? as $crate::spec::fields::FieldValue>::MEANING,
                        fixed: $crate::spec::fields::first(&[$($crate::spec::fields::Fixed::$fixed)?]),
                    },
                )+],
                reset: 0 $(| $reset.raw_value() as u64)?,
            };
        }
    };
}
pub(crate) use fields;

/// Declares a bitbybit enumeration and the list of its names.
macro_rules! encoding {
    (
        $(#[doc = $doc:tt])+
        #[bitenum($($options:tt)+)]
        pub enum $type:ident {
            $( $(#[doc = $name_doc:tt])+ $name:ident = $value:tt, )+
        }
    ) => {
        $(#[doc = $doc])+
        #[bitenum($($options)+)]
        #[derive(Debug, PartialEq, Eq)]
        pub enum $type {
            $( $(#[doc = $name_doc])+ $name = $value, )+
        }

        impl $crate::spec::fields::FieldValue for $type {
            const MEANING: $crate::spec::fields::Meaning =
                $crate::spec::fields::Meaning::Encoding(&[$(($value, stringify!($name)),)+]);
        }
    };
}
pub(crate) use encoding;

/// Lists the flags of a 32-bit bitflags type as fields; software can write those of `$writable`.
macro_rules! flags_as_fields {
    ($type:ident, writable $writable:expr) => {
        impl $crate::spec::fields::FieldType for $type {
            const LAYOUT: $crate::spec::fields::Layout = $crate::spec::fields::Layout {
                name: stringify!($type),
                width: 4,
                applies: $crate::spec::fields::Applies::Always,
                fields: {
                    const FLAGS: &[bitflags::Flag<$type>] = <$type as bitflags::Flags>::FLAGS;
                    const FIELDS: [$crate::spec::fields::Field; FLAGS.len()] = {
                        let mut fields = [$crate::spec::fields::Field::NONE; FLAGS.len()];
                        let mut i = 0;
                        while i < fields.len() {
                            let bits = FLAGS[i].value().bits();
                            let writable = $writable.bits() & bits != 0;
                            fields[i] = $crate::spec::fields::Field::flag(FLAGS[i].name(), bits, writable);
                            i += 1;
                        }
                        fields
                    };
                    &FIELDS
                },
                reset: 0,
            };
        }
    };
}
pub(crate) use flags_as_fields;
