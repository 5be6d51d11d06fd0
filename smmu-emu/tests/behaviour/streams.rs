// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Stream matching: which transactions are translated, pass, or fault.

use smmu_emu::fault::{Fault, GlobalCause};
use smmu_emu::testing::fields::{cba2r, cbar, s2cr, scr0, smr};
use smmu_emu::testing::{Bench, Gr0, Page};
use smmu_emu::{Intent, Response, Transaction};

pub const SMR: u64 = 0x800;
pub const S2CR: u64 = 0xc00;
pub const USFCFG: u32 = 1 << 10;
const SMCFCFG: u32 = 1 << 21;

/// Fate of a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    Bypass,
    Bank(u8),
    Fault(GlobalCause, bool),
}
use Fate::{Bank, Bypass, Fault as Faults};

pub fn fate(bench: &Bench, stream_id: u16) -> Fate {
    let transaction = Transaction {
        stream_id,
        address: 0x1000,
        ..Transaction::default()
    };
    match bench.smmu.translate(&bench.host, &transaction) {
        Ok(translation) => translation.bank.map_or(Bypass, Bank),
        Err(Fault::Global(fault)) => Faults(fault.cause, fault.nested),
        Err(other) => panic!("{other:?}"),
    }
}

/// Banks are AArch64 stage 1 and off, so that whatever reaches one passes.
pub fn bench(config: &str, scr0: u32) -> Bench {
    let mut bench = Bench::new(config);
    for bank in 0..16 {
        bench.w(("CBARn", bank), cbar::KIND(1));
        bench.w(("CBA2Rn", bank), cba2r::VA64);
    }
    bench.w("sCR0", scr0);
    bench
}

pub fn group(bench: &mut Bench, n: u64, id: u32, mask: u32, s2cr: u32) {
    // Behaviour 3: S2CR first, as Linux does.
    bench.w(("S2CRn", n), s2cr);
    bench.w(("SMRn", n), 1 << 31 | mask << 16 | id);
}

const GENERIC: &str = "preset = \"smmuv2-generic\"";

#[test]
fn nothing_faults_while_clients_are_disabled() {
    // Behaviour 7: out of reset, and with every fault enabled.
    let mut reset = Bench::new(GENERIC);
    assert_eq!((reset.r("sCR0") & 1, fate(&reset, 5)), (1, Bypass));
    let mut bench = bench(GENERIC, 1 | USFCFG | SMCFCFG);
    group(&mut bench, 0, 5, 0, 2 << 16);
    assert_eq!(fate(&bench, 5), Bypass);
    assert_eq!(fate(&bench, 6), Bypass);
}

#[test]
fn unmatched_streams() {
    // Behaviour 9.
    let mut faulting = bench(GENERIC, USFCFG);
    assert_eq!(fate(&faulting, 0), Faults(GlobalCause::UnidentifiedStream, false));
    // A group whose VALID is clear takes no part, whatever else it holds.
    faulting.w(("SMRn", 0), 0x7fff_0000);
    assert_eq!(fate(&faulting, 0), Faults(GlobalCause::UnidentifiedStream, false));
    assert_eq!(fate(&bench(GENERIC, 0), 0), Bypass);
}

#[test]
fn masks_and_conflicts() {
    // Behaviour 10.
    for (scr0, conflict) in [
        (SMCFCFG, Faults(GlobalCause::StreamMatchConflict, false)),
        (0, Bypass),
    ] {
        let mut bench = bench(GENERIC, scr0 | USFCFG);
        group(&mut bench, 3, 0x100, 0x0f, 4);
        group(&mut bench, 7, 0x108, 0x00, 5);
        assert_eq!(fate(&bench, 0x100), Bank(4));
        assert_eq!(fate(&bench, 0x10f), Bank(4));
        assert_eq!(
            fate(&bench, 0x110),
            Faults(GlobalCause::UnidentifiedStream, false)
        );
        assert_eq!(fate(&bench, 0x108), conflict);
        bench.w(Gr0(SMR + 12), 0);
        assert_eq!(
            fate(&bench, 0x108),
            Bank(5),
            "the conflict goes with the other group"
        );
    }
}

/// Without IDR1.SMCD software cannot rely on it.
#[test]
fn conflicts_are_found_without_smcd() {
    for preset in ["mmu-500", "mmu-401"] {
        let mut bench = bench(&format!("preset = \"{preset}\""), SMCFCFG | USFCFG);
        assert_eq!(bench.r("IDR1") >> 15 & 1, 0, "SMCD of {preset}");
        for (first, second) in [(0, 1), (0, 31), (30, 31), (7, 19)] {
            group(&mut bench, first, 0x100, 0x0f, 1);
            group(&mut bench, second, 0x108, 0, 2);
            let conflict = Faults(GlobalCause::StreamMatchConflict, false);
            assert_eq!(fate(&bench, 0x108), conflict, "{preset}: {first} and {second}");
            bench.w(("SMRn", first), 0);
            bench.w(("SMRn", second), 0);
        }
    }
}

