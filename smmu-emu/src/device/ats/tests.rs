// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Operations of a nested bank, with the faults of stage 2 fed in as the walk would report them.

use super::{AtsRequest, PAR_TERMINATED};
use crate::arch::fault::ContextCause;
use crate::arch::transaction::Intent;
use crate::device::record::tests::{CFCFG, CFRE, FIRST, HUPCF, SECOND, STAGE2, cb, nested, nested_in};
use crate::testing::Bench;
use crate::testing::fields::sctlr;
use crate::translate::walk::WalkFault;

const OPERATION: AtsRequest = AtsRequest {
    value: 0x7000_1000,
    intent: Intent {
        privileged: true,
        write: false,
        instruction: false,
    },
};

fn ask(bench: &mut Bench) {
    bench.w64(cb("CBn_ATS1PR", FIRST), OPERATION.value);
}

fn active(bench: &mut Bench) -> bool {
    bench.r(cb("CBn_ATSR", FIRST)) == 1
}

/// Behaviour 56 and §4.2.4: recorded in the stage 2 bank with ATOF; CBFRSYNRA is left alone.
#[test]
fn stage_2_terminates_an_operation() {
    let mut bench = nested(CFRE);
    bench.w(cb("CBFRSYNRAn", SECOND), 0x77);
    bench
        .smmu
        .conclude(&mut bench.host, FIRST, OPERATION, Err(STAGE2));
    assert_eq!(bench.r(cb("CBn_FSR", SECOND)), 0x402);
    assert_eq!(bench.r(cb("CBn_FAR", SECOND)), 0x7000_1000);
    assert_eq!(
        bench.r(cb("CBn_FSYNR0", SECOND)),
        5 << 16 | 1 << 9 | 1 << 5 | 1 << 3 | 1 << 2 | 2,
        "S1CBNDX, ATOF, PNU, S1PTWF, NESTED, PLVL"
    );
    assert_eq!(bench.r(cb("CBFRSYNRAn", SECOND)), 0x77);
    assert!(!active(&mut bench));
    assert_eq!(
        bench.r(cb("CBn_PAR", FIRST)) & 0x8000_0003,
        0x8000_0003,
        "ATOT, TF, F"
    );
    assert_eq!(bench.r(cb("CBn_FSR", FIRST)), 0x400);
    // The next one finds the bank blocked.
    ask(&mut bench);
    assert_eq!(u64::from(bench.r(cb("CBn_PAR", FIRST))), PAR_TERMINATED);
}

/// A fault of stage 1 shows in PAR alone, without ATOT, also under a nested translation.
#[test]
fn stage_1_faults_show_in_par_alone() {
    let mut bench = nested(CFCFG);
    let stage1 = WalkFault::stage1(ContextCause::AccessFlag, 3);
    bench
        .smmu
        .conclude(&mut bench.host, FIRST, OPERATION, Err(stage1));
    assert_eq!(bench.r(cb("CBn_PAR", FIRST)) & 0x8000_01ff, 5);
    for bank in [FIRST, SECOND] {
        assert_eq!(bench.r(cb("CBn_FSR", bank)), 0x400);
    }
    assert!(!active(&mut bench));
}

/// Behaviour 56: ATSR stays ACTIVE until the stage 2 bank's RESUME.
#[test]
fn stage_2_stalls_an_operation() {
    for terminate in [0, 1] {
        let mut bench = nested(CFCFG);
        bench
            .smmu
            .conclude(&mut bench.host, FIRST, OPERATION, Err(STAGE2));
        assert_eq!(bench.r(cb("CBn_FSR", SECOND)), 0x4000_0402);
        for _ in 0..3 {
            assert!(active(&mut bench));
        }
        bench.w(cb("CBn_RESUME", FIRST), terminate);
        assert!(active(&mut bench), "the stage 1 bank has nothing to resume");
        bench.w(cb("CBn_FSR", SECOND), u32::MAX);
        bench.w(cb("CBn_RESUME", SECOND), terminate);
        assert!(!active(&mut bench));
        let par = u64::from(bench.r(cb("CBn_PAR", FIRST)));
        assert_eq!(par == PAR_TERMINATED, terminate == 1, "{par:#x}");
        assert_eq!(par & 1, 1, "retried, it faults for lack of tables");
    }
}

