// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Callers that ask late, and tokens that are not of this SMMU.

use super::KEPT;
use crate::arch::response::Response;
use crate::device::record::tests::{CFCFG, CFRE, SECOND, STAGE2, cb, fault, nested, write};

/// A decision is kept while at most [`KEPT`] others come after it; then the transaction ends, and is not started again.
#[test]
fn late_callers_find_their_transaction_ended() {
    let (mut smmu, mut host) = nested(CFCFG | CFRE);
    let mut stalls = Vec::new();
    for _ in 0..3 * KEPT {
        let Response::Stall(stall) = fault(&mut smmu, &mut host, STAGE2) else {
            panic!("CFCFG stalls");
        };
        stalls.push(stall);
        write(&mut smmu, &mut host, cb(SECOND, 0x58), u32::MAX);
        write(&mut smmu, &mut host, cb(SECOND, 8), 1);
    }
    assert_eq!(smmu.stalls.banks[usize::from(SECOND)].ended.len(), KEPT);
    for stall in stalls {
        assert_eq!(smmu.resume(&mut host, &stall), Response::Abort);
    }
}

#[test]
fn a_token_of_a_larger_smmu_ends() {
    let (mut smmu, mut host) = nested(CFCFG);
    let Response::Stall(mut stall) = fault(&mut smmu, &mut host, STAGE2) else {
        panic!("CFCFG stalls");
    };
    stall.bank = 200;
    assert_eq!(smmu.resume(&mut host, &stall), Response::Abort);
}

/// Reset forgets every bank; a transaction from before it must not go through untranslated.
#[test]
fn reset_ends_what_waits() {
    let (mut smmu, mut host) = nested(CFCFG);
    let Response::Stall(stall) = fault(&mut smmu, &mut host, STAGE2) else {
        panic!("CFCFG stalls");
    };
    let Response::Stall(waiter) = fault(&mut smmu, &mut host, STAGE2) else {
        panic!("others wait");
    };
    smmu.reset(&mut host);
    assert!(host.resumed.contains(&SECOND));
    for stall in [stall, waiter] {
        assert_eq!(smmu.resume(&mut host, &stall), Response::Abort);
    }
}
