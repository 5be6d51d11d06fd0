// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Operations of a nested bank, with the faults of stage 2 fed in as the walk would report them.

use super::{Operation, PAR_TERMINATED};
use crate::arch::fault::ContextCause;
use crate::arch::transaction::Intent;
use crate::device::record::tests::{CFCFG, CFRE, FIRST, HUPCF, SECOND, STAGE2, cb, nested, read, write};
use crate::device::smmu::Smmu;
use crate::testing::Host;
use crate::translate::walk::WalkFault;

const OPERATION: Operation = Operation {
    value: 0x7000_1000,
    intent: Intent {
        privileged: true,
        write: false,
        instruction: false,
    },
};

fn ask(smmu: &mut Smmu, host: &mut Host) {
    smmu.write(host, cb(FIRST, 0x800), &OPERATION.value.to_le_bytes());
}

fn active(smmu: &mut Smmu, host: &mut Host) -> bool {
    read(smmu, host, cb(FIRST, 0x8f0)) == 1
}

/// Behaviour 56 and §4.2.4: recorded in the stage 2 bank with ATOF; CBFRSYNRA is left alone.
#[test]
fn stage_2_terminates_an_operation() {
    let (mut smmu, mut host) = nested(CFRE);
    write(&mut smmu, &mut host, 0x1400 + 4 * 2, 0x77);
    smmu.conclude(&mut host, FIRST, OPERATION, Err(STAGE2));
    assert_eq!(read(&mut smmu, &mut host, cb(SECOND, 0x58)), 0x402);
    assert_eq!(read(&mut smmu, &mut host, cb(SECOND, 0x60)), 0x7000_1000);
    assert_eq!(
        read(&mut smmu, &mut host, cb(SECOND, 0x68)),
        5 << 16 | 1 << 9 | 1 << 5 | 1 << 3 | 1 << 2 | 2,
        "S1CBNDX, ATOF, PNU, S1PTWF, NESTED, PLVL"
    );
    assert_eq!(read(&mut smmu, &mut host, 0x1400 + 4 * 2), 0x77);
    assert!(!active(&mut smmu, &mut host));
    assert_eq!(
        read(&mut smmu, &mut host, cb(FIRST, 0x50)) & 0x8000_0003,
        0x8000_0003,
        "ATOT, TF, F"
    );
    assert_eq!(read(&mut smmu, &mut host, cb(FIRST, 0x58)), 0x400);
    // The next one finds the bank blocked.
    ask(&mut smmu, &mut host);
    assert_eq!(
        u64::from(read(&mut smmu, &mut host, cb(FIRST, 0x50))),
        PAR_TERMINATED
    );
}

/// A fault of stage 1 shows in PAR alone, without ATOT, also under a nested translation.
#[test]
fn stage_1_faults_show_in_par_alone() {
    let (mut smmu, mut host) = nested(CFCFG);
    let stage1 = WalkFault::stage1(ContextCause::AccessFlag, 3);
    smmu.conclude(&mut host, FIRST, OPERATION, Err(stage1));
    assert_eq!(read(&mut smmu, &mut host, cb(FIRST, 0x50)) & 0x8000_01ff, 5);
    for bank in [FIRST, SECOND] {
        assert_eq!(read(&mut smmu, &mut host, cb(bank, 0x58)), 0x400);
    }
    assert!(!active(&mut smmu, &mut host));
}

/// Behaviour 56: ATSR stays ACTIVE until the stage 2 bank's RESUME.
#[test]
fn stage_2_stalls_an_operation() {
    for terminate in [0, 1] {
        let (mut smmu, mut host) = nested(CFCFG);
        smmu.conclude(&mut host, FIRST, OPERATION, Err(STAGE2));
        assert_eq!(read(&mut smmu, &mut host, cb(SECOND, 0x58)), 0x4000_0402);
        for _ in 0..3 {
            assert!(active(&mut smmu, &mut host));
        }
        write(&mut smmu, &mut host, cb(FIRST, 8), terminate);
        assert!(
            active(&mut smmu, &mut host),
            "the stage 1 bank has nothing to resume"
        );
        write(&mut smmu, &mut host, cb(SECOND, 0x58), u32::MAX);
        write(&mut smmu, &mut host, cb(SECOND, 8), terminate);
        assert!(!active(&mut smmu, &mut host));
        let par = u64::from(read(&mut smmu, &mut host, cb(FIRST, 0x50)));
        assert_eq!(par == PAR_TERMINATED, terminate == 1, "{par:#x}");
        assert_eq!(par & 1, 1, "retried, it faults for lack of tables");
    }
}

