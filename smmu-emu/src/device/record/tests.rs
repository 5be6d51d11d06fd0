// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Faults of nested translation, fed in as the walk would report them.

use super::{ContextCause, Origin};
use crate::Line;
use crate::arch::response::Response;
use crate::arch::transaction::{BankAccess, Intent, Transaction};
use crate::device::bank_state::Disposition;
use crate::spec::cb::Cb;
use crate::testing::fields::{cba2r, cbar, scr0, sctlr};
use crate::testing::{Bench, High};
use crate::translate::walk::WalkFault;
use crate::translate::walk::leaf::Stage2Fault;

pub(crate) const FIRST: u8 = 5;
pub(crate) const SECOND: u8 = 2;
pub(crate) use sctlr::{CFCFG, CFIE, CFRE, HUPCF};

/// A register by its name and the bank of its `n`.
pub(crate) fn cb(name: &'static str, bank: u8) -> (&'static str, u64) {
    (name, bank.into())
}

/// CBAR of a bank that is nested in another.
pub(crate) fn nested_in(bank: u8) -> u32 {
    cbar::KIND(3) | cbar::CBNDX(bank.into())
}

/// Bank 5 is nested in bank 2, both AArch64, both on; bank 2's SCTLR has more bits.
pub(crate) fn nested(second: u32) -> Bench {
    let mut bench = Bench::new("preset = \"smmuv2-generic\"\ntlb = \"normal\"");
    bench.w(cb("CBARn", FIRST), nested_in(SECOND));
    bench.w(cb("CBARn", SECOND), cbar::KIND(0));
    bench.w(cb("CBA2Rn", FIRST), cba2r::VA64);
    bench.w(cb("CBA2Rn", SECOND), cba2r::VA64);
    bench.w(cb("CBn_SCTLR", FIRST), sctlr::M | CFIE);
    bench.w(cb("CBn_SCTLR", SECOND), sctlr::M | CFIE | second);
    bench.w("sCR0", 0);
    bench.host.resumed.clear();
    bench
}

/// A write of stream 0x19c3 that enters bank 5.
pub(crate) const ACCESS: BankAccess = {
    let intent = Intent {
        privileged: true,
        write: true,
        instruction: false,
    };
    BankAccess {
        bank: FIRST,
        intent,
        transaction: Transaction {
            stream_id: 0x19c3,
            address: 0x1234_5678,
            intent,
        },
    }
};

/// Stage 2 does not map an intermediate address.
pub(crate) const STAGE2: WalkFault = WalkFault {
    cause: ContextCause::Translation,
    level: 2,
    stage2: Some(Stage2Fault {
        ipa: 0xab_cdef_9876,
        stage1_walk: true,
    }),
};

/// Response of a client to a walk's fault.
pub(crate) fn fault(bench: &mut Bench, fault: WalkFault) -> Response {
    let fault = super::Fault::Context(bench.smmu.context_fault(&ACCESS, fault));
    bench.smmu.record(&mut bench.host, &ACCESS, &fault)
}

/// Behaviour 36: recorded in the stage 2 bank alone; FAR has the virtual address, IPAFAR the intermediate one.
#[test]
fn nested_fault_is_recorded_in_the_stage_2_bank() {
    let mut bench = nested(CFRE);
    assert_eq!(fault(&mut bench, STAGE2), Response::Abort, "bank 2 has CFRE");
    assert_eq!(bench.r(cb("CBn_FSR", SECOND)), 0x402);
    assert_eq!(bench.r(cb("CBn_FAR", SECOND)), 0x1234_5678);
    assert_eq!(
        bench.r(cb("CBn_FSYNR0", SECOND)),
        5 << 16 | 1 << 5 | 1 << 4 | 1 << 3 | 1 << 2 | 2,
        "S1CBNDX, PNU, WNR, S1PTWF, NESTED, PLVL (behaviour 35: not PTWF)"
    );
    assert_eq!(bench.r(cb("CBn_IPAFAR", SECOND)), 0xcdef_9000);
    assert_eq!(bench.r(High(cb("CBn_IPAFAR", SECOND))), 0xab);
    assert_eq!(bench.r(cb("CBFRSYNRAn", SECOND)), 0x19c3);
    assert_eq!(bench.r(cb("CBn_FSR", FIRST)), 0x400);
    assert_eq!(bench.r(cb("CBFRSYNRAn", FIRST)), 0);
    assert_eq!(bench.host.line_calls, [(Line::Context(SECOND), true)]);
}

/// A fault of stage 1 stays in the stage 1 bank, whatever stage 2 is.
#[test]
fn nested_stage_1_fault_is_recorded_in_the_stage_1_bank() {
    let mut bench = nested(CFRE);
    let stage1 = WalkFault::stage1(ContextCause::Permission, 3);
    assert_eq!(fault(&mut bench, stage1), Response::Ignore, "bank 5 has no CFRE");
    assert_eq!(bench.r(cb("CBn_FSR", FIRST)), 0x408);
    assert_eq!(bench.r(cb("CBn_FSYNR0", FIRST)), 0x33);
    assert_eq!(bench.r(cb("CBn_FSR", SECOND)), 0x400);
}

