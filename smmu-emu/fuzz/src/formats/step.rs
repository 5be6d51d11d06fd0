// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Steps of an input of `formats`.

use super::super::input::Input;
use super::tables::Format;

/// A step; pages, banks and streams are numbers.
pub enum Step {
    Access {
        stream: u8,
        page: u8,
        intent: u8,
        through_tbu: bool,
    },
    /// An address translation operation.
    Operation {
        bank: u8,
        page: u8,
        which: u8,
    },
    /// A page, if its table is there.
    Leaf {
        format: Format,
        page: u8,
        descriptor: u8,
        how: u8,
    },
    /// Descriptor that leads to four pages: none, their table, or one leaf.
    Above {
        format: Format,
        page: u8,
        descriptor: u8,
        how: u8,
    },
    Asid {
        bank: u8,
        asid: u8,
    },
    /// Another S2CR for a stream.
    Stream {
        stream: u8,
        choice: u8,
    },
    /// Another mask for a stream, under which it may meet its neighbour.
    Mask {
        stream: u8,
        choice: u8,
    },
    Toggle {
        bank: u8,
    },
}

/// The next step of an input.
pub fn next(input: &mut Input<'_>) -> Option<Step> {
    let (kind, byte) = (input.u8()?, input.u8()?);
    let (how, page, bank) = (kind >> 4, byte % 16, kind >> 4 & 7);
    let format = match byte >> 4 & 3 {
        0 => Format::Long,
        1 => Format::Short,
        _ => Format::Stage2,
    };
    Some(match kind & 15 {
        0..=6 => Step::Access {
            stream: bank % 6,
            page,
            intent: byte >> 4 & 3,
            through_tbu: byte & 0x40 != 0,
        },
        7 => Step::Operation {
            bank: 2 + bank % 4,
            page,
            which: byte >> 4 & 3,
        },
        8..=10 => Step::Leaf {
            format,
            page,
            descriptor: input.u8()?,
            how,
        },
        11 => Step::Above {
            format,
            page,
            descriptor: input.u8()?,
            how,
        },
        12 => Step::Asid {
            bank: 2 + bank % 4,
            asid: byte % 3,
        },
        13 => Step::Stream {
            stream: bank % 6,
            choice: byte,
        },
        14 => Step::Mask {
            stream: bank % 6,
            choice: byte,
        },
        _ => Step::Toggle { bank: bank % 6 },
    })
}
