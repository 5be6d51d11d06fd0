// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Secure state: copies, aliases, and what is left to Non-secure software (IHI 0062D §1.5).

use smmu_emu::fault::GlobalCause;
use smmu_emu::testing::{Bench, Cb, Gr0, Gr1, Page};
use smmu_emu::{Fault, Transaction};

const CONFIG: &str = "preset = \"mmu-500\"\nsecure_state = true";

#[test]
fn without_secure_state_all_software_is_alike() {
    let mut bench = Bench::new("preset = \"mmu-500\"");
    assert_eq!(bench.secure_r(Gr0(0x20)), bench.r(Gr0(0x20)));
    bench.secure_w(Gr0(0x04), u32::MAX);
    bench.secure_w(Gr0(0x400), 0);
    assert_eq!((bench.secure_r(Gr0(0x04)), bench.secure_r(Gr0(0x400))), (0, 0));
    bench.secure_w(Gr0(0), 0x400);
    assert_eq!(bench.r(Gr0(0)), 0x0020_0400, "sCR0 is the same register");
}

#[test]
fn ses_shows_to_secure_software_alone() {
    let mut bench = Bench::new(CONFIG);
    assert_eq!(bench.r(Gr0(0x20)), 0x7c01_3e30);
    assert_eq!(
        bench.secure_r(Gr0(0x20)),
        0xfc01_3e30,
        "as ZynqMP's reference has it"
    );
}

#[test]
fn copies_are_independent() {
    let mut bench = Bench::new(CONFIG);
    bench.secure_w(Gr0(0), 0x0000_0406);
    assert_eq!(bench.r(Gr0(0)), 0x0020_0001);
    assert_eq!(bench.secure_r(Gr0(0)), 0x0020_0406);
    bench.w(Gr0(0x40), 0x1111);
    bench.secure_w(Gr0(0x40), 0x2222);
    assert_eq!((bench.r(Gr0(0x40)), bench.secure_r(Gr0(0x40))), (0x1111, 0x2222));
    bench.secure_w(Gr0(0x4c), 2);
    assert_eq!((bench.r(Gr0(0x48)), bench.secure_r(Gr0(0x48))), (0, 2));
    bench.secure_w(Gr0(0x48), 2);
    assert_eq!(bench.secure_r(Gr0(0x48)), 0);
    bench.secure_w(Gr0(0x70), u32::MAX);
    assert_eq!(bench.secure_r(Gr0(0x74)), 0);
}

#[test]
fn sacr_resets_to_other_values() {
    let mut bench = Bench::new(CONFIG);
    assert_eq!(
        (bench.r(Gr0(0x10)), bench.secure_r(Gr0(0x10))),
        (0x0400_001c, 0x0400_0004)
    );
    assert_eq!(bench.secure_r(Gr0(0x410)), 0x0400_001c, "NSACR");
}

/// `GATS1*` finds the banks that Non-secure software has.
#[test]
fn global_operations_end_at_the_last_non_secure_bank() {
    let mut bench = Bench::new("preset = \"mmu-500-ats\"\nsecure_state = true");
    for bank in [3, 5] {
        bench.w(Gr1(4 * bank), 1 << 16);
        bench.w(Gr1(0x800 + 4 * bank), 1);
    }
    let gpar = |bench: &mut Bench, bank: u64| {
        bench.w64(Gr0(0x110), 0x1000 | bank);
        bench.r64(Gr0(0x180))
    };
    assert_eq!(gpar(&mut bench, 5) & 1, 0);
    bench.secure_w(Gr0(0x04), 0x0001_3004);
    assert_eq!(gpar(&mut bench, 3) & 1, 0);
    assert_eq!(gpar(&mut bench, 5), 0x4000_0001, "UCBF");
}

/// The offset that Linux' `arm_smmu_gr0_ns` adds on Calxeda's ECX-2000: it runs as Secure software and drives the
/// Non-secure registers.
#[test]
fn calxeda_reaches_non_secure_registers_through_aliases() {
    let mut bench = Bench::new(CONFIG);
    // device_reset: sGFSR is written back, sACR and sCR0 are changed in place.
    bench.w(Gr0(0x4c), 2);
    let gfsr = bench.secure_r(Gr0(0x448));
    assert_eq!(gfsr, 2);
    bench.secure_w(Gr0(0x448), gfsr);
    assert_eq!(bench.r(Gr0(0x48)), 0);
    let acr = bench.secure_r(Gr0(0x410));
    assert_eq!(acr, 0x0400_001c);
    bench.secure_w(Gr0(0x410), acr & !(1 << 26) | 1 << 8);
    assert_eq!(bench.r(Gr0(0x10)), 0x0000_011c);
    let cr0 = bench.secure_r(Gr0(0x400));
    bench.secure_w(Gr0(0x400), cr0 & !1 | 0x0000_0406);
    assert_eq!(bench.r(Gr0(0)), 0x0020_0406);
    assert_eq!(bench.secure_r(Gr0(0)), 0x0020_0001, "not the Secure copy");
    // The fault of an unmatched stream shows through the aliases, and its interrupt is the Non-secure one.
    let transaction = Transaction {
        stream_id: 0x871,
        ..Transaction::default()
    };
    let _ = bench.transact(transaction);
    assert_eq!(bench.secure_r(Gr0(0x448)), 2);
    assert_eq!(bench.secure_r(Gr0(0x454)), 0x871);
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
        bench.secure_r(Gr0(0x04)),
        0x0001_3010,
        "SCR1: everything is left to them"
    );
    assert_eq!(bench.secure_r(Gr0(0x400)), 0x0020_0001);
}

#[test]
fn secure_software_takes_banks_and_groups() {
    let mut bench = Bench::new(CONFIG);
    // Four banks, eight groups, no interrupt.
    bench.secure_w(Gr0(0x04), 0x0000_0804);
    assert_eq!(bench.r(Gr0(0x20)), 0x7c00_3e08);
    assert_eq!(bench.r(Gr0(0x24)), 0x3000_0f04);
    assert_eq!(bench.secure_r(Gr0(0x24)), 0x3000_0f10);
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
    bench.w(Gr0(0), 0x400);
    bench.w(Gr0(0xc00), 4);
    bench.w(Gr0(0x800), 0x8000_0005);
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
    bench.secure_w(Gr0(0xc28), 1 << 16);
    bench.secure_w(Gr0(0x828), 0x8000_0006);
    assert_eq!(cause(&bench, 6), Some((GlobalCause::UnidentifiedStream, false)));
}

#[test]
fn the_global_address_space_can_be_for_secure_software_alone() {
    let mut bench = Bench::new(CONFIG);
    let scr1 = bench.secure_r(Gr0(0x04));
    bench.secure_w(Gr0(0x04), scr1 | 1 << 24);
    assert_eq!((bench.r(Gr0(0x20)), bench.r(Page(2, 0x204))), (0, 0));
    assert_eq!(bench.secure_r(Gr0(0x24)), 0x3000_0f10);
    bench.w(Cb(0, 0x30), 5);
    assert_eq!(bench.r(Cb(0, 0x30)), 5, "context banks are not global");
}
