// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Address translation operations on hand-built tables, and through them the walk.

use smmu_emu::testing::fields::{cba2r, cbar, s2cr, sctlr, smr, tcr2};
use smmu_emu::testing::{Bench, Cb, Tables};
use smmu_emu::{Intent, Response, Transaction};

pub const PR: u64 = 0x800;
const PW: u64 = 0x808;
const UR: u64 = 0x810;
const UW: u64 = 0x818;
const GENERIC: &str = "preset = \"smmuv2-generic\"";
pub const AF: u64 = 1 << 10;
const USER: u64 = 1 << 6;
pub const READ_ONLY: u64 = 1 << 7;
pub const TF: u64 = 1 << 1;
const AFF: u64 = 1 << 2;
pub const PF: u64 = 1 << 3;
pub const EF: u64 = 1 << 4;
pub const ASF: u64 = 1 << 7;

/// Bank 1: AArch64, stage 1, on, over tables of a granule.
pub fn bench(granule: u32, bits: u32) -> (Bench, Tables) {
    let mut bench = Bench::new(GENERIC);
    let tables = Tables::of_bits(&bench.host.memory, granule, bits);
    bench.w(("CBn_MAIR0", 1), 0xf404_ff44);
    bench.w(("CBn_MAIR1", 1), 0x0000_00bb);
    bench.stage1(1, &tables, 0x77, sctlr::M);
    (bench, tables)
}

/// Asks and returns PAR.
pub fn ask(bench: &mut Bench, operation: u64, va: u64) -> u64 {
    bench.w64(Cb(1, operation), va);
    assert_eq!(bench.r(("CBn_ATSR", 1)), 0, "done within the write");
    assert_eq!(bench.r(("CBn_FSR", 1)), 0x400, "FSR never changes");
    bench.r64(("CBn_PAR", 1))
}

/// PAR of a fault of an AArch64 bank.
pub fn fault(bit: u64, level: u64) -> u64 {
    level << 32 | 2 << 8 | bit | 1
}

/// The address of a successful PAR.
pub fn address(par: u64) -> u64 {
    assert_eq!(par & 1, 0, "PAR = {par:#x}");
    par & 0x0000_ffff_ffff_f000
}

#[test]
fn pages_and_blocks_of_every_granule() {
    for (granule, block_levels) in [(12, vec![1, 2]), (14, vec![2]), (16, vec![2])] {
        for bits in [25, 30, 32, 36, 39, 40, 42, 47, 48] {
            let (mut bench, mut tables) = bench(granule, bits);
            let first = tables.first_level();
            for level in block_levels
                .iter()
                .copied()
                .filter(|&level| level >= first)
                .chain([3])
            {
                let size = 1_u64 << tables.shift(level);
                let va = ((1 << bits) - size) & (0x5555_5555_5555_5555 << tables.shift(level));
                let pa = 0x0aaa_aaaa_aaaa_0000 & 0x7fff_ffff_ffff & !(size - 1);
                tables.map(&bench.host.memory, va, pa, level, AF | USER);
                let inside = 0x1_2345_6789 & (size - 1) & !0xfff;
                assert_eq!(
                    address(ask(&mut bench, PR, va + inside)),
                    pa + inside,
                    "granule {granule}, {bits} bits, level {level}"
                );
            }
        }
    }
}

#[test]
fn par_of_a_success() {
    let (mut bench, mut tables) = bench(12, 48);
    // AttrIndx 4 is Normal write-back here, shareability inner.
    tables.map(
        &bench.host.memory,
        0x7000,
        0xabcd_e123_4000,
        3,
        AF | 3 << 8 | 4 << 2,
    );
    assert_eq!(
        ask(&mut bench, PR, 0x7fff),
        0xbb00_abcd_e123_4980,
        "ATTR, PA, bit 11, SH; behaviour 55: bits 47:40 too"
    );
    // Device (AttrIndx 2 is 0x04) and Non-cacheable (AttrIndx 0 is 0x44) memory is outer shareable.
    tables.map(&bench.host.memory, 0x8000, 0x1000, 3, AF | 3 << 8 | 2 << 2);
    assert_eq!(ask(&mut bench, PR, 0x8000), 0x0400_0000_0000_1900);
    tables.map(&bench.host.memory, 0x9000, 0x1000, 3, AF);
    assert_eq!(ask(&mut bench, PR, 0x9000), 0x4400_0000_0000_1900);
}

#[test]
fn holes_fault_at_their_level() {
    // Behaviour 34.
    let (mut bench, mut tables) = bench(12, 48);
    assert_eq!(ask(&mut bench, PR, 0), fault(TF, 0));
    for level in 1..=3 {
        tables.entry(&bench.host.memory, 0, level);
        assert_eq!(ask(&mut bench, PR, 0), fault(TF, level.into()));
    }
    tables.map(&bench.host.memory, 0, 0, 3, AF);
    assert_eq!(
        address(ask(&mut bench, PR, 0)),
        0,
        "physical address 0 is a success"
    );
}