/// While the stage 2 bank holds a stall, a second bank's operation waits for it too, and so does one that HUPCF lets
/// walk.
#[test]
fn operations_wait_for_a_stalled_stage_2_bank() {
    for hupcf in [0, HUPCF] {
        let (mut smmu, mut host) = nested(CFCFG | hupcf);
        write(&mut smmu, &mut host, 0x1000 + 4 * 6, 3 << 16 | 2 << 8);
        smmu.conclude(&mut host, 6, OPERATION, Err(STAGE2));
        if hupcf == 0 {
            ask(&mut smmu, &mut host);
        } else {
            smmu.conclude(&mut host, FIRST, OPERATION, Err(STAGE2));
        }
        assert!(active(&mut smmu, &mut host));
        write(&mut smmu, &mut host, cb(SECOND, 0x58), u32::MAX);
        write(&mut smmu, &mut host, cb(SECOND, 8), 1);
        for bank in [FIRST, 6] {
            assert_eq!(read(&mut smmu, &mut host, cb(bank, 0x8f0)), 0, "bank {bank}");
        }
        assert_eq!(
            u64::from(read(&mut smmu, &mut host, cb(6, 0x50))),
            PAR_TERMINATED,
            "the one that was recorded"
        );
        assert_ne!(
            u64::from(read(&mut smmu, &mut host, cb(FIRST, 0x50))),
            PAR_TERMINATED,
            "the other ran again"
        );
    }
}

/// HUPCF set while an operation only waits lets it run; turning the stage 2 bank off ends what it had stalled.
#[test]
fn operations_are_never_stranded() {
    let (mut smmu, mut host) = nested(CFCFG);
    write(&mut smmu, &mut host, 0x1000 + 4 * 6, 3 << 16 | 2 << 8);
    smmu.conclude(&mut host, 6, OPERATION, Err(STAGE2));
    ask(&mut smmu, &mut host);
    assert!(active(&mut smmu, &mut host));
    write(&mut smmu, &mut host, cb(SECOND, 0), 1 | CFCFG | HUPCF);
    assert!(!active(&mut smmu, &mut host));
    assert_eq!(read(&mut smmu, &mut host, cb(6, 0x8f0)), 1);
    write(&mut smmu, &mut host, cb(SECOND, 0), 0);
    assert_eq!(read(&mut smmu, &mut host, cb(6, 0x8f0)), 0);
    assert_eq!(u64::from(read(&mut smmu, &mut host, cb(6, 0x50))), PAR_TERMINATED);
    assert_eq!(read(&mut smmu, &mut host, cb(SECOND, 0x58)), 0x402, "SS is gone");
}

/// A bank nested in one that cannot be used: a global fault with ATS set. GATS shows it in GPAR alone (§4.3).
#[test]
fn unusable_second_bank() {
    for (cbar, sgfsr, gpar) in [
        (3 << 16 | 200 << 8, 8, 1 << 30 | 1),
        (3 << 16 | 6 << 8, 1, 1 << 29 | 1),
    ] {
        let (mut smmu, mut host) = nested(0);
        write(&mut smmu, &mut host, 0x1000 + 4 * 5, cbar);
        smmu.write(&mut host, 0x110, &(0x1000_u64 | 5).to_le_bytes());
        assert_eq!(read(&mut smmu, &mut host, 0x180), gpar);
        assert_eq!(read(&mut smmu, &mut host, 0x48), 0);
        ask(&mut smmu, &mut host);
        assert_eq!(read(&mut smmu, &mut host, 0x48), sgfsr);
        assert_eq!(read(&mut smmu, &mut host, 0x50), 0x45, "ATS, PNU, Nested");
        assert_eq!(
            u64::from(read(&mut smmu, &mut host, cb(FIRST, 0x50))),
            PAR_TERMINATED
        );
    }
}

/// Global operations neither wait for a stalled bank nor mind what one has recorded (behaviour 56).
#[test]
fn global_operations_never_wait() {
    let (mut smmu, mut host) = nested(CFCFG);
    write(&mut smmu, &mut host, 0x1000 + 4 * 6, 3 << 16 | 2 << 8);
    smmu.conclude(&mut host, 6, OPERATION, Err(STAGE2));
    let fsr = read(&mut smmu, &mut host, cb(SECOND, 0x58));
    for operation in [0x110, 0x130] {
        smmu.write(&mut host, 0x180, &[0; 8]);
        smmu.write(&mut host, operation, &(0x1000_u64 | 5).to_le_bytes());
        assert_eq!(read(&mut smmu, &mut host, 0x188), 0, "GATSR");
        let gpar = read(&mut smmu, &mut host, 0x180);
        assert_eq!(gpar & 0x8000_0001, 1, "F, and never ATOT");
        assert_eq!(read(&mut smmu, &mut host, cb(SECOND, 0x58)), fsr);
    }
}
