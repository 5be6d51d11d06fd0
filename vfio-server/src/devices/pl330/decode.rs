// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Instructions from bytes (DDI 0424 §4).

use super::spec::Faults;

/// Bytes of the longest instruction.
pub const MAX_LENGTH: usize = 6;

/// Single or burst: the kind of a peripheral's request, and the condition of an instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// One beat.
    #[default]
    Single,
    /// A burst.
    Burst,
}

/// Request that DMAWFP waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A request of either kind, which counts as the named one; a single request is not enough for a burst.
    Kind(Kind),
    /// A request of either kind, which counts as what it is.
    Periph,
}

/// A register that DMAMOV and the additions change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `SARn`.
    Source,
    /// `CCRn`.
    Control,
    /// `DARn`.
    Destination,
}

/// An instruction. `None` as a condition is always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// DMAADDH, DMAADNH: adds to an address; the half-word is extended with zeros or ones.
    Add(Target, u32),
    /// DMAEND.
    End,
    /// DMAFLUSHP.
    FlushPeripheral(u8),
    /// DMAGO.
    Go {
        /// The channel to start.
        channel: u8,
        /// It is to be Non-secure.
        non_secure: bool,
        /// Address of its program.
        address: u32,
    },
    /// DMAKILL.
    Kill,
    /// DMALD, DMALDS, DMALDB.
    Load(Option<Kind>),
    /// DMALDPS, DMALDPB.
    LoadPeripheral(Kind, u8),
    /// DMALP: the loop counter and its value, iterations less one.
    Loop(usize, u8),
    /// DMALPEND, DMALPFE.
    LoopEnd {
        /// The loop counter; none for a loop without end.
        counter: Option<usize>,
        /// Condition of the jump.
        condition: Option<Kind>,
        /// Length of the jump back, in bytes.
        jump: u8,
    },
    /// DMAMOV.
    Move(Target, u32),
    /// DMANOP.
    Nop,
    /// DMARMB, DMAWMB.
    Barrier,
    /// DMASEV.
    SendEvent(u8),
    /// DMAST, DMASTS, DMASTB.
    Store(Option<Kind>),
    /// DMASTPS, DMASTPB.
    StorePeripheral(Kind, u8),
    /// DMASTZ.
    StoreZero,
    /// DMAWFE.
    WaitForEvent {
        /// The event.
        event: u8,
        /// The instruction cache is to be invalidated.
        invalidate: bool,
    },
    /// DMAWFP.
    WaitForPeripheral(Wanted, u8),
}

/// The bytes of an instruction; those after its length are zero.
pub type Bytes = [u8; MAX_LENGTH];

/// Row of the opcode table.
#[derive(Clone, Copy, Debug)]
pub struct Opcode {
    /// The manual's name.
    pub name: &'static str,
    /// The opcode, but for operands in it.
    pub code: u8,
    /// The bits of the opcode that are no operands.
    pub mask: u8,
    /// Bytes of the instruction.
    pub length: usize,
    /// The operands; `None` if one is reserved.
    make: fn(&Bytes) -> Option<Instruction>,
}

const fn row(
    name: &'static str,
    code: u8,
    mask: u8,
    length: usize,
    make: fn(&Bytes) -> Option<Instruction>,
) -> Opcode {
    Opcode {
        name,
        code,
        mask,
        length,
        make,
    }
}

use Instruction as I;
use Kind::{Burst, Single};

