// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Short descriptors.

use super::{Machine, READ, WRITE, fault};
use crate::arch::fault::ContextCause::{AccessFlag, AddressSize, ExternalOnWalk, Permission, Translation};
use crate::spec::cb::Cb;

const AFE: u64 = 1 << 2;
/// AP = 0b011: everyone reads and writes, of a section.
const FULL: u32 = 3 << 10;

/// Bank 1: AArch32 stage 1, short.
fn short(tcr: u64) -> Machine {
    let mut machine = Machine::new("");
    machine.bank(1, 1 << 16 | 0xf300, 0);
    machine.set(1, Cb::Tcr, tcr);
    machine.set(1, Cb::Ttbr0, 0x10_0000);
    machine.set(1, Cb::Ttbr1, 0x20_0000);
    machine
}

#[test]
fn every_kind_of_leaf() {
    let machine = short(0);
    // A section, a supersection with 40 bits, then a table with a large and a small page.
    machine
        .ram
        .set32(0x10_0000 + 4 * 0x123, 0xabc0_0002 | FULL | 1 << 17);
    for index in 0x230..0x240 {
        machine.ram.set32(
            0x10_0000 + 4 * index,
            0xcd00_0002 | FULL | 1 << 18 | 0x9 << 20 | 0x8 << 5,
        );
    }
    machine.ram.set32(0x10_0000 + 4 * 0x345, 0x30_0401);
    for index in 0x40..0x50 {
        machine.ram.set32(0x30_0400 + 4 * index, 0x7654_0001 | 3 << 4);
    }
    machine
        .ram
        .set32(0x30_0400 + 4 * 0x51, 0x8765_4002 | 3 << 4 | 1 << 11);
    for (input, output, size, level, global) in [
        (0x1235_4321, 0xabc5_4321, 20, 1, false),
        (0x2345_6789, 0x89_cd45_6789, 24, 1, true),
        (0x3454_8abc, 0x7654_8abc, 16, 2, true),
        (0x3455_1def, 0x8765_4def, 12, 2, false),
    ] {
        let leaf = machine.look(1, input, WRITE).expect("mapped");
        assert_eq!(
            (leaf.address, leaf.size, leaf.level, leaf.global),
            (output, 1 << size, level, global)
        );
    }
    assert_eq!(
        machine.at(1, 0x3455_2000),
        Err(fault(Translation, 2)),
        "behaviour 34"
    );
    assert_eq!(machine.at(1, 0x4000_0000), Err(fault(Translation, 1)));
    assert_eq!(machine.at(1, 1 << 32), Err(fault(Translation, 1)), "behaviour 53");
    machine.ram.kill(0x30_0000);
    assert_eq!(machine.at(1, 0x3455_1000), Err(fault(ExternalOnWalk, 2)));
    machine.ram.kill(0x10_0000);
    assert_eq!(machine.at(1, 0), Err(fault(ExternalOnWalk, 1)));
}

/// TTBCR.N, PD0 and PD1; Linux' wider value (behaviour 48).
#[test]
fn halves() {
    for n in 0..8_u64 {
        let limit = 1_u64 << (32 - n);
        for (tcr, pd0, pd1) in [
            (n, false, false),
            (n | 0x10, true, false),
            (n | 0x20, false, true),
            (n | 0x8, false, false),
        ] {
            let mut machine = short(tcr);
            // TTBR0's table shrinks, and with it its alignment.
            machine.set(1, Cb::Ttbr0, 0x10_0000 + (0x4000 >> n) + 0x7f);
            let root = 0x10_0000 + (0x4000 >> n);
            let last = (limit - 1) >> 20;
            machine.ram.set32(root + 4 * last, 0x0aa0_0002 | FULL);
            let expected = if pd0 {
                Err(fault(Translation, 1))
            } else {
                Ok(0x0aa0_0000)
            };
            assert_eq!(machine.at(1, last << 20), expected, "{tcr:#x}");
            if n > 0 {
                machine.ram.set32(0x20_0000 + 4 * (last + 1), 0x0bb0_0002 | FULL);
                let expected = if pd1 {
                    Err(fault(Translation, 1))
                } else {
                    Ok(0x0bb0_0000)
                };
                assert_eq!(machine.at(1, limit), expected, "{tcr:#x}");
            }
        }
    }
}

/// Behaviour 52: with AFE AP\[0\] is the access flag, unless AFFD.
#[test]
fn access_flag() {
    let mut machine = short(0);
    machine.ram.set32(0x10_0000, 0x0550_0002 | 2 << 10);
    machine.set(1, Cb::Sctlr, 1 | AFE);
    assert_eq!(machine.at(1, 0), Err(fault(AccessFlag, 1)));
    machine.set(1, Cb::Sctlr, 1 | AFE | 1 << 3);
    assert_eq!(machine.at(1, 0), Ok(0x0550_0000), "AFFD");
    machine.set(1, Cb::Sctlr, 1);
    assert_eq!(
        machine.at(1, 0),
        Ok(0x0550_0000),
        "without AFE it is a permission"
    );
    machine.ram.set32(0x10_0000, 0x0550_0002);
    assert_eq!(machine.look(1, 0, READ), Err(fault(Permission, 1)));
}

#[test]
fn output_size_and_big_endian_tables() {
    let mut machine = Machine::new("address_bits = 36");
    machine.bank(1, 1 << 16, 0);
    machine.ram.set32(0, 0x0000_0002 | FULL | 1 << 18 | 1 << 5);
    assert_eq!(
        machine.at(1, 0),
        Err(fault(AddressSize, 1)),
        "bit 36 of a supersection"
    );
    machine.set(1, Cb::Sctlr, 1 | 1 << 4);
    machine.ram.set32(0, (0x0550_0002 | FULL).swap_bytes());
    assert_eq!(machine.at(1, 0x1234), Ok(0x0550_1234), "behaviour 63");
}
