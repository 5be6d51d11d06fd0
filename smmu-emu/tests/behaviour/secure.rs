// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Secure state: copies, aliases, and what is left to Non-secure software (IHI 0062D §1.5).

use smmu_emu::fault::GlobalCause;
use smmu_emu::testing::fields::{cba2r, cbar, s2cr, scr0, smr};
use smmu_emu::testing::{Bench, Cb, Gr0, Gr1};
use smmu_emu::{Fault, Transaction};

const CONFIG: &str = "preset = \"mmu-500\"\nsecure_state = true";

#[test]
fn without_secure_state_all_software_is_alike() {
    let mut bench = Bench::new("preset = \"mmu-500\"");
    assert_eq!(bench.secure_r("IDR0"), bench.r("IDR0"));
    bench.secure_w("SCR1", u32::MAX);
    bench.secure_w("NSCR0", 0);
    assert_eq!((bench.secure_r("SCR1"), bench.secure_r("NSCR0")), (0, 0));
    bench.secure_w("sCR0", scr0::USFCFG);
    assert_eq!(bench.r("sCR0"), 0x0020_0400, "sCR0 is the same register");
}

#[test]
fn ses_shows_to_secure_software_alone() {
    let mut bench = Bench::new(CONFIG);
    assert_eq!(bench.r("IDR0"), 0x7c01_3e30);
    assert_eq!(
        bench.secure_r("IDR0"),
        0xfc01_3e30,
        "as ZynqMP's reference has it"
    );
}

#[test]
fn copies_are_independent() {
    let mut bench = Bench::new(CONFIG);
    bench.secure_w("sCR0", scr0::USFCFG | scr0::GFIE | scr0::GFRE);
    assert_eq!(bench.r("sCR0"), 0x0020_0001);
    assert_eq!(bench.secure_r("sCR0"), 0x0020_0406);
    bench.w("sGFAR", 0x1111);
    bench.secure_w("sGFAR", 0x2222);
    assert_eq!((bench.r("sGFAR"), bench.secure_r("sGFAR")), (0x1111, 0x2222));
    bench.secure_w("sGFSRRESTORE", 2);
    assert_eq!((bench.r("sGFSR"), bench.secure_r("sGFSR")), (0, 2));
    bench.secure_w("sGFSR", 2);
    assert_eq!(bench.secure_r("sGFSR"), 0);
    bench.secure_w("sTLBGSYNC", u32::MAX);
    assert_eq!(bench.secure_r("sTLBGSTATUS"), 0);
}

#[test]
fn sacr_resets_to_other_values() {
    let mut bench = Bench::new(CONFIG);
    assert_eq!(
        (bench.r("sACR"), bench.secure_r("sACR")),
        (0x0400_001c, 0x0400_0004)
    );
    assert_eq!(bench.secure_r("NSACR"), 0x0400_001c, "NSACR");
}

/// `GATS1*` finds the banks that Non-secure software has.
#[test]
fn global_operations_end_at_the_last_non_secure_bank() {
    let mut bench = Bench::new("preset = \"mmu-500-ats\"\nsecure_state = true");
    for bank in [3, 5] {
        bench.w(("CBARn", bank), cbar::KIND(1));
        bench.w(("CBA2Rn", bank), cba2r::VA64);
    }
    let gpar = |bench: &mut Bench, bank: u64| {
        bench.w64("GATS1PR", 0x1000 | bank);
        bench.r64("GPAR")
    };
    assert_eq!(gpar(&mut bench, 5) & 1, 0);
    bench.secure_w("SCR1", 0x0001_3004);
    assert_eq!(gpar(&mut bench, 3) & 1, 0);
    assert_eq!(gpar(&mut bench, 5), 0x4000_0001, "UCBF");
}