/// In a stage 2 bank on its own the address is the intermediate one: FAR has it, IPAFAR is left alone.
#[test]
fn fault_of_stage_2_alone() {
    let mut bench = nested(0);
    let access = BankAccess {
        bank: SECOND,
        ..ACCESS
    };
    let recorded = bench.smmu.context_fault(&access, STAGE2);
    assert_eq!((recorded.bank, recorded.nested), (SECOND, None));
    bench
        .smmu
        .record_context(&mut bench.host, &recorded, Origin::Client);
    assert_eq!(bench.r(cb("CBn_FAR", SECOND)), 0x1234_5678);
    assert_eq!(bench.r(cb("CBn_FSYNR0", SECOND)), 0x32);
    assert_eq!(bench.r(cb("CBn_IPAFAR", SECOND)), 0);
}

/// Behaviour 35: PTWF stands for an external abort of a walk; S1PTWF says which walk it was.
#[test]
fn external_abort_of_a_nested_walk() {
    let mut bench = nested(0);
    let external = WalkFault {
        cause: ContextCause::ExternalOnWalk,
        ..STAGE2
    };
    fault(&mut bench, external);
    assert_eq!(bench.r(cb("CBn_FSR", SECOND)), 0x410);
    assert_eq!(bench.r(cb("CBn_FSYNR0", SECOND)), 5 << 16 | 1 << 10 | 0x3c | 2);
}

/// Behaviour 25: a fault that the stage 2 bank holds ends transactions of the stage 1 bank, as stage 2's CFRE says.
#[test]
fn stage_2_fault_blocks_the_stage_1_bank() {
    let mut bench = nested(CFRE);
    fault(&mut bench, STAGE2);
    assert_eq!(bench.smmu.enter(&mut bench.host, &ACCESS), Response::Abort);
    assert_eq!(bench.r(cb("CBn_FSR", FIRST)), 0x400, "nothing is recorded");
    bench.w(cb("CBn_SCTLR", SECOND), sctlr::M | HUPCF);
    bench.smmu.enter(&mut bench.host, &ACCESS);
    assert_ne!(
        bench.r(cb("CBn_FSR", FIRST)),
        0x400,
        "with HUPCF it comes as far as its walk"
    );
}

/// Behaviour 26, nested: the stage 2 bank stalls, its RESUME decides, and the transaction starts in its stage 1 bank.
#[test]
fn stage_2_stall_waits_for_the_stage_2_bank() {
    let mut bench = nested(CFCFG | CFRE);
    let Response::Stall(stall) = fault(&mut bench, STAGE2) else {
        panic!("CFCFG stalls");
    };
    assert_eq!(stall.bank(), SECOND);
    let Response::Stall(other) = bench.smmu.enter(&mut bench.host, &ACCESS) else {
        panic!("others of the stage 1 bank wait");
    };
    assert_eq!(other.bank(), SECOND);
    bench.w(cb("CBn_RESUME", FIRST), 1);
    let Response::Stall(stall) = bench.smmu.resume(&mut bench.host, stall) else {
        panic!("the stage 1 bank's RESUME does nothing");
    };
    bench.w(cb("CBn_FSR", SECOND), 0x402);
    bench.w(cb("CBn_RESUME", SECOND), 1);
    assert_eq!(bench.host.resumed, [SECOND]);
    assert_eq!(bench.smmu.resume(&mut bench.host, stall), Response::Abort);
    assert_eq!(
        bench.smmu.resume(&mut bench.host, other),
        Response::Ignore,
        "it starts again, and faults in bank 5"
    );
    assert_ne!(bench.r(cb("CBn_FSR", FIRST)), 0x400);
}

/// Behaviours 24, 26 and 27 as a table: what becomes of a fault in a bank that may hold one.
#[test]
fn disposition_of_a_fault() {
    use Disposition::{Stall, Terminate, Wait};
    const SS: u64 = 1 << 30;
    const TF: u64 = 2;
    let cases = [
        // SCTLR, FSR before, sCR0.STALLD; what becomes of it, FSR after
        (0, 0, false, Terminate, 2),
        (CFCFG, 0, false, Stall, SS | 2),
        (CFCFG, 0, true, Terminate, 2),
        (CFCFG, TF, false, Terminate, 1 << 31 | 2),
        (CFCFG, SS | TF, false, Wait, SS | TF),
        (CFCFG, SS, false, Wait, SS),
        (0, SS | TF, false, Terminate, SS | 1 << 31 | 2),
    ];
    for (sctlr, before, stalld, expected, after) in cases {
        let mut bench = nested(sctlr | HUPCF);
        bench.w("sCR0", if stalld { scr0::STALLD } else { 0 });
        bench.smmu.registers.set_bank(SECOND, Cb::Fsr, before);
        let recorded = bench.smmu.context_fault(&ACCESS, STAGE2);
        let disposition = bench
            .smmu
            .record_context(&mut bench.host, &recorded, Origin::Client);
        assert_eq!(disposition, expected, "{sctlr:#x} {before:#x} {stalld}");
        assert_eq!(
            bench.smmu.registers.bank(SECOND, Cb::Fsr),
            after,
            "{sctlr:#x} {before:#x} {stalld}"
        );
    }
}
