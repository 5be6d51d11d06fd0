// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Address translation operations: what triggers them, where they are, and walks of unusual banks and tables.

use smmu_emu::Transaction;
use smmu_emu::testing::fields::{cba2r, cbar, s2cr, sctlr, smr, tcr2};
use smmu_emu::testing::{Bench, Cb, Gr0, Tables};

use crate::ats::{AF, ASF, EF, PF, PR, READ_ONLY, TF, address, ask, bench, fault};

#[test]
fn big_endian_tables() {
    // Behaviour 63.
    let (mut bench, mut tables) = bench(12, 39);
    let map = |entry: u64, value: u64| bench.host.memory.set(entry, value.swap_bytes());
    let root = tables.root();
    map(root, (root + 0x1000) | 3);
    map(root + 0x1000, (root + 0x2000) | 3);
    map(root + 0x2000 + 8, 0x5000 | AF | 3);
    bench.w(("CBn_SCTLR", 1), sctlr::E | sctlr::M);
    assert_eq!(address(ask(&mut bench, PR, 0x1000)), 0x5000);
    bench.w(("CBn_SCTLR", 1), sctlr::M);
    assert_ne!(ask(&mut bench, PR, 0x1000) & 1, 0);
    tables.map(&bench.host.memory, 0x2000, 0x6000, 3, AF);
    assert_eq!(
        bench.r(("CBn_SCTLR", 1)),
        1,
        "registers are little-endian throughout"
    );
}

#[test]
fn walks_that_memory_does_not_answer() {
    let (mut bench, mut tables) = bench(12, 48);
    let entry = tables.entry(&bench.host.memory, 0, 2);
    bench.host.memory.set(entry, 0xdead_0000 | 3);
    assert_eq!(ask(&mut bench, PR, 0), fault(EF, 3));
    bench.w64(("CBn_TTBR0", 1), 0xdead_0000);
    assert_eq!(ask(&mut bench, PR, 0), fault(EF, 0));
}

#[test]
fn translation_off() {
    // Behaviour 53.
    let mut bench = Bench::new("preset = \"smmuv2-generic\"\naddress_bits = 40");
    bench.w(("CBARn", 1), cbar::KIND(1));
    bench.w(("CBA2Rn", 1), cba2r::VA64);
    assert_eq!(address(ask(&mut bench, PR, 0xff_ffff_f000)), 0xff_ffff_f000);
    assert_eq!(ask(&mut bench, PR, 1 << 40), fault(ASF, 0));
    // Behaviour 40: AArch32 has 32 bits of input, whatever else; an operation cannot ask for more.
    bench.w(("CBA2Rn", 1), 0);
    bench.w64(Cb(1, PR), 1 << 32 | 0x1000);
    assert_eq!(
        address(bench.r64(("CBn_PAR", 1))),
        0x1000,
        "the upper half is ignored"
    );
    bench.w(("S2CRn", 0), s2cr::CBNDX(1));
    bench.w(("SMRn", 0), smr::VALID);
    bench.w("sCR0", 0);
    bench.transact(Transaction {
        stream_id: 0,
        address: 1 << 32,
        ..Transaction::default()
    });
    assert_eq!(
        (bench.r(("CBn_FSR", 1)), bench.r(("CBn_FSYNR0", 1))),
        (0x2, 1),
        "TF at level 1"
    );
}

#[test]
fn low_half_triggers_and_upper_half_does_not() {
    // Behaviour 40.
    let (mut bench, mut tables) = bench(12, 48);
    tables.map(&bench.host.memory, 0x4000_1000, 0x5000, 3, AF);
    bench.w64(("CBn_PAR", 1), 0xabc);
    bench.w(Cb(1, PR + 4), 0x4000_1000);
    assert_eq!(bench.r64(("CBn_PAR", 1)), 0xabc);
    bench.w(Cb(1, PR), 0x4000_1000);
    assert_eq!(address(bench.r64(("CBn_PAR", 1))), 0x5000);
}

#[test]
fn a_recorded_fault_does_not_block() {
    let (mut bench, mut tables) = bench(12, 48);
    tables.map(&bench.host.memory, 0x1000, 0x5000, 3, AF);
    bench.w(("CBn_FSRRESTORE", 1), 2);
    bench.w64(Cb(1, PR), 0x1000);
    assert_eq!(address(bench.r64(("CBn_PAR", 1))), 0x5000);
    assert_eq!(bench.r(("CBn_FSR", 1)), 0x402);
}

