// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::collections::BTreeMap;

use super::{I, Instruction, Kind, OPCODES, Target, Wanted, opcode};
use crate::devices::pl330::spec::Faults;
use crate::devices::pl330::testing::decoded;

/// First bytes, lengths and names after the other transcription of DDI 0424: Linux' `drivers/dma/pl330.c`, its `CMD_`
/// and `SZ_` constants and the bits that its `_emit_` functions add.
fn of_linux() -> BTreeMap<u8, (usize, String)> {
    /// Bits that are added, and what they add to the name.
    type Kinds = &'static [(u8, &'static str)];
    const NONE: Kinds = &[(0, "")];
    /// Neither, single, burst.
    const OPTIONAL: Kinds = &[(0, ""), (1, "S"), (1 << 1 | 1, "B")];
    /// `CMD_DMALDP` and `CMD_DMASTP` have bit 0 set.
    const PERIPHERAL: Kinds = &[(0, "S"), (1 << 1, "B")];
    /// Single, burst, by the peripheral.
    const WAIT: Kinds = &[(0, ""), (1 << 1, ""), (1, " periph")];
    let rows: &[(u8, usize, &str, &[u8], Kinds)] = &[
        (0x54, 3, "DMAADDH", &[0, 1 << 1], NONE),
        (0x5c, 3, "DMAADNH", &[0, 1 << 1], NONE),
        (0x00, 1, "DMAEND", &[0], NONE),
        (0x35, 2, "DMAFLUSHP", &[0], NONE),
        (0xa0, 6, "DMAGO", &[0, 1 << 1], NONE),
        (0x04, 1, "DMALD", &[0], OPTIONAL),
        (0x25, 2, "DMALDP", &[0], PERIPHERAL),
        (0x20, 2, "DMALP", &[0, 1 << 1], NONE),
        // A conditional one has bit 2 set: without it the byte is a DMASTP, below.
        (0x28, 2, "DMALPFE", &[0, 1 << 2], OPTIONAL),
        (0x28 | 1 << 4, 2, "DMALPEND", &[0, 1 << 2], OPTIONAL),
        (0x01, 1, "DMAKILL", &[0], NONE),
        (0xbc, 6, "DMAMOV", &[0], NONE),
        (0x18, 1, "DMANOP", &[0], NONE),
        (0x12, 1, "DMARMB", &[0], NONE),
        (0x34, 2, "DMASEV", &[0], NONE),
        (0x08, 1, "DMAST", &[0], OPTIONAL),
        (0x29, 2, "DMASTP", &[0], PERIPHERAL),
        (0x0c, 1, "DMASTZ", &[0], NONE),
        (0x36, 2, "DMAWFE", &[0], NONE),
        (0x30, 2, "DMAWFP", &[0], WAIT),
        (0x13, 1, "DMAWMB", &[0], NONE),
    ];
    let mut bytes = BTreeMap::new();
    for (code, length, name, operands, kinds) in rows {
        for operand in *operands {
            for (bits, kind) in *kinds {
                bytes.insert(code | operand | bits, (*length, format!("{name}{kind}")));
            }
        }
    }
    bytes
}

#[test]
fn first_bytes_are_those_of_linux() {
    let ours: BTreeMap<u8, (usize, String)> = (0..=255_u8)
        .filter_map(|byte| opcode(byte).map(|row| (byte, (row.length, row.name.to_owned()))))
        .collect();
    assert_eq!(ours, of_linux());
}

#[test]
fn no_byte_is_two_instructions() {
    for byte in 0..=255_u8 {
        let rows: Vec<_> = OPCODES.iter().filter(|row| byte & row.mask == row.code).collect();
        assert!(rows.len() <= 1, "{byte:#x}: {rows:?}");
    }
}

