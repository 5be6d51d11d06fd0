// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The register order of Linux 7.3's arm-smmu, replayed without a guest: probe, reset, attach, TLB maintenance,
//! `iova_to_phys`, a fault, detach, suspend and resume, shutdown.

use smmu_emu::testing::fields::{cba2r, cbar, s2cr, scr0, sctlr, tcr2};
use smmu_emu::testing::{Bench, Gr0, Tables};
use smmu_emu::{AccessKind, Intent, Line, Response, Transaction, Translation};

const S2CR: u64 = 0xc00;

/// Waits as `__arm_smmu_tlb_sync` does.
fn sync_global(bench: &mut Bench) {
    bench.w("sTLBGSYNC", 0xffff_ffff);
    assert!(
        (0..10).any(|_| bench.r("sTLBGSTATUS") & 1 == 0),
        "TLB sync timed out"
    );
}

/// `arm_smmu_device_reset`.
fn device_reset(bench: &mut Bench, groups: u64, banks: u64, mmu_500: bool) {
    let faults = bench.r("sGFSR");
    bench.w("sGFSR", faults);
    for group in 0..groups {
        bench.w(("S2CRn", group), s2cr::KIND(2));
        bench.w(("SMRn", group), 0);
    }
    for bank in 0..banks {
        bench.w(("CBn_SCTLR", bank), 0);
        bench.w(("CBn_FSR", bank), 0xc000_01fe);
    }
    bench.w("TLBIALLH", 0xffff_ffff);
    bench.w("TLBIALLNSNH", 0xffff_ffff);
    let mut scr0 = bench.r("sCR0");
    if mmu_500 {
        // arm_mmu500_reset: unlock ACTLR, then switch prefetching off and check that it is.
        assert!(bench.r("IDR7") >> 4 & 0xf >= 2);
        let acr = bench.r("sACR");
        bench.w("sACR", acr & !(1 << 26) | 1 << 8 | 1 << 10);
        assert_eq!(bench.r("sACR") & (1 << 8 | 1 << 10), 1 << 8 | 1 << 10);
        for bank in 0..banks {
            let actlr = bench.r(("CBn_ACTLR", bank));
            bench.w(("CBn_ACTLR", bank), actlr & !2);
            assert_eq!(
                bench.r(("CBn_ACTLR", bank)) & 2,
                0,
                "Failed to disable prefetcher"
            );
        }
    }
    sync_global(bench);
    // GFRE, GFIE, GCFGFRE, GCFGFIE, VMIDPNE, PTM, USFCFG on; CLIENTPD, FB, BSU off.
    scr0 |= 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 11 | 1 << 12 | 1 << 10;
    scr0 &= !(1 | 1 << 13 | 3 << 14);
    bench.w("sCR0", scr0);
}

/// `arm_smmu_device_probe`: returns groups, banks, and the masks of stream IDs.
fn probe(bench: &mut Bench, mmu_500: bool) -> (u64, u64, u32, u32) {
    let idr0 = bench.r("IDR0");
    let idr1 = bench.r("IDR1");
    let _idr2 = bench.r("IDR2");
    assert_eq!(idr0 >> 31, 0, "SES is not for Non-secure software");
    let (groups, banks) = (u64::from(idr0 & 0xff), u64::from(idr1 & 0xff));
    let page_shift = if idr1 >> 31 == 1 { 16 } else { 12 };
    let pages = 1_u64 << ((idr1 >> 28 & 7) + 1);
    assert_eq!(
        (2 * pages) << page_shift,
        bench.smmu.geometry().register_space(),
        "SMMU address space size"
    );
    // arm_smmu_rmr_install_bypass_smr.
    let scr0 = bench.r("sCR0");
    assert_eq!(scr0 & 1, 1, "CLIENTPD out of reset");
    bench.w("sCR0", scr0 | 1);
    device_reset(bench, groups, banks, mmu_500);
    // arm_smmu_test_smr_masks.
    let id_mask = (1 << (idr0 >> 9 & 0xf)) - 1;
    bench.w(("SMRn", 0), id_mask);
    let stream_ids = bench.r(("SMRn", 0));
    bench.w(("SMRn", 0), stream_ids << 16);
    let masks = bench.r(("SMRn", 0)) >> 16;
    (groups, banks, stream_ids, masks)
}

