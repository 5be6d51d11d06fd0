// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! MMU-500 and its relatives: reset values and fixed fields of the part's register reference, what a driver stumbles
//! over.

use smmu_emu::testing::fields::{cba2r, cbar, fsynr0, gfsynr0, sctlr, tcr2};
use smmu_emu::testing::{Bench, Tables};
use smmu_emu::{Intent, Response, Transaction};

const MMU_500: &str = "preset = \"mmu-500\"";
const GENERIC: &str = "preset = \"smmuv2-generic\"";

/// Values out of reset, and with all ones and zeros written.
fn reset_ones_zeros(config: &str, register: &'static str, index: u64) -> [u32; 3] {
    let mut bench = Bench::new(config);
    let reset = bench.r((register, index));
    bench.w((register, index), u32::MAX);
    let ones = bench.r((register, index));
    bench.w((register, index), 0);
    [reset, ones, bench.r((register, index))]
}

/// ZynqMP's register reference.
#[test]
fn banks_are_as_in_the_register_reference() {
    let tbi = tcr2::TBI0 | tcr2::TBI1;
    for (config, scr, tcr2s) in [
        (
            MMU_500,
            [sctlr::HUPCF, !sctlr::ASIDPNE & 0x7fff_f7ff, 0],
            [tbi, 0x4003_c077, tbi],
        ),
        (GENERIC, [0, 0x7fff_f7ff, 0], [0, 0x4003_cf77, 0]),
    ] {
        let found = reset_ones_zeros(config, "CBn_SCTLR", 3);
        assert_eq!(found, scr, "SCTLR: {config}: {found:#x?}");
        let found = reset_ones_zeros(config, "CBn_TCR2", 3);
        assert_eq!(found, tcr2s, "TCR2: {config}: {found:#x?}");
    }
    // A bank of stage 2 has no TCR2.
    let stage2 = format!("{MMU_500}\nstage2_only_banks = 1");
    assert_eq!(reset_ones_zeros(&stage2, "CBn_TCR2", 0), [0; 3]);
}

/// Without address translation operations nothing says that one faulted.
#[test]
fn fault_records_have_no_operations_without_ats() {
    for (config, there) in [(MMU_500, false), ("preset = \"mmu-500-ats\"", true)] {
        let [_, record, _] = reset_ones_zeros(config, "CBn_FSYNR0", 0);
        assert_eq!(record & fsynr0::ATOF != 0, there, "{config}");
        let mut bench = Bench::new(config);
        bench.w("sGFSYNR0", u32::MAX);
        assert_eq!(bench.r("sGFSYNR0") & gfsynr0::ATS != 0, there, "{config}");
    }
}

/// PMCEID0 0x30303; the presets leave the six groups of four counters out.
#[test]
fn events_of_the_register_reference() {
    for (preset, events) in [("mmu-500", 0x0003_0303), ("smmuv2-generic", 0x0007_0703)] {
        let mut bench = Bench::new(&format!("preset = \"{preset}\"\npmu_groups = 6"));
        assert_eq!(bench.r("PMCEID0"), events, "{preset}");
        assert_eq!(bench.r("PMCFGR") & !(1 << 16), 0x0500_1f17, "{preset}");
    }
}

/// HoneyComb LX2160A: "Failed to disable prefetcher for errata workarounds, check SACR.CACHE_LOCK". `arm_mmu500_reset`
/// clears the Non-secure lock, and the Secure one is set.
#[test]
fn secure_software_locks_actlr_too() {
    let mut bench = Bench::new(&format!("{MMU_500}\nsecure_state = true"));
    bench.w("sACR", 0x0051c);
    bench.w(("CBn_ACTLR", 0), 1);
    assert_eq!(bench.r(("CBn_ACTLR", 0)), 3, "CPRE stays");
    bench.secure_w("sACR", 0);
    bench.w(("CBn_ACTLR", 0), 1);
    assert_eq!(bench.r(("CBn_ACTLR", 0)), 1);
    bench.w("sACR", 1 << 26);
    bench.w(("CBn_ACTLR", 0), 2);
    assert_eq!(bench.r(("CBn_ACTLR", 0)), 1, "both have to be clear");
}

