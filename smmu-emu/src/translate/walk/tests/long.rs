// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Long descriptors: AArch32 stage 1, and stage 2 of both widths. AArch64 stage 1 is in `tests/behaviour/ats.rs`.

use super::{AF, Machine, READ, STAGE2, Tables, USER, VA64, WRITE, fault, fault2};
use crate::arch::fault::ContextCause::{AccessFlag, AddressSize, ExternalOnWalk, Permission, Translation};
use crate::spec::cb::Cb;

/// Bank 1: AArch32 stage 1, long.
fn lpae(tcr: u64) -> Machine {
    let mut machine = Machine::new("");
    machine.bank(1, 1 << 16 | 0xf300, 0);
    machine.set(1, Cb::Tcr, 1 << 31 | tcr);
    machine.set(1, Cb::Ttbr0, 0x10_0000);
    machine.set(1, Cb::Ttbr1, 0x90_0000);
    machine.set(1, Cb::Mair0, 0xff);
    machine
}

/// Behaviours 48 and 50: T0SZ and T1SZ have three bits, and a size of 0 means what is left.
#[test]
fn aarch32_halves() {
    const ALL: [u64; 6] = [0, 0x01ff_f000, 0x0200_0000, 0x7fff_f000, 0x8000_0000, 0xffff_f000];
    // T0SZ, T1SZ, EPD; which TTBR serves each address.
    for (tcr, ttbrs) in [
        (0, ["0", "0", "0", "0", "0", "0"]),
        (0x20, ["0", "0", "0", "0", "0", "0"]),
        (1, ["0", "0", "0", "0", "1", "1"]),
        (7, ["0", "0", "1", "1", "1", "1"]),
        (1 << 16, ["0", "0", "0", "0", "1", "1"]),
        (7 << 16, ["0", "0", "0", "0", "0", "1"]),
        (1 << 16 | 1, ["0", "0", "0", "0", "1", "1"]),
        (7 << 16 | 7, ["0", "0", "-", "-", "-", "1"]),
        (1 << 7 | 1, ["-", "-", "-", "-", "1", "1"]),
        (1 << 23 | 1, ["0", "0", "0", "0", "-", "-"]),
        (1 << 7, ["-", "-", "-", "-", "-", "-"]),
    ] {
        let machine = lpae(tcr);
        for (address, ttbr) in ALL.into_iter().zip(ttbrs) {
            let (t0sz, t1sz) = (tcr & 7, tcr >> 16 & 7);
            let size = if ttbr == "1" { t1sz } else { t0sz };
            // Sizes of 30 bits and less start at level 2.
            let first = if size >= 2 { 2 } else { 1 };
            let expected = match ttbr {
                "-" => fault(Translation, 1),
                _ => fault(Translation, first),
            };
            assert_eq!(machine.at(1, address), Err(expected), "{tcr:#x} {address:#x}");
            let root = if ttbr == "1" { 0x90_0000 } else { 0x10_0000 };
            machine.ram.clear();
            let mut tables = Tables::new(12, first, root);
            tables.map(&machine.ram, address & ((1 << (32 - size)) - 1), 0x5000, 3, AF);
            let expected = if ttbr == "-" { Err(expected) } else { Ok(0x5000) };
            assert_eq!(machine.at(1, address), expected, "{tcr:#x} {address:#x}");
            machine.ram.clear();
        }
        assert_eq!(machine.at(1, 1 << 32), Err(fault(Translation, 1)), "behaviour 53");
    }
}