/// While the stage 2 bank holds a stall, a second bank's operation waits for it too, and so does one that HUPCF lets
/// walk.
#[test]
fn operations_wait_for_a_stalled_stage_2_bank() {
    for hupcf in [0, HUPCF] {
        let mut bench = nested(CFCFG | hupcf);
        bench.w(cb("CBARn", 6), nested_in(SECOND));
        bench.smmu.conclude(&mut bench.host, 6, OPERATION, Err(STAGE2));
        if hupcf == 0 {
            ask(&mut bench);
        } else {
            bench
                .smmu
                .conclude(&mut bench.host, FIRST, OPERATION, Err(STAGE2));
        }
        assert!(active(&mut bench));
        bench.w(cb("CBn_FSR", SECOND), u32::MAX);
        bench.w(cb("CBn_RESUME", SECOND), 1);
        for bank in [FIRST, 6] {
            assert_eq!(bench.r(cb("CBn_ATSR", bank)), 0, "bank {bank}");
        }
        assert_eq!(
            u64::from(bench.r(cb("CBn_PAR", 6))),
            PAR_TERMINATED,
            "the one that was recorded"
        );
        assert_ne!(
            u64::from(bench.r(cb("CBn_PAR", FIRST))),
            PAR_TERMINATED,
            "the other ran again"
        );
    }
}

/// HUPCF set while an operation only waits lets it run; turning the stage 2 bank off ends what it had stalled.
#[test]
fn operations_are_never_stranded() {
    let mut bench = nested(CFCFG);
    bench.w(cb("CBARn", 6), nested_in(SECOND));
    bench.smmu.conclude(&mut bench.host, 6, OPERATION, Err(STAGE2));
    ask(&mut bench);
    assert!(active(&mut bench));
    bench.w(cb("CBn_SCTLR", SECOND), sctlr::M | CFCFG | HUPCF);
    assert!(!active(&mut bench));
    assert_eq!(bench.r(cb("CBn_ATSR", 6)), 1);
    bench.w(cb("CBn_SCTLR", SECOND), 0);
    assert_eq!(bench.r(cb("CBn_ATSR", 6)), 0);
    assert_eq!(u64::from(bench.r(cb("CBn_PAR", 6))), PAR_TERMINATED);
    assert_eq!(bench.r(cb("CBn_FSR", SECOND)), 0x402, "SS is gone");
}

/// A bank nested in one that cannot be used: a global fault with ATS set. GATS shows it in GPAR alone (§4.3).
#[test]
fn unusable_second_bank() {
    for (cbar, sgfsr, gpar) in [(nested_in(200), 8, 1 << 30 | 1), (nested_in(6), 1, 1 << 29 | 1)] {
        let mut bench = nested(0);
        bench.w(cb("CBARn", FIRST), cbar);
        bench.w64("GATS1PR", 0x1000 | 5);
        assert_eq!(bench.r("GPAR"), gpar);
        assert_eq!(bench.r("sGFSR"), 0);
        ask(&mut bench);
        assert_eq!(bench.r("sGFSR"), sgfsr);
        assert_eq!(bench.r("sGFSYNR0"), 0x45, "ATS, PNU, Nested");
        assert_eq!(u64::from(bench.r(cb("CBn_PAR", FIRST))), PAR_TERMINATED);
    }
}

/// Global operations neither wait for a stalled bank nor mind what one has recorded (behaviour 56).
#[test]
fn global_operations_never_wait() {
    let mut bench = nested(CFCFG);
    bench.w(cb("CBARn", 6), nested_in(SECOND));
    bench.smmu.conclude(&mut bench.host, 6, OPERATION, Err(STAGE2));
    let fsr = bench.r(cb("CBn_FSR", SECOND));
    for operation in ["GATS1PR", "GATS12PR"] {
        bench.w64("GPAR", 0);
        bench.w64(operation, 0x1000 | 5);
        assert_eq!(bench.r("GATSR"), 0, "GATSR");
        let gpar = bench.r("GPAR");
        assert_eq!(gpar & 0x8000_0001, 1, "F, and never ATOT");
        assert_eq!(bench.r(cb("CBn_FSR", SECOND)), fsr);
    }
}