#[test]
fn types_of_s2cr() {
    let mut bench = bench(GENERIC, USFCFG);
    // Behaviour 5: the bank number means nothing unless the type is translation; type 3 is a fault.
    group(&mut bench, 0, 1, 0, 1 << 16 | 0xff);
    group(&mut bench, 1, 2, 0, 2 << 16 | 0xff);
    group(&mut bench, 2, 3, 0, 3 << 16);
    assert_eq!(fate(&bench, 1), Bypass);
    assert_eq!(
        fate(&bench, 2),
        Faults(GlobalCause::InvalidContext, false),
        "behaviour 61"
    );
    assert_eq!(fate(&bench, 3), Faults(GlobalCause::InvalidContext, false));
}

#[test]
fn bank_validity_is_checked_in_order() {
    // Behaviours 11 and 12.
    let mut bench = bench("preset = \"smmuv2-generic\"\nstage2_only_banks = 2", USFCFG);
    group(&mut bench, 0, 1, 0, 16);
    assert_eq!(
        fate(&bench, 1),
        Faults(GlobalCause::UnimplementedBank, false),
        "(a)"
    );
    bench.w(("S2CRn", 0), s2cr::CBNDX(1));
    assert_eq!(
        fate(&bench, 1),
        Bank(1),
        "the type of a bank with stage 2 alone is fixed"
    );
    bench.w(("S2CRn", 0), s2cr::CBNDX(5));
    bench.w(("CBARn", 5), 2 << 16);
    assert_eq!(fate(&bench, 1), Faults(GlobalCause::InvalidContext, true), "(c)");
    bench.w(("CBARn", 5), cbar::KIND(3) | cbar::CBNDX(200));
    assert_eq!(
        fate(&bench, 1),
        Faults(GlobalCause::UnimplementedBank, true),
        "(d)"
    );
    bench.w(("CBARn", 5), cbar::KIND(3) | cbar::CBNDX(6));
    assert_eq!(
        fate(&bench, 1),
        Faults(GlobalCause::InvalidContext, true),
        "(e) bank 6 is no stage 2 bank"
    );
    bench.w(("CBARn", 6), 0);
    bench.w(("CBA2Rn", 6), 0);
    assert_eq!(
        fate(&bench, 1),
        Faults(GlobalCause::InvalidContext, true),
        "(e) AArch64 over AArch32"
    );
}

#[test]
fn extended_stream_ids() {
    // Behaviour 3: EXIDENABLE gives the same words another meaning.
    let mut bench = bench("preset = \"smmuv2-generic\"\nextended_stream_ids = true", USFCFG);
    bench.w(("S2CRn", 0), s2cr::EXIDVALID | s2cr::CBNDX(3));
    bench.w(("SMRn", 0), smr::VALID | smr::ID(0x4321));
    assert_eq!(fate(&bench, 0x4321), Bank(3));
    assert_eq!(
        fate(&bench, 0xc321),
        Bank(3),
        "bit 15 of a stream ID is not there"
    );
    // Behaviour 2: nor does bit 15 of the register count, which it keeps.
    bench.w(("SMRn", 0), 0x8000_c321);
    assert_eq!(
        (bench.r(("SMRn", 0)), fate(&bench, 0x4321)),
        (0x8000_c321, Bank(3))
    );
    bench.w(("SMRn", 0), smr::VALID | smr::ID(0x4321));
    bench.w("sCR0", scr0::USFCFG | scr0::EXIDENABLE);
    assert_eq!(fate(&bench, 0x4321), Bank(3), "bit 31 is now a mask bit");
    assert_eq!(fate(&bench, 0xc321), Bank(3));
    assert_eq!(
        fate(&bench, 0xc320),
        Faults(GlobalCause::UnidentifiedStream, false)
    );
    bench.w(("S2CRn", 0), s2cr::CBNDX(3));
    assert_eq!(
        fate(&bench, 0x4321),
        Faults(GlobalCause::UnidentifiedStream, false),
        "EXIDVALID"
    );
}