#[test]
fn not_there_without_the_feature() {
    // Behaviour 17.
    let mut bench = Bench::new("preset = \"mmu-500\"");
    bench.w(("CBARn", 1), cbar::KIND(1));
    bench.w(("CBA2Rn", 1), cba2r::VA64);
    bench.w64(("CBn_PAR", 1), u64::MAX);
    bench.w64(Cb(1, PR), 0x1000);
    bench.w64("GPAR", u64::MAX);
    bench.w64("GATS1PR", 0x1001);
    assert_eq!(
        (
            bench.r64(("CBn_PAR", 1)),
            bench.r(("CBn_ATSR", 1)),
            bench.r64("GPAR")
        ),
        (0, 0, 0)
    );
}

#[test]
fn global_operations() {
    let (mut bench, mut tables) = bench(12, 48);
    tables.map(&bench.host.memory, 0x1000, 0x5000, 3, AF | READ_ONLY);
    for (offset, allowed) in [(0x100, false), (0x108, false), (0x110, true), (0x118, false)] {
        for both_stages in [0, 0x20] {
            bench.w64(Gr0(offset + both_stages), 0x1000 | 1);
            let gpar = bench.r64("GPAR");
            assert_eq!(bench.r("GATSR"), 0);
            assert_eq!(
                if allowed { address(gpar) } else { gpar },
                if allowed { 0x5000 } else { fault(PF, 3) }
            );
        }
    }
    // A bank that does not exist, or has stage 2 only, is UCBF and not ICF.
    bench.w(("CBARn", 2), 0);
    for bank in [2, 16, 255] {
        bench.w64("GATS1PR", 0x1000 | bank);
        assert_eq!(bench.r64("GPAR"), 0x4000_0001, "bank {bank}");
    }
    assert_eq!(bench.r("sGFSR"), 0, "never in sGFSR");
}

#[test]
fn granules_that_are_not_implemented() {
    // Behaviour 49: one is picked, and nothing panics. MMU-500 has no 16 KiB.
    let mut bench = Bench::new("preset = \"mmu-500-ats\"");
    let mut tables = Tables::of_bits(&bench.host.memory, 12, 39);
    tables.map(&bench.host.memory, 0x1000, 0x5000, 3, AF);
    bench.w(("CBARn", 1), cbar::KIND(1));
    bench.w(("CBA2Rn", 1), cba2r::VA64);
    bench.w(("CBn_TCR2", 1), tcr2::SEP(7) | tcr2::AS | tcr2::PASIZE(5));
    bench.w64(("CBn_TTBR0", 1), tables.root());
    bench.w(("CBn_SCTLR", 1), sctlr::M);
    for tg0 in [0, 2, 3] {
        bench.w(("CBn_TCR", 1), 1 << 23 | tg0 << 14 | (64 - 39));
        assert_eq!(
            address(ask(&mut bench, PR, 0x1000)),
            0x5000,
            "TG0 = {tg0} is read as 4 KiB"
        );
    }
    bench.w(("CBn_TCR", 1), 1 << 23 | 1 << 14 | (64 - 39));
    assert_eq!(ask(&mut bench, PR, 0x1000) & 1, 1, "64 KiB is implemented");
}

#[test]
fn first_table_is_as_large_as_the_input_needs() {
    // 25 bits leave 4 for level 2: 16 entries, aligned to 128 bytes; what TTBR holds below does not count.
    let (mut bench, mut tables) = bench(12, 25);
    let entry = tables.entry(&bench.host.memory, 0x1e0_0000, 3);
    bench.host.memory.set(entry, 0x5000 | AF | 3);
    let table = entry & !0xfff;
    bench.host.memory.set(0x9900_0080 + 15 * 8, table | 3);
    bench.w64(("CBn_TTBR0", 1), 0x9900_0080 | 0x7f | 0x77 << 48);
    assert_eq!(address(ask(&mut bench, PR, 0x1e0_0000)), 0x5000);
    assert_eq!(ask(&mut bench, PR, 0x1c0_0000), fault(TF, 2));
}

#[test]
fn address_bits_that_a_descriptor_does_not_use() {
    let (mut bench, mut tables) = bench(16, 48);
    tables.map(&bench.host.memory, 0, 0x4_0000_0000 | 0x1fff_f000, 2, AF);
    assert_eq!(
        address(ask(&mut bench, PR, 0)),
        0x4_0000_0000,
        "a block of 512 MiB"
    );
    tables.map(&bench.host.memory, 0x8000_0000, 0x5_0000 | 0xf000, 3, AF);
    assert_eq!(
        address(ask(&mut bench, PR, 0x8000_3000)),
        0x5_3000,
        "a page of 64 KiB"
    );
    let entry = tables.entry(&bench.host.memory, 0x8000_0000, 2);
    let table = tables.entry(&bench.host.memory, 0x8000_0000, 3) & !0xffff;
    bench.host.memory.set(entry, table | 0xf000 | 3);
    assert_eq!(
        address(ask(&mut bench, PR, 0x8000_3000)),
        0x5_3000,
        "a table of 64 KiB"
    );
}