#[test]
fn blocks_where_the_format_has_none() {
    for (granule, levels) in [(12, vec![0]), (14, vec![0, 1]), (16, vec![1])] {
        for level in levels {
            let (mut bench, mut tables) = bench(granule, 48);
            tables.map(&bench.host.memory, 0, 0, level, AF);
            assert_eq!(
                ask(&mut bench, PR, 0),
                fault(TF, level.into()),
                "granule {granule}, level {level}"
            );
        }
    }
    // At level 3 a block descriptor is reserved.
    let (mut bench, mut tables) = bench(12, 48);
    let entry = tables.entry(&bench.host.memory, 0, 3);
    bench.host.memory.set(entry, AF | 1);
    assert_eq!(ask(&mut bench, PR, 0), fault(TF, 3));
}

#[test]
fn permissions() {
    let (mut bench, mut tables) = bench(12, 48);
    for (attributes, allowed) in [
        (AF, [true, true, false, false]),
        (AF | USER, [true, true, true, true]),
        (AF | READ_ONLY, [true, false, false, false]),
        (AF | USER | READ_ONLY, [true, false, true, false]),
    ] {
        tables.map(&bench.host.memory, 0x1000, 0x5000, 3, attributes);
        for (operation, allowed) in [PR, PW, UR, UW].into_iter().zip(allowed) {
            let par = ask(&mut bench, operation, 0x1000);
            let expected = if allowed { 0x5000 } else { fault(PF, 3) };
            let seen = if par & 1 == 0 { address(par) } else { par };
            assert_eq!(seen, expected, "{attributes:#x}, operation {operation:#x}");
        }
    }
}

#[test]
fn tables_take_permissions_away() {
    const READ_ONLY_TABLE: u64 = 1 << 62;
    const PRIVILEGED_TABLE: u64 = 1 << 61;
    let (mut bench, mut tables) = bench(12, 48);
    tables.map(&bench.host.memory, 0x1000, 0x5000, 3, AF | USER);
    for level in 0..3 {
        let entry = tables.entry(&bench.host.memory, 0x1000, level);
        let below = tables.entry(&bench.host.memory, 0x1000, level + 1) & !0xfff;
        for (limit, allowed) in [
            (READ_ONLY_TABLE, [true, false, true, false]),
            (PRIVILEGED_TABLE, [true, true, false, false]),
        ] {
            bench.host.memory.set(entry, below | 3 | limit);
            for (operation, allowed) in [PR, PW, UR, UW].into_iter().zip(allowed) {
                let par = ask(&mut bench, operation, 0x1000);
                assert_eq!(
                    par & 1 == 0,
                    allowed,
                    "level {level}, {limit:#x}, operation {operation:#x}"
                );
                assert!(allowed || par == fault(PF, 3), "the final level is reported");
            }
        }
        bench.host.memory.set(entry, below | 3);
    }
}

#[test]
fn instruction_fetches() {
    const UXN: u64 = 1 << 54;
    const PXN: u64 = 1 << 53;
    const WXN: u32 = 1 << 9;
    let (mut bench, mut tables) = bench(12, 48);
    bench.w(("S2CRn", 0), s2cr::CBNDX(1));
    bench.w(("SMRn", 0), smr::VALID);
    bench.w("sCR0", 0);
    let mut fetches = |attributes: u64, sctlr: u32| {
        tables.map(&bench.host.memory, 0x1000, 0x5000, 3, attributes);
        bench.w(("CBn_SCTLR", 1), 1 | sctlr);
        [true, false].map(|privileged| {
            bench.w(("CBn_FSR", 1), u32::MAX);
            let intent = Intent {
                privileged,
                write: false,
                instruction: true,
            };
            let response = bench.transact(Transaction {
                stream_id: 0,
                address: 0x1000,
                intent,
            });
            matches!(response, Response::Proceed(_))
        })
    };
    assert_eq!(fetches(AF | USER | READ_ONLY, 0), [true, true]);
    assert_eq!(fetches(AF | USER | READ_ONLY | UXN, 0), [true, false]);
    assert_eq!(fetches(AF | USER | READ_ONLY | PXN, 0), [false, true]);
    assert_eq!(
        fetches(AF | USER, 0),
        [false, true],
        "user-writable is never privileged code"
    );
    assert_eq!(
        fetches(AF, 0),
        [true, true],
        "UXN alone keeps unprivileged code out"
    );
    assert_eq!(fetches(AF | UXN, 0), [true, false]);
    assert_eq!(fetches(AF | USER, WXN), [false, false]);
    assert_eq!(
        fetches(AF, WXN),
        [false, true],
        "what the unprivileged cannot write"
    );
}