/// `arm_smmu_write_context_bank` writes TCR2.AS before the TTBRs: without it ASID[15:8] is not there. It shows for the
/// ASIDs above 255 of Cavium's `id_base`.
#[test]
fn ttbr_has_the_upper_asid_with_as_alone() {
    const ASID: u64 = 0x1234 << 48;
    const BASE: u64 = 0x8000_0000;
    let mut bench = Bench::new(GENERIC);
    for (kind, va64, wide, kept) in [
        (1, cba2r::VA64, 0, 0x34 << 48),
        (1, cba2r::VA64, tcr2::AS, ASID),
        // AArch32, and stage 2: the bits are no ASID.
        (1, 0, 0, ASID),
        (0, cba2r::VA64, 0, ASID),
    ] {
        for ttbr in ["CBn_TTBR0", "CBn_TTBR1"] {
            bench.smmu.reset(&mut bench.host);
            bench.w(("CBARn", 5), cbar::KIND(kind));
            bench.w(("CBA2Rn", 5), va64);
            bench.w(("CBn_TCR2", 5), wide);
            bench.w64((ttbr, 5), ASID | BASE);
            // AS comes too late.
            bench.w(("CBn_TCR2", 5), tcr2::AS);
            assert_eq!(bench.r64((ttbr, 5)), kept | BASE, "{ttbr} {kind} {va64} {wide}");
        }
    }
}

/// A bank whose stage 1 faults at a page, twice.
fn two_faults(config: &str, bank: u64) -> (Bench, Response) {
    let mut bench = Bench::new(&format!("{GENERIC}\n{config}"));
    let mut tables = Tables::of_bits(&bench.host.memory, 12, 39);
    tables.map(&bench.host.memory, 0x1000, 0x5000, 3, Tables::USER_RW);
    bench.route(5, u32::try_from(bank).expect("small"));
    bench.stage1(
        bank,
        &tables,
        0,
        sctlr::CFIE | sctlr::CFRE | sctlr::CFCFG | sctlr::M,
    );
    bench.w("sCR0", 0);
    let write = |address| Transaction {
        stream_id: 5,
        address,
        intent: Intent {
            write: true,
            ..Intent::default()
        },
    };
    bench.transact(write(0x2000));
    let response = bench.transact(write(0x3000));
    (bench, response)
}

/// CN88xx: every fault of a storm is fsr=0x80000402, though Linux never sets HUPCF.
#[test]
fn hupcf_can_be_fixed() {
    let config = format!("{GENERIC}\nfixed_hupcf = true");
    let found = reset_ones_zeros(&config, "CBn_SCTLR", 3);
    assert_eq!(found, [sctlr::HUPCF, 0x7fff_f7ff & !sctlr::CFCFG, sctlr::HUPCF]);
    let (mut bench, response) = two_faults("fixed_hupcf = true", 7);
    assert_eq!(response, Response::Abort);
    assert_eq!(bench.r(("CBn_FSR", 7)), 0x8000_0402);
    let (mut bench, response) = two_faults("", 7);
    assert!(matches!(response, Response::Stall(_)), "{response:?}");
    assert_eq!(bench.r(("CBn_FSR", 7)), 0x4000_0402);
}

/// Real parts show other numbers than 0 nearly always, CN88xx that of the bank: fsynr=0x70091 in bank 7.
#[test]
fn s1cbndx_of_a_stage_1_bank() {
    for (config, expected) in [("", 0), ("s1cbndx = \"zero\"", 0), ("s1cbndx = \"bank\"", 7)] {
        let (mut bench, _) = two_faults(config, 7);
        let fsynr = bench.r(("CBn_FSYNR0", 7));
        assert_eq!(fsynr, fsynr0::S1CBNDX(expected) | 0x13, "{config}");
    }
    let seen = [0, 1, 7, 60, 127].map(|bank| {
        let (mut bench, _) = two_faults("s1cbndx = \"scattered\"\ncontext_banks = 128", bank);
        bench.r(("CBn_FSYNR0", bank)) >> 16 & 0xff
    });
    assert!(seen.iter().all(|&number| number != 0), "{seen:x?}");
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "{seen:x?}");
}