/// The offset that Linux' `arm_smmu_gr0_ns` adds on Calxeda's ECX-2000: it runs as Secure software and drives the
/// Non-secure registers.
#[test]
fn calxeda_reaches_non_secure_registers_through_aliases() {
    let mut bench = Bench::new(CONFIG);
    // device_reset: sGFSR is written back, sACR and sCR0 are changed in place.
    bench.w("sGFSRRESTORE", 2);
    let gfsr = bench.secure_r("NSGFSR");
    assert_eq!(gfsr, 2);
    bench.secure_w("NSGFSR", gfsr);
    assert_eq!(bench.r("sGFSR"), 0);
    let acr = bench.secure_r("NSACR");
    assert_eq!(acr, 0x0400_001c);
    bench.secure_w("NSACR", acr & !(1 << 26) | 1 << 8);
    assert_eq!(bench.r("sACR"), 0x0000_011c);
    let cr0 = bench.secure_r("NSCR0");
    bench.secure_w("NSCR0", cr0 & !1 | 0x0000_0406);
    assert_eq!(bench.r("sCR0"), 0x0020_0406);
    assert_eq!(bench.secure_r("sCR0"), 0x0020_0001, "not the Secure copy");
    // The fault of an unmatched stream shows through the aliases, and its interrupt is the Non-secure one.
    let transaction = Transaction {
        stream_id: 0x871,
        ..Transaction::default()
    };
    let _ = bench.transact(transaction);
    assert_eq!(bench.secure_r("NSGFSR"), 2);
    assert_eq!(bench.secure_r("NSGFSYNR1"), 0x871);
    assert_eq!([0x450, 0x458].map(|at| bench.secure_r(Gr0(at))), [0, 0]);
    assert!(bench.host.line(smmu_emu::Line::Global));
}

#[test]
fn others_do_not_see_secure_registers() {
    let mut bench = Bench::new(CONFIG);
    for at in [
        0x004, 0x060, 0x0a0, 0x0bc, 0x400, 0x408, 0x410, 0x448, 0x454, 0x474,
    ] {
        bench.w(Gr0(at), u32::MAX);
        assert_eq!(bench.r(Gr0(at)), 0, "{at:#x}");
    }
    assert_eq!(
        bench.secure_r("SCR1"),
        0x0001_3010,
        "SCR1: everything is left to them"
    );
    assert_eq!(bench.secure_r("NSCR0"), 0x0020_0001);
}

#[test]
fn secure_software_takes_banks_and_groups() {
    let mut bench = Bench::new(CONFIG);
    // Four banks, eight groups, no interrupt.
    bench.secure_w("SCR1", 0x0000_0804);
    assert_eq!(bench.r("IDR0"), 0x7c00_3e08);
    assert_eq!(bench.r("IDR1"), 0x3000_0f04);
    assert_eq!(bench.secure_r("IDR1"), 0x3000_0f10);
    for at in [Gr0(0x820), Gr0(0xc20), Gr1(0x010), Gr1(0x810), Cb(4, 0)] {
        bench.w(at, 1);
        assert_eq!(bench.r(at), 0, "{at:?}");
        bench.secure_w(at, 1);
        assert_eq!(bench.secure_r(at), 1, "{at:?}");
    }
    for at in [Gr0(0x81c), Gr0(0xc1c), Gr1(0x00c), Gr1(0x80c), Cb(3, 0)] {
        bench.w(at, 1);
        assert_eq!(bench.r(at), 1, "{at:?}");
    }
    // Behaviour 11 (a): a bank of the other security state is not there.
    bench.w("sCR0", scr0::USFCFG);
    bench.w(("S2CRn", 0), s2cr::CBNDX(4));
    bench.w(("SMRn", 0), smr::VALID | smr::ID(5));
    let transaction = |stream_id| Transaction {
        stream_id,
        ..Transaction::default()
    };
    let cause = |bench: &Bench, stream_id| match bench.smmu.translate(&bench.host, &transaction(stream_id)) {
        Err(Fault::Global(fault)) => Some((fault.cause, fault.nested)),
        _ => None,
    };
    assert_eq!(cause(&bench, 5), Some((GlobalCause::UnimplementedBank, false)));
    // A group of Secure software's matches no Non-secure stream.
    bench.secure_w(("S2CRn", 10), s2cr::KIND(1));
    bench.secure_w(("SMRn", 10), smr::VALID | smr::ID(6));
    assert_eq!(cause(&bench, 6), Some((GlobalCause::UnidentifiedStream, false)));
}

#[test]
fn the_global_address_space_can_be_for_secure_software_alone() {
    let mut bench = Bench::new(CONFIG);
    let scr1 = bench.secure_r("SCR1");
    bench.secure_w("SCR1", scr1 | 1 << 24);
    assert_eq!((bench.r("IDR0"), bench.r("TBU_PWR_STATUS")), (0, 0));
    assert_eq!(bench.secure_r("IDR1"), 0x3000_0f10);
    bench.w(("CBn_TCR", 0), 5);
    assert_eq!(bench.r(("CBn_TCR", 0)), 5, "context banks are not global");
}