/// `arm_smmu_write_context_bank` for an AArch64 stage 1 domain, then the stream.
fn attach(bench: &mut Bench, tables: &Tables, bank: u32, group: u64, stream: u32) {
    let index = bank;
    let bank = u64::from(bank);
    // probe_device comes first: S2CR faults, then the group is made valid.
    bench.w(("S2CRn", group), s2cr::KIND(2));
    bench.w(("SMRn", group), 1 << 31 | stream);
    bench.w(("CBA2Rn", bank), cba2r::VA64);
    bench.w(
        ("CBARn", bank),
        cbar::KIND(1) | cbar::MEMATTR(15) | cbar::BPSHCFG(3),
    );
    bench.w(("CBn_TCR2", bank), tcr2::SEP(7) | tcr2::AS | tcr2::PASIZE(5));
    bench.w(("CBn_TCR", bank), tables.tcr());
    bench.w64(("CBn_TTBR0", bank), tables.root() | bank << 48);
    bench.w64(("CBn_TTBR1", bank), bank << 48);
    bench.w(("CBn_MAIR0", bank), 0xf404_ff44);
    bench.w(("CBn_MAIR1", bank), 0);
    bench.w(
        ("CBn_SCTLR", bank),
        sctlr::ASIDPNE | sctlr::CFIE | sctlr::CFRE | sctlr::AFE | sctlr::TRE | sctlr::M,
    );
    bench.w(("S2CRn", group), index);
}

/// `arm_smmu_tlb_sync_context`.
fn sync_context(bench: &mut Bench, bank: u64) {
    bench.w(("CBn_TLBSYNC", bank), 0xffff_ffff);
    assert!(
        (0..10).any(|_| bench.r(("CBn_TLBSTATUS", bank)) & 1 == 0),
        "TLB sync timed out"
    );
}

#[test]
fn probe_of_mmu_500() {
    let mut bench = Bench::new("preset = \"mmu-500\"\ntlb = \"strict-stale\"");
    assert_eq!(probe(&mut bench, true), (48, 16, 0x7fff, 0x7fff));
    // The driver's value with what MMU-500 fixes: SMCFCFG reads 1, GCFGFIE and GCFGFRE read 0.
    assert_eq!(bench.r("sCR0"), 0x0020_1c06);
    assert!(bench.host.line_calls.is_empty(), "a probe raises no interrupt");
}

#[test]
fn probe_of_a_generic_smmu_with_64k_pages() {
    let mut bench = Bench::new(
        "preset = \"smmuv2-generic\"\npage_size = \"64k\"\ncontext_banks = 20\nstream_id_bits = 8\n\
         stream_match_groups = 8",
    );
    assert_eq!(probe(&mut bench, false), (8, 20, 0xff, 0xff));
    assert_eq!(bench.r("sCR0"), 0x1c36);
    // Behaviour 14: with 64 KiB pages every page moves.
    assert_eq!(bench.offset(("CBARn", 0)), 0x1_0000);
    assert_eq!(bench.offset(("CBn_SCTLR", 0)), 32 * 0x1_0000);
}