#[test]
fn access_flag() {
    // Behaviour 52.
    let (mut bench, mut tables) = bench(12, 48);
    tables.map(&bench.host.memory, 0x1000, 0x5000, 3, USER | READ_ONLY);
    assert_eq!(
        ask(&mut bench, PW, 0x1000),
        fault(AFF, 3),
        "before the permission fault"
    );
    bench.w(("CBn_SCTLR", 1), sctlr::AFFD | sctlr::M);
    assert_eq!(ask(&mut bench, PW, 0x1000), fault(PF, 3), "AFFD");
    assert_eq!(address(ask(&mut bench, PR, 0x1000)), 0x5000);
    // The contiguous hint changes nothing.
    tables.map(&bench.host.memory, 0x1000, 0x5000, 3, AF | 1 << 52);
    assert_eq!(address(ask(&mut bench, PR, 0x1000)), 0x5000);
}

#[test]
fn output_size() {
    let (mut bench, mut tables) = bench(12, 48);
    tables.map(&bench.host.memory, 0x1000, 1 << 40, 3, 0);
    for (size, bits) in [(0, 32), (1, 36), (2, 40), (3, 42), (4, 44), (5, 48), (7, 48)] {
        bench.w(("CBn_TCR2", 1), 0x0003_8000 | size);
        let expected = if bits <= 40 { fault(ASF, 3) } else { fault(AFF, 3) };
        assert_eq!(
            ask(&mut bench, PR, 0x1000),
            expected,
            "PASize {size}; address size comes before the access flag"
        );
    }
    // A table, and TTBR.
    bench.w(("CBn_TCR2", 1), tcr2::SEP(7));
    let entry = tables.entry(&bench.host.memory, 0, 1);
    bench.host.memory.set(entry, 1 << 33 | 3);
    assert_eq!(ask(&mut bench, PR, 0), fault(ASF, 1));
    bench.w64(("CBn_TTBR0", 1), 1 << 32);
    assert_eq!(ask(&mut bench, PR, 0), fault(ASF, 0));
}

#[test]
fn implemented_output_size_limits_the_register() {
    let mut bench = Bench::new("preset = \"smmuv2-generic\"\naddress_bits = 36");
    bench.w(("CBARn", 1), cbar::KIND(1));
    bench.w(("CBA2Rn", 1), cba2r::VA64);
    bench.w(("CBn_TCR2", 1), tcr2::SEP(7) | tcr2::PASIZE(5));
    bench.w64(("CBn_TTBR0", 1), 1 << 36);
    bench.w(("CBn_TCR", 1), 16);
    bench.w(("CBn_SCTLR", 1), sctlr::M);
    assert_eq!(ask(&mut bench, PR, 0), fault(ASF, 0));
}

#[test]
fn sizes_of_the_input() {
    for (t0sz, valid) in [
        (15, false),
        (16, true),
        (25, true),
        (39, true),
        (40, false),
        (63, false),
    ] {
        let (mut bench, tables) = bench(12, 48);
        bench.w(("CBn_TCR", 1), tables.tcr() & !0x3f | t0sz);
        let expected_reads = u32::from(valid);
        assert_eq!(ask(&mut bench, PR, 0) & 0x3ff, fault(TF, 0) & 0x3ff);
        assert_eq!(bench.host.memory.reads(), expected_reads, "T0SZ {t0sz}");
    }
    // An address above the half.
    let (mut bench, mut tables) = bench(12, 39);
    tables.map(&bench.host.memory, 0, 0x5000, 3, AF);
    for bit in 39..64 {
        assert_eq!(ask(&mut bench, PR, 1 << bit), fault(TF, 0), "bit {bit}");
    }
    assert_eq!(bench.host.memory.reads(), 0);
}

/// Behaviour 49: TG1 has an encoding of its own.
#[test]
fn upper_half_and_disabled_walks() {
    let (mut bench, mut lower) = bench(12, 39);
    lower.map(&bench.host.memory, 0x1000, 0x5000, 3, AF);
    let mut upper = Tables::of_bits_at(&bench.host.memory, 16, 42, 0xa000_0000);
    let high = 0xffff_ffff_ffff_0000;
    upper.map(&bench.host.memory, high, 0x7_0000, 3, AF);
    bench.w64(("CBn_TTBR1", 1), 0xa000_0000);
    // TG1 = 3 is 64 KiB: the encodings differ from TG0's.
    bench.w(("CBn_TCR", 1), 3 << 30 | (64 - 42) << 16 | (64 - 39));
    assert_eq!(address(ask(&mut bench, PR, high | 0x2000)), 0x7_2000);
    assert_eq!(address(ask(&mut bench, PR, 0x1000)), 0x5000);
    let tcr = bench.r(("CBn_TCR", 1));
    bench.w(("CBn_TCR", 1), tcr | 1 << 23);
    assert_eq!(ask(&mut bench, PR, high), fault(TF, 0), "EPD1");
    assert_eq!(address(ask(&mut bench, PR, 0x1000)), 0x5000);
    bench.w(("CBn_TCR", 1), tcr | 1 << 7);
    assert_eq!(ask(&mut bench, PR, 0x1000), fault(TF, 0), "EPD0");
    assert_eq!(address(ask(&mut bench, PR, high)), 0x7_0000);
}