/// Behaviour 34: the level of the descriptor.
#[test]
fn aarch32_levels_and_output() {
    let machine = lpae(0);
    let mut tables = Tables::new(12, 1, 0x10_0000);
    for (level, size) in [(1, 30), (2, 21), (3, 12)] {
        let input = u64::from(level) << 30;
        let at = tables.entry(&machine.ram, input, level);
        assert_eq!(machine.at(1, input), Err(fault(Translation, level)));
        tables.map(&machine.ram, input, 0xab_c000_0000, level, AF | USER | 1 << 11);
        let leaf = machine.look(1, input | 0x123, READ).expect("mapped");
        assert_eq!((leaf.address, leaf.size), (0xab_c000_0123, 1 << size));
        assert!(!leaf.global, "nG");
        tables.map(&machine.ram, input, 0, level, USER);
        assert_eq!(machine.at(1, input), Err(fault(AccessFlag, level)));
        // The output has 40 bits, and address size comes before the access flag.
        tables.map(&machine.ram, input, 1 << 40, level, 0);
        assert_eq!(machine.at(1, input), Err(fault(AddressSize, level)));
        machine.ram.kill(at);
        assert_eq!(machine.at(1, input), Err(fault(ExternalOnWalk, level)));
        machine.ram.revive();
    }
    let mut machine = lpae(0);
    machine.set(1, Cb::Ttbr0, 0xaa << 48 | 1 << 40);
    assert_eq!(
        machine.at(1, 0),
        Err(fault(AddressSize, 0)),
        "TTBR without its ASID"
    );
}

/// Behaviour 51: level and concatenation. The ranges are those of DDI 0487's tables of initial lookup levels.
#[test]
fn stage2_start_levels() {
    // TG0, log2 of the granule; for SL0 = 0, 1, 2: level, and the smallest and largest input.
    for (tg0, granule, levels) in [
        (0, 12, [(2, 22..=34), (1, 31..=43), (0, 40..=48)]),
        (2, 14, [(3, 15..=29), (2, 26..=40), (1, 37..=48)]),
        (1, 16, [(3, 17..=33), (2, 30..=46), (1, 43..=48)]),
    ] {
        for (sl0, (level, sizes)) in levels.into_iter().enumerate() {
            for bits in 25..=48 {
                let (mut machine, _) = Machine::stage2("");
                machine.set(2, Cb::Tcr, 5 << 16 | tg0 << 14 | (sl0 as u64) << 6 | (64 - bits));
                machine.set(2, Cb::Ttbr0, 0x80_0000);
                let top = (1 << bits) - 0x1_0000;
                let mut tables = Tables::new(granule, level, 0x80_0000);
                tables.map(&machine.ram, top, 0x5_0000, 3, STAGE2);
                let expected = if sizes.contains(&bits) {
                    Ok(0x5_0000)
                } else {
                    Err(fault2(Translation, 0, top, false))
                };
                assert_eq!(machine.at(2, top), expected, "{granule} SL0 {sl0} {bits}");
                if bits < 48 {
                    let beyond = 1 << bits;
                    assert_eq!(machine.at(2, beyond), Err(fault2(Translation, 0, beyond, false)));
                }
            }
        }
        for size in [15, 40] {
            let (mut machine, _) = Machine::stage2("");
            machine.set(2, Cb::Tcr, 5 << 16 | tg0 << 14 | 1 << 6 | size);
            assert_eq!(
                machine.at(2, 0),
                Err(fault2(Translation, 0, 0, false)),
                "T0SZ {size}"
            );
        }
    }
    let (mut machine, _) = Machine::stage2("");
    machine.set(2, Cb::Tcr, 5 << 16 | 3 << 6 | 24);
    assert_eq!(machine.at(2, 0), Err(fault2(Translation, 0, 0, false)), "SL0 = 3");
}

/// IDR2.IAS is no limit: a bank of stage 2 alone takes as many bits as T0SZ says.
#[test]
fn stage2_inputs_beyond_ias() {
    for input_bits in [32, 40, 48] {
        let mut machine = Machine::new(&format!("input_bits = {input_bits}"));
        machine.bank(2, 0, VA64);
        machine.set(2, Cb::Tcr, 5 << 16 | 2 << 6 | 16);
        machine.set(2, Cb::Ttbr0, 0x80_0000);
        let top = (1 << 48) - 0x1000;
        Tables::new(12, 0, 0x80_0000).map(&machine.ram, top, 0x5_0000, 3, STAGE2);
        assert_eq!(machine.at(2, top), Ok(0x5_0000), "{input_bits}");
    }
}