#[test]
fn stream_indexing() {
    let mut bench = bench(
        "preset = \"smmuv2-generic\"\nstream_match_groups = 0\nstream_id_bits = 5",
        USFCFG,
    );
    assert_eq!(bench.r("IDR0") >> 27 & 1, 0, "SMS");
    bench.w(("SMRn", 0), u32::MAX);
    assert_eq!(bench.r(("SMRn", 0)), 0, "there are no match registers");
    bench.w(("S2CRn", 31), s2cr::CBNDX(9));
    assert_eq!(fate(&bench, 31), Bank(9));
    assert_eq!(fate(&bench, 0), Bank(0));
    bench.w(("S2CRn", 32), u32::MAX);
    assert_eq!(bench.r(("S2CRn", 32)), 0);
}

#[test]
fn every_context_bank_number_is_safe() {
    let mut bench = bench(GENERIC, USFCFG);
    for bank in 0..=255 {
        group(&mut bench, 0, 1, 0, bank);
        let expected = u8::try_from(bank)
            .ok()
            .filter(|&bank| bank < 16)
            .map_or(Faults(GlobalCause::UnimplementedBank, false), Bank);
        assert_eq!(fate(&bench, 1), expected);
    }
}

#[test]
fn bypass_truncates_and_changes_nothing() {
    // Behaviour 62.
    let mut bench = bench("preset = \"smmuv2-generic\"\naddress_bits = 40", 0);
    let transaction = Transaction {
        stream_id: 1,
        address: 0x1_ff12_3456_7890,
        intent: Intent::default(),
    };
    match bench.transact(transaction) {
        Response::Proceed(translation) => assert_eq!(translation.address, 0x12_3456_7890),
        other => panic!("{other:?}"),
    }
    assert_eq!((bench.r("sGFSR"), bench.host.memory.reads()), (0, 0));
}

#[test]
fn memory_types_of_bypass() {
    // MTCFG and MemAttr of sCR0 for what no group decides, of S2CR for a stream that bypasses.
    const MTCFG: u32 = 1 << 20;
    let attributes = |bench: &Bench, stream_id| {
        let transaction = Transaction {
            stream_id,
            ..Transaction::default()
        };
        let passes = bench.smmu.translate(&bench.host, &transaction);
        passes.expect("it passes").attributes
    };
    // Normal, outer and inner write-back; Device-nGnRE in the group.
    let mut bench = bench(GENERIC, MTCFG | 0xf << 16);
    group(&mut bench, 0, 1, 0, 1 << 16 | 1 << 11 | 1 << 12);
    group(&mut bench, 1, 2, 0, 1 << 16 | 1 << 12);
    assert_eq!([0, 1, 2].map(|id| attributes(&bench, id)), [0xff, 0x04, 0]);
    // A conflict.
    group(&mut bench, 2, 2, 0, 1 << 16);
    assert_eq!(attributes(&bench, 2), 0xff);
    bench.w("sCR0", 1 | MTCFG | 5 << 16);
    assert_eq!([0, 1].map(|id| attributes(&bench, id)), [0x44, 0x44], "CLIENTPD");
    bench.w("sCR0", scr0::MEMATTR(5));
    assert_eq!([0, 1].map(|id| attributes(&bench, id)), [0, 0x04], "MTCFG");
}

#[test]
fn types_that_idr0_does_not_have() {
    // Behaviours 11 (b) and 12.
    let mut bench = bench("preset = \"smmuv2-generic\"\nnested = false", USFCFG);
    group(&mut bench, 0, 1, 0, 5);
    bench.w(("CBARn", 6), 0);
    bench.w(("CBARn", 5), cbar::KIND(3) | cbar::CBNDX(6));
    assert_eq!(fate(&bench, 1), Faults(GlobalCause::InvalidContext, true));
    bench.w(("CBARn", 5), cbar::KIND(3) | cbar::CBNDX(200));
    assert_eq!(
        fate(&bench, 1),
        Faults(GlobalCause::InvalidContext, true),
        "before the second bank is looked at"
    );
}

#[test]
fn extended_groups() {
    let mut bench = bench(
        "preset = \"smmuv2-generic\"\nstream_match_groups = 4\nextended_stream_match_groups = 1000",
        USFCFG | 1 << 21,
    );
    let (exsmr, exs2cr) = (|n: u64| Page(6, 4 * n), |n: u64| Page(7, 4 * n));
    bench.w(exsmr(999), 0x8000_0007);
    assert_eq!(bench.r(exsmr(999)), 0, "not enabled");
    // A group that both views have.
    group(&mut bench, 3, 1, 0, 2);
    bench.w("sCR2", 1 << 31);
    assert_eq!(bench.r("sCR2"), 1 << 31, "sCR2.EXSMRGENABLE");
    assert_eq!((bench.r(exsmr(3)), bench.r(exs2cr(3))), (0x8000_0001, 2));
    assert_eq!(fate(&bench, 1), Bank(2));
    bench.w(exs2cr(999), 9);
    bench.w(exsmr(999), 0x8000_0007);
    assert_eq!(fate(&bench, 7), Bank(9));
    // Behaviour 10: a conflict is found whichever group is written last.
    bench.w(exsmr(500), 0x8000_0007);
    assert_eq!(fate(&bench, 7), Faults(GlobalCause::StreamMatchConflict, false));
    bench.w(exsmr(500), 7);
    assert_eq!(fate(&bench, 7), Bank(9));
    for beyond in [exsmr(1000), exs2cr(1000)] {
        bench.w(beyond, u32::MAX);
        assert_eq!(bench.r(beyond), 0);
    }
    bench.w("sCR2", 0);
    assert_eq!(fate(&bench, 7), Faults(GlobalCause::UnidentifiedStream, false));
    assert_eq!(fate(&bench, 1), Bank(2));
}