/// The opcodes. No byte is matched by two rows.
pub const OPCODES: [Opcode; 32] = [
    row("DMAEND", 0x00, 0xff, 1, |_| Some(I::End)),
    row("DMAKILL", 0x01, 0xff, 1, |_| Some(I::Kill)),
    row("DMALD", 0x04, 0xff, 1, |_| Some(I::Load(None))),
    row("DMALDS", 0x05, 0xff, 1, |_| Some(I::Load(Some(Single)))),
    row("DMALDB", 0x07, 0xff, 1, |_| Some(I::Load(Some(Burst)))),
    row("DMAST", 0x08, 0xff, 1, |_| Some(I::Store(None))),
    row("DMASTS", 0x09, 0xff, 1, |_| Some(I::Store(Some(Single)))),
    row("DMASTB", 0x0b, 0xff, 1, |_| Some(I::Store(Some(Burst)))),
    row("DMASTZ", 0x0c, 0xff, 1, |_| Some(I::StoreZero)),
    row("DMARMB", 0x12, 0xff, 1, |_| Some(I::Barrier)),
    row("DMAWMB", 0x13, 0xff, 1, |_| Some(I::Barrier)),
    row("DMANOP", 0x18, 0xff, 1, |_| Some(I::Nop)),
    row("DMALP", 0x20, 0xfd, 2, |b| {
        Some(I::Loop(usize::from(b[0] >> 1 & 1), b[1]))
    }),
    row("DMALDPS", 0x25, 0xff, 2, |b| {
        Some(I::LoadPeripheral(Single, upper(b)?))
    }),
    row("DMALDPB", 0x27, 0xff, 2, |b| {
        Some(I::LoadPeripheral(Burst, upper(b)?))
    }),
    row("DMALPFE", 0x28, 0xfb, 2, |b| Some(loop_end(b, None, None))),
    row("DMASTPS", 0x29, 0xff, 2, |b| {
        Some(I::StorePeripheral(Single, upper(b)?))
    }),
    row("DMASTPB", 0x2b, 0xff, 2, |b| {
        Some(I::StorePeripheral(Burst, upper(b)?))
    }),
    row("DMALPFES", 0x2d, 0xff, 2, |b| {
        Some(loop_end(b, None, Some(Single)))
    }),
    row("DMALPFEB", 0x2f, 0xff, 2, |b| {
        Some(loop_end(b, None, Some(Burst)))
    }),
    row("DMAWFP periph", 0x31, 0xff, 2, |b| {
        Some(I::WaitForPeripheral(Wanted::Periph, upper(b)?))
    }),
    row("DMAWFP", 0x30, 0xfd, 2, |b| {
        let kind = if b[0] & 2 == 0 { Single } else { Burst };
        Some(I::WaitForPeripheral(Wanted::Kind(kind), upper(b)?))
    }),
    row("DMASEV", 0x34, 0xff, 2, |b| Some(I::SendEvent(upper(b)?))),
    row("DMAFLUSHP", 0x35, 0xff, 2, |b| {
        Some(I::FlushPeripheral(upper(b)?))
    }),
    row("DMAWFE", 0x36, 0xff, 2, |b| {
        let invalidate = b[1] & 2 != 0;
        (b[1] & 5 == 0).then_some(I::WaitForEvent {
            event: b[1] >> 3,
            invalidate,
        })
    }),
    row("DMALPEND", 0x38, 0xfb, 2, |b| {
        Some(loop_end(b, Some(counter(b)), None))
    }),
    row("DMALPENDS", 0x39, 0xfb, 2, |b| {
        Some(loop_end(b, Some(counter(b)), Some(Single)))
    }),
    row("DMALPENDB", 0x3b, 0xfb, 2, |b| {
        Some(loop_end(b, Some(counter(b)), Some(Burst)))
    }),
    row("DMAADDH", 0x54, 0xfd, 3, |b| Some(I::Add(address(b), half(b)))),
    row("DMAADNH", 0x5c, 0xfd, 3, |b| {
        Some(I::Add(address(b), 0xffff_0000 | half(b)))
    }),
    row("DMAGO", 0xa0, 0xfd, MAX_LENGTH, |b| {
        let non_secure = b[0] & 2 != 0;
        (b[1] >> 3 == 0).then_some(I::Go {
            channel: b[1],
            non_secure,
            address: word(b),
        })
    }),
    row("DMAMOV", 0xbc, 0xff, MAX_LENGTH, |b| {
        let targets = [Target::Source, Target::Control, Target::Destination];
        Some(I::Move(*targets.get(usize::from(b[1]))?, word(b)))
    }),
];

/// A number of 5 bits above 3 that are zero.
fn upper(bytes: &Bytes) -> Option<u8> {
    (bytes[1] & 7 == 0).then_some(bytes[1] >> 3)
}

fn half(bytes: &Bytes) -> u32 {
    u16::from_le_bytes([bytes[1], bytes[2]]).into()
}

fn word(bytes: &Bytes) -> u32 {
    u32::from_le_bytes([bytes[2], bytes[3], bytes[4], bytes[5]])
}

fn address(bytes: &Bytes) -> Target {
    if bytes[0] & 2 == 0 {
        Target::Source
    } else {
        Target::Destination
    }
}

fn counter(bytes: &Bytes) -> usize {
    usize::from(bytes[0] >> 2 & 1)
}

fn loop_end(bytes: &Bytes, counter: Option<usize>, condition: Option<Kind>) -> Instruction {
    Instruction::LoopEnd {
        counter,
        condition,
        jump: bytes[1],
    }
}

/// The row of an opcode.
#[must_use]
pub fn opcode(byte: u8) -> Option<&'static Opcode> {
    OPCODES.iter().find(|row| byte & row.mask == row.code)
}

/// The instruction that begins with these bytes.
///
/// # Errors
/// The fault of the thread that executes it.
pub fn decode(bytes: &Bytes) -> Result<Instruction, Faults> {
    let row = opcode(bytes[0]).ok_or(Faults::UNDEF_INSTR)?;
    (row.make)(bytes).ok_or(Faults::OPERAND_INVALID)
}

#[cfg(test)]
mod tests;