#[test]
fn life_of_a_domain() {
    let mut bench = Bench::new("preset = \"mmu-500-ats\"\ntlb = \"strict-stale\"");
    let (groups, banks, ..) = probe(&mut bench, true);
    let mut tables = Tables::of_bits(&bench.host.memory, 12, 48);
    tables.map(&bench.host.memory, 0x4000_0000, 0x8_1234_5000, 3, Tables::USER_RW);
    attach(&mut bench, &tables, 2, 5, 0x42);

    // A transfer, and the driver's question where it went.
    let write = Intent {
        write: true,
        ..Intent::default()
    };
    let transfer = Transaction {
        stream_id: 0x42,
        address: 0x4000_0010,
        intent: write,
    };
    let expected = Translation {
        address: 0x8_1234_5010,
        length: 0xff0,
        attributes: 0x44,
        bank: Some(2),
    };
    assert_eq!(bench.transact(transfer), Response::Proceed(expected));
    bench.w64(("CBn_ATS1PR", 2), 0x4000_0000);
    assert_eq!(bench.r(("CBn_ATSR", 2)) & 1, 0);
    assert_eq!(bench.r64(("CBn_PAR", 2)) & 0xff_ffff_f001, 0x8_1234_5000);

    // Unmap: TLBIVAL, TLBSYNC.
    tables.unmap(&bench.host.memory, 0x4000_0000);
    bench.w64(("CBn_TLBIVAL", 2), 0x4_0000 | 2 << 48);
    sync_context(&mut bench, 2);

    // arm_smmu_context_fault: a level, read, written back, gone.
    assert_eq!(bench.transact(transfer), Response::Abort);
    assert!(bench.host.line(Line::Context(2)));
    assert_eq!(bench.r(("CBn_FSR", 2)), 0x402);
    assert_eq!(bench.r64(("CBn_FAR", 2)), 0x4000_0010);
    assert_eq!(bench.r(("CBn_FSYNR0", 2)), 0x13, "WNR, level 3");
    assert_eq!(bench.r(("CBFRSYNRAn", 2)), 0x42);
    bench.w(("CBn_FSR", 2), 0x402);
    assert_eq!(bench.r(("CBn_FSR", 2)), 0x400);
    assert!(!bench.host.line(Line::Context(2)));

    // Detach: the bank off first, then its TLB entries (behaviour 46), then the stream faults.
    bench.w(("CBn_SCTLR", 2), 0);
    bench.w(("CBn_TLBIASID", 2), 2);
    sync_context(&mut bench, 2);
    bench.w(Gr0(S2CR + 20), 0x0002_0000);
    assert_eq!(bench.transact(transfer), Response::Abort);
    assert_eq!(
        bench.r("sGFSR"),
        1,
        "behaviour 61: a known stream in a fault entry is ICF"
    );
    assert!(bench.host.line(Line::Global));

    // Behaviour 59: suspend loses the state, also what the TLB knows; resume replays the reset and the driver writes
    // the domain again.
    bench.smmu.reset(&mut bench.host);
    assert!(!bench.host.line(Line::Global), "reset lowers the line");
    device_reset(&mut bench, groups, banks, true);
    tables.map(&bench.host.memory, 0x4000_0000, 0x8_1234_5000, 3, Tables::USER_RW);
    attach(&mut bench, &tables, 2, 5, 0x42);
    assert_eq!(bench.transact(transfer), Response::Proceed(expected));

    // Shutdown: CLIENTPD, and everything bypasses.
    bench.w("sCR0", scr0::CLIENTPD);
    let bypass = Translation {
        address: 0x4000_0010,
        length: (1 << 48) - 0x4000_0010,
        attributes: 0,
        bank: None,
    };
    assert_eq!(bench.transact(transfer), Response::Proceed(bypass));
}

#[test]
fn probe_reads_and_writes_these_registers_in_this_order() {
    let mut bench = Bench::new("preset = \"mmu-500\"\ncontext_banks = 2\nstream_match_groups = 2");
    probe(&mut bench, true);
    let lines = bench.host.accesses.iter().map(|access| {
        let kind = if access.kind == AccessKind::Read { 'R' } else { 'W' };
        format!(
            "{kind} {}[{}] {:#010x}\n",
            access.name, access.index, access.value
        )
    });
    insta::assert_snapshot!(lines.collect::<String>());
}