#[test]
fn operands() {
    let cases: &[(&[u8], Instruction)] = &[
        (&[0x54, 0x34, 0x12], I::Add(Target::Source, 0x1234)),
        (&[0x56, 0xff, 0xff], I::Add(Target::Destination, 0xffff)),
        (&[0x5c, 0xf0, 0xff], I::Add(Target::Source, 0xffff_fff0)),
        (&[0x5e, 0x00, 0x00], I::Add(Target::Destination, 0xffff_0000)),
        (&[0x00], I::End),
        (&[0x01], I::Kill),
        (&[0x35, 0x18], I::FlushPeripheral(3)),
        (
            &[0xa0, 0x07, 0x78, 0x56, 0x34, 0x12],
            I::Go {
                channel: 7,
                non_secure: false,
                address: 0x1234_5678,
            },
        ),
        (
            &[0xa2, 0x01, 0, 0, 0, 0x80],
            I::Go {
                channel: 1,
                non_secure: true,
                address: 0x8000_0000,
            },
        ),
        (&[0x04], I::Load(None)),
        (&[0x05], I::Load(Some(Kind::Single))),
        (&[0x07], I::Load(Some(Kind::Burst))),
        (&[0x25, 0xf8], I::LoadPeripheral(Kind::Single, 31)),
        (&[0x27, 0x00], I::LoadPeripheral(Kind::Burst, 0)),
        (&[0x20, 0xff], I::Loop(0, 255)),
        (&[0x22, 0x00], I::Loop(1, 0)),
        (
            &[0x38, 9],
            I::LoopEnd {
                counter: Some(0),
                condition: None,
                jump: 9,
            },
        ),
        (
            &[0x3d, 9],
            I::LoopEnd {
                counter: Some(1),
                condition: Some(Kind::Single),
                jump: 9,
            },
        ),
        (
            &[0x3b, 9],
            I::LoopEnd {
                counter: Some(0),
                condition: Some(Kind::Burst),
                jump: 9,
            },
        ),
        (
            &[0x28, 9],
            I::LoopEnd {
                counter: None,
                condition: None,
                jump: 9,
            },
        ),
        (
            &[0x2f, 9],
            I::LoopEnd {
                counter: None,
                condition: Some(Kind::Burst),
                jump: 9,
            },
        ),
        (&[0xbc, 0, 1, 2, 3, 4], I::Move(Target::Source, 0x0403_0201)),
        (&[0xbc, 1, 1, 2, 3, 4], I::Move(Target::Control, 0x0403_0201)),
        (&[0xbc, 2, 1, 2, 3, 4], I::Move(Target::Destination, 0x0403_0201)),
        (&[0x18], I::Nop),
        (&[0x12], I::Barrier),
        (&[0x13], I::Barrier),
        (&[0x34, 0x08], I::SendEvent(1)),
        (&[0x08], I::Store(None)),
        (&[0x09], I::Store(Some(Kind::Single))),
        (&[0x0b], I::Store(Some(Kind::Burst))),
        (&[0x29, 0x08], I::StorePeripheral(Kind::Single, 1)),
        (&[0x2b, 0x08], I::StorePeripheral(Kind::Burst, 1)),
        (&[0x0c], I::StoreZero),
        (
            &[0x36, 0x28],
            I::WaitForEvent {
                event: 5,
                invalidate: false,
            },
        ),
        (
            &[0x36, 0x2a],
            I::WaitForEvent {
                event: 5,
                invalidate: true,
            },
        ),
        (&[0x30, 0x08], I::WaitForPeripheral(Wanted::Kind(Kind::Single), 1)),
        (&[0x32, 0x08], I::WaitForPeripheral(Wanted::Kind(Kind::Burst), 1)),
        (&[0x31, 0x08], I::WaitForPeripheral(Wanted::Periph, 1)),
    ];
    for (bytes, expected) in cases {
        assert_eq!(decoded(bytes), Ok(*expected), "{bytes:02x?}");
        assert_eq!(
            opcode(bytes[0]).expect("an opcode").length,
            bytes.len(),
            "{bytes:02x?}"
        );
    }
}

#[test]
fn reserved_operands() {
    let cases: &[&[u8]] = &[
        &[0x34, 1],
        &[0x35, 4],
        &[0x25, 2],
        &[0x2b, 1],
        &[0x31, 7],
        &[0x36, 1],
        &[0x36, 4],
        &[0xa0, 8],
        &[0xbc, 3],
    ];
    for bytes in cases {
        assert_eq!(decoded(bytes), Err(Faults::OPERAND_INVALID), "{bytes:02x?}");
    }
    for byte in [0x02, 0x06, 0x0a, 0x33, 0x3a, 0xff] {
        assert_eq!(decoded(&[byte]), Err(Faults::UNDEF_INSTR), "{byte:#x}");
    }
}