#[test]
fn top_byte() {
    let (mut bench, mut tables) = bench(12, 39);
    tables.map(&bench.host.memory, 0x1000, 0x5000, 3, AF);
    let tagged = 0xab00_0000_0000_1000;
    assert_eq!(ask(&mut bench, PR, tagged), fault(TF, 0));
    bench.w(
        ("CBn_TCR2", 1),
        tcr2::SEP(7) | tcr2::TBI0 | tcr2::AS | tcr2::PASIZE(5),
    );
    assert_eq!(address(ask(&mut bench, PR, tagged)), 0x5000, "TBI0");
    assert_eq!(
        ask(&mut bench, PR, 0x0040_0000_0000_1000),
        fault(TF, 0),
        "bit 54 still counts"
    );
    // The other half has a bit of its own; bit 55 chooses the half.
    bench.w64(("CBn_TTBR1", 1), tables.root());
    bench.w(("CBn_TCR", 1), 2 << 30 | (64 - 39) << 16 | (64 - 39));
    let tagged = 0xabff_ff80_0000_1000;
    assert_eq!(ask(&mut bench, PR, tagged), fault(TF, 0));
    bench.w(
        ("CBn_TCR2", 1),
        tcr2::SEP(7) | tcr2::TBI1 | tcr2::AS | tcr2::PASIZE(5),
    );
    assert_eq!(address(ask(&mut bench, PR, tagged)), 0x5000, "TBI1");
}

#[test]
fn sign_extension_is_for_transactions() {
    // Behaviour 16: bit 48 of the bus address is the sign; ATS addresses are complete.
    let (mut bench, _) = bench(12, 48);
    bench.w(("S2CRn", 0), s2cr::CBNDX(1));
    bench.w(("SMRn", 0), smr::VALID);
    bench.w("sCR0", 0);
    let mut upper = Tables::of_bits_at(&bench.host.memory, 12, 48, 0xa000_0000);
    upper.map(&bench.host.memory, 0xffff_0000_0000_1000, 0x9000, 3, AF | USER);
    bench.w64(("CBn_TTBR1", 1), 0xa000_0000);
    bench.w(("CBn_TCR", 1), 2 << 30 | 16 << 16 | 16);
    let transaction = Transaction {
        stream_id: 0,
        address: 0x1_0000_0000_1000,
        ..Transaction::default()
    };
    let proceeds = |response: Response| match response {
        Response::Proceed(translation) => Some(translation.address),
        _ => None,
    };
    assert_eq!(proceeds(bench.transact(transaction)), Some(0x9000));
    let wider = Transaction {
        address: transaction.address | 3 << 49,
        ..transaction
    };
    assert_eq!(
        proceeds(bench.transact(wider)),
        Some(0x9000),
        "the bus has 49 bits"
    );
    assert_eq!(ask(&mut bench, PR, 0x1_0000_0000_1000), fault(TF, 0));
    assert_eq!(address(ask(&mut bench, PR, 0xffff_0000_0000_1000)), 0x9000);
    // Behaviours 34 and 36: with EPD1, as Linux sets it, that is a fault at level 0 and not address 0.
    bench.w(("CBn_TCR", 1), 2 << 30 | 1 << 23 | 16 << 16 | 16);
    assert_eq!(proceeds(bench.transact(transaction)), None);
    assert_eq!(
        (
            bench.r(("CBn_FSR", 1)),
            bench.r(("CBn_FSYNR0", 1)),
            bench.r64(("CBn_FAR", 1))
        ),
        (0x402, 0, 0x1_0000_0000_1000),
        "FAR is not extended"
    );
    // SEP below the bus: bits above it have to be zero.
    bench.w(("CBn_FSR", 1), 2);
    bench.w(("CBn_TCR", 1), 2 << 30 | 16 << 16 | 16);
    bench.w(("CBn_TCR2", 1), tcr2::PASIZE(5));
    upper.map(&bench.host.memory, 0xffff_ffff_8000_0000, 0xb000, 3, AF | USER);
    assert_eq!(
        proceeds(bench.transact(Transaction {
            address: 0x8000_0000,
            ..transaction
        })),
        Some(0xb000)
    );
    assert_eq!(
        proceeds(bench.transact(Transaction {
            address: 0x1_8000_0000,
            ..transaction
        })),
        None
    );
}