#[test]
fn garbage_in_the_stream_table_is_harmless() {
    // Behaviour 4: there is no reset value that software could rely on.
    let mut bench = bench("preset = \"mmu-500\"", USFCFG);
    for n in 0..48_u32 {
        let at = u64::from(4 * n);
        bench.w(Gr0(SMR + at), 0x9e37_79b9_u32.wrapping_mul(n + 1));
        bench.w(Gr0(S2CR + at), 0x85eb_ca6b_u32.wrapping_mul(n + 1));
    }
    for stream_id in 0..0x8000 {
        let _ = fate(&bench, stream_id);
    }
}

/// Behaviour 4: what `qcom_smmu_cfg_probe` meets after a boot loader that has a display running.
#[test]
fn groups_that_are_live_at_reset_stay() {
    const LIVE: &str = "preset = \"qcom-x1e-adreno\"\n\
                        live_groups = [{ stream_id = 0x400, mask = 2 }, { stream_id = 0x7fff }]";
    let mut bench = Bench::new(LIVE);
    for _ in 0..2 {
        assert_eq!(
            [0, 4, 8].map(|at| bench.r(Gr0(SMR + at))),
            [0x8002_0400, 0x8000_7fff, 0]
        );
        assert_eq!(
            [0, 4, 8].map(|at| bench.r(Gr0(S2CR + at))),
            [0x0001_00ff, 0x0001_00ff, 0]
        );
        assert_eq!(bench.r("sCR0") & 1, 1, "CLIENTPD all the same");
        // No stream is interrupted when the driver takes over.
        bench.w("sCR0", scr0::SMCFCFG | scr0::USFCFG);
        assert_eq!(
            [0x400, 0x402, 0x7fff].map(|id| fate(&bench, id)),
            [Bypass, Bypass, Bypass]
        );
        let unknown = Faults(GlobalCause::UnidentifiedStream, false);
        assert_eq!(fate(&bench, 0x401), unknown);
        // The groups are like any other.
        bench.w(("SMRn", 0), 0);
        bench.w(Gr0(S2CR + 4), 2 << 16);
        assert_eq!(fate(&bench, 0x400), unknown);
        assert_eq!(fate(&bench, 0x7fff), Faults(GlobalCause::InvalidContext, false));
        bench.smmu.reset(&mut bench.host);
    }
    let mut bench = Bench::new("preset = \"mmu-500\"");
    for at in 0..48 {
        assert_eq!((bench.r(("SMRn", at)), bench.r(("S2CRn", at))), (0, 0));
    }
}

#[test]
fn blocked_and_unknown_streams_differ() {
    // Behaviour 61: Linux' blocked domain is a known stream of type fault, ICF; an unknown stream is USF.
    let mut bench = bench(GENERIC, USFCFG);
    group(&mut bench, 0, 0x10, 0, 2 << 16 | 0xff);
    assert_eq!(fate(&bench, 0x10), Faults(GlobalCause::InvalidContext, false));
    assert_eq!(fate(&bench, 0x11), Faults(GlobalCause::UnidentifiedStream, false));
    for (stream_id, status) in [(0x10, 1), (0x11, 2)] {
        bench.transact(Transaction {
            stream_id,
            ..Transaction::default()
        });
        assert_eq!(
            (bench.r("sGFSR"), bench.r("sGFSYNR1")),
            (status, stream_id.into())
        );
        bench.w("sGFSR", status);
    }
}

#[test]
fn what_the_bypass_probe_of_linux_writes_reads_back() {
    // Behaviours 5 and 64: `qcom_smmu_cfg_probe` writes bypass with no bank to the last S2CR.
    let mut bench = bench("preset = \"qcom-x1e-adreno\"", USFCFG);
    let last = Gr0(S2CR + 4 * 23);
    for written in [1 << 16 | 0xff, 2 << 16 | 0xff, 2 << 16] {
        bench.w(last, written);
        assert_eq!(bench.r(last), written);
    }
}
