// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Callers that ask late, and tokens that are not of this SMMU.

use crate::arch::response::Response;
use crate::device::bank_state::KEPT;
use crate::device::record::tests::{CFCFG, CFRE, SECOND, STAGE2, cb, fault, nested};

/// Decisions are kept for a while; a caller that asks later finds its transaction ended, and it does not start again.
#[test]
fn late_callers_find_their_transaction_ended() {
    let mut bench = nested(CFCFG | CFRE);
    let mut stalls = Vec::new();
    for _ in 0..3 * KEPT {
        let Response::Stall(recorded) = fault(&mut bench, STAGE2) else {
            panic!("CFCFG stalls");
        };
        let Response::Stall(waiter) = fault(&mut bench, STAGE2) else {
            panic!("others wait");
        };
        stalls.push((recorded, waiter));
        bench.w(cb("CBn_FSR", SECOND), u32::MAX);
        bench.w(cb("CBn_RESUME", SECOND), 1);
    }
    let mut answers = Vec::new();
    for (recorded, waiter) in stalls {
        assert_eq!(bench.smmu.resume(&mut bench.host, recorded), Response::Abort);
        answers.push(bench.smmu.resume(&mut bench.host, waiter));
    }
    let (late, in_time) = answers.split_at(answers.len() - KEPT / 4);
    assert_eq!(late[0], Response::Abort);
    // It starts again in bank 5, whose CFRE is clear, and faults there.
    assert!(
        in_time.iter().all(|answer| *answer == Response::Ignore),
        "{in_time:?}"
    );
}

#[test]
fn a_token_of_a_larger_smmu_ends() {
    let mut bench = nested(CFCFG);
    let Response::Stall(mut stall) = fault(&mut bench, STAGE2) else {
        panic!("CFCFG stalls");
    };
    stall.0.bank = 200;
    assert_eq!(bench.smmu.resume(&mut bench.host, stall), Response::Abort);
}

/// Reset forgets every bank; a transaction from before it must not go through untranslated.
#[test]
fn reset_ends_what_waits() {
    let mut bench = nested(CFCFG);
    let Response::Stall(stall) = fault(&mut bench, STAGE2) else {
        panic!("CFCFG stalls");
    };
    let Response::Stall(waiter) = fault(&mut bench, STAGE2) else {
        panic!("others wait");
    };
    bench.smmu.reset(&mut bench.host);
    assert!(bench.host.resumed.contains(&SECOND));
    for stall in [stall, waiter] {
        assert_eq!(bench.smmu.resume(&mut bench.host, stall), Response::Abort);
    }
}