#[test]
fn small_outputs_have_no_high_start_level() {
    for (address_bits, tg0, bits, allowed) in [
        (42, 0, 42, false),
        (44, 0, 44, true),
        (40, 2, 40, false),
        (42, 2, 42, true),
        (42, 1, 43, false),
        (44, 1, 44, true),
    ] {
        let mut machine = Machine::new(&format!("address_bits = {address_bits}"));
        machine.bank(2, 0, VA64);
        machine.set(2, Cb::Tcr, 5 << 16 | tg0 << 14 | 2 << 6 | (64 - bits));
        assert!(machine.at(2, 0).is_err());
        assert_eq!(machine.ram.reads() > 0, allowed, "{address_bits} {tg0}");
    }
}

/// Behaviour 48: what Linux writes for 40 bits, 0x18, in a signed field of four bits, among fields that AArch32
/// ignores.
#[test]
fn stage2_of_aarch32() {
    for (t0sz, sl0, bits, level) in [
        (0x18, 1, 40, 1),
        (0x08, 1, 40, 1),
        (0x0f, 1, 33, 1),
        (0x00, 1, 32, 1),
        (0x01, 1, 31, 1),
        (0x00, 0, 32, 2),
        (0x07, 0, 25, 2),
    ] {
        let (mut machine, _) = Machine::stage2("");
        machine.bank(2, 0, 0);
        machine.set(2, Cb::Tcr, 1 << 31 | 2 << 16 | sl0 << 6 | t0sz);
        let mut tables = Tables::new(12, level, 0x80_0000);
        let top = (1 << bits) - 0x1000;
        assert_eq!(machine.at(2, top), Err(fault2(Translation, level, top, false)));
        tables.map(&machine.ram, top, 0xff_ffff_f000, 3, STAGE2);
        assert_eq!(machine.at(2, top), Ok(0xff_ffff_f000), "T0SZ {t0sz:#x}");
        let beyond = 1 << bits;
        assert_eq!(machine.at(2, beyond), Err(fault2(Translation, 1, beyond, false)));
        tables.map(&machine.ram, top, 1 << 40, 3, STAGE2);
        assert_eq!(machine.at(2, top), Err(fault2(AddressSize, 3, top, false)));
    }
    for (t0sz, sl0) in [(8, 0), (7, 1), (0, 2), (0, 3)] {
        let (mut machine, _) = Machine::stage2("");
        machine.bank(2, 0, 0);
        machine.set(2, Cb::Tcr, sl0 << 6 | t0sz);
        assert_eq!(
            machine.at(2, 0),
            Err(fault2(Translation, 1, 0, false)),
            "{t0sz} {sl0}"
        );
    }
}

