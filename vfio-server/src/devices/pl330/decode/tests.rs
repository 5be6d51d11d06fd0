// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::{I, Instruction, Kind, OPCODES, Target, Wanted, opcode};
use crate::devices::pl330::spec::Faults;
use crate::devices::pl330::testing::decoded;

#[test]
fn every_first_byte() {
    let names: Vec<String> = (0..=255_u8)
        .filter_map(|byte| opcode(byte).map(|row| format!("{byte:02x} {} {}", row.length, row.name)))
        .collect();
    insta::assert_snapshot!(names.join("\n"), @"
    00 1 DMAEND
    01 1 DMAKILL
    04 1 DMALD
    05 1 DMALDS
    07 1 DMALDB
    08 1 DMAST
    09 1 DMASTS
    0b 1 DMASTB
    0c 1 DMASTZ
    12 1 DMARMB
    13 1 DMAWMB
    18 1 DMANOP
    20 2 DMALP
    22 2 DMALP
    25 2 DMALDPS
    27 2 DMALDPB
    28 2 DMALPFE
    29 2 DMASTPS
    2b 2 DMASTPB
    2c 2 DMALPFE
    2d 2 DMALPFES
    2f 2 DMALPFEB
    30 2 DMAWFP
    31 2 DMAWFP periph
    32 2 DMAWFP
    34 2 DMASEV
    35 2 DMAFLUSHP
    36 2 DMAWFE
    38 2 DMALPEND
    39 2 DMALPENDS
    3b 2 DMALPENDB
    3c 2 DMALPEND
    3d 2 DMALPENDS
    3f 2 DMALPENDB
    54 3 DMAADDH
    56 3 DMAADDH
    5c 3 DMAADNH
    5e 3 DMAADNH
    a0 6 DMAGO
    a2 6 DMAGO
    bc 6 DMAMOV
    ");
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