#[test]
fn stage2_blocks_and_faults() {
    let (mut machine, mut tables) = Machine::stage2("");
    for (level, size) in [(1, 30), (2, 21), (3, 12)] {
        let input = u64::from(level) << 36;
        let at = tables.entry(&machine.ram, input, level);
        let expected = |cause| Err(fault2(cause, level, input, false));
        assert_eq!(machine.at(2, input), expected(Translation));
        tables.map(&machine.ram, input, 0xabcd << 30, level, STAGE2);
        let leaf = machine.look(2, input + 0x234, WRITE).expect("mapped");
        assert_eq!((leaf.address, leaf.size), ((0xabcd << 30) + 0x234, 1 << size));
        assert!(leaf.global);
        tables.map(&machine.ram, input, 0xabcd << 30, level, STAGE2 & !AF);
        assert_eq!(machine.at(2, input), expected(AccessFlag));
        tables.map(&machine.ram, input, 0, level, STAGE2 & !(1 << 7));
        assert_eq!(
            machine.look(2, input, WRITE).map(|leaf| leaf.address),
            expected(Permission)
        );
        // APTable and its like mean nothing in stage 2.
        if level > 1 {
            let above = tables.entry(&machine.ram, input, level - 1);
            machine.ram.set(above, machine.ram.get(above) | 0x1f << 59);
            assert_eq!(machine.at(2, input), Ok(0));
        }
        machine.ram.kill(at);
        assert_eq!(machine.at(2, input), expected(ExternalOnWalk));
        machine.ram.revive();
    }
    // PASize, TTBR, SCTLR.E, AFFD.
    tables.map(&machine.ram, 0, 1 << 44, 3, STAGE2);
    machine.set(2, Cb::Tcr, 4 << 16 | 1 << 6 | 24);
    assert_eq!(machine.at(2, 0), Err(fault2(AddressSize, 3, 0, false)));
    machine.set(2, Cb::Ttbr0, 1 << 44);
    assert_eq!(machine.at(2, 0), Err(fault2(AddressSize, 0, 0, false)));
    machine.set(2, Cb::Ttbr0, 0x700_0000);
    machine.set(2, Cb::Sctlr, 1 | 1 << 4 | 1 << 3);
    machine
        .ram
        .set(0x700_0000, (0x5_4000_0000 | 3 << 6 | 1_u64).swap_bytes());
    assert_eq!(machine.at(2, 0x1234), Ok(0x5_4000_1234), "behaviour 63");
}

/// Behaviour 53: SCTLR.M = 0.
#[test]
fn translation_off() {
    for (cbar, cba2r, address, expected) in [
        (1 << 16, VA64, 0xffff_ffff_f000, Ok(())),
        (1 << 16, VA64, 1 << 48, Err(fault(AddressSize, 0))),
        (1 << 16, 0, 0xffff_f000, Ok(())),
        (1 << 16, 0, 1 << 32, Err(fault(Translation, 1))),
        (0, VA64, 0xffff_ffff_f000, Ok(())),
        (0, VA64, 1 << 48, Err(fault2(AddressSize, 0, 1 << 48, false))),
        (0, 0, 0xff_ffff_f000, Ok(())),
        (0, 0, 1 << 40, Err(fault2(AddressSize, 0, 1 << 40, false))),
    ] {
        let mut machine = Machine::new("");
        machine.bank(2, cbar, cba2r);
        machine.set(2, Cb::Sctlr, 0);
        let expected = expected.map(|()| address);
        assert_eq!(machine.at(2, address), expected, "{cbar:#x} {cba2r} {address:#x}");
        assert_eq!(machine.ram.reads(), 0);
    }
}

/// CBAR.HYPC: TTBR0 alone, and no addresses above it.
#[test]
fn hypervisor_contexts_have_one_half() {
    let (mut machine, mut tables) = Machine::stage1("");
    machine.bank(1, 1 << 16 | 1 << 10 | 0xf300, VA64);
    machine.set(1, Cb::Ttbr1, 0x10_0000);
    // EPD0, EPD1 and T1SZ have no meaning.
    machine.set(1, Cb::Tcr, 2 << 30 | 16 << 16 | 1 << 7 | 16);
    tables.map(&machine.ram, 0x1000, 0x5000, 3, AF | 1 << 11);
    assert_eq!(machine.at(1, 0x1000), Ok(0x5000));
    assert!(machine.look(1, 0x1000, READ).expect("mapped").global, "no ASID");
    assert_eq!(machine.at(1, 0xffff_0000_0000_1000), Err(fault(Translation, 0)));
    machine.bank(1, 1 << 16 | 1 << 10 | 0xf300, 0);
    machine.set(1, Cb::Tcr, 1 << 31 | 1 << 16 | 1 << 7 | 1);
    let mut tables = Tables::new(12, 1, 0x10_0000);
    machine.ram.clear();
    tables.map(&machine.ram, 0x1000, 0x5000, 3, AF);
    assert_eq!(machine.at(1, 0x1000), Ok(0x5000));
    assert_eq!(machine.at(1, 0x8000_1000), Err(fault(Translation, 1)));
}
