// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The table of the module, cell by cell, and decisions against a plain list of them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Arrival, BankControl, Disposition, KEPT, Release, Released, StallOutcome, Waiters};
use crate::spec::bank::ContextFaults;

const NOTHING: ContextFaults = ContextFaults::empty();
const FAULT: ContextFaults = ContextFaults::TF;
const STALLED: ContextFaults = FAULT.union(ContextFaults::SS);
const CLEARED: ContextFaults = ContextFaults::SS;

fn control(faults: ContextFaults, hupcf: bool, cfcfg: bool) -> BankControl {
    BankControl {
        faults,
        hit_under_fault: hupcf,
        stall: cfcfg,
        abort: true,
    }
}

#[test]
fn arriving_transactions() {
    for (faults, hupcf, expected) in [
        (NOTHING, false, Arrival::Translate),
        (NOTHING, true, Arrival::Translate),
        (FAULT, false, Arrival::Terminate),
        (FAULT, true, Arrival::Translate),
        (STALLED, false, Arrival::Wait),
        (STALLED, true, Arrival::Translate),
        (CLEARED, false, Arrival::Wait),
    ] {
        let arrival = control(faults, hupcf, true).arrive();
        assert_eq!(arrival, expected, "{faults:?}, HUPCF {hupcf}");
    }
}

#[test]
fn faulting_transactions() {
    use ContextFaults as F;
    for (faults, cfcfg, expected) in [
        (NOTHING, false, (Disposition::Terminate, F::PF)),
        (NOTHING, true, (Disposition::Stall, F::PF | F::SS)),
        (FAULT, false, (Disposition::Terminate, FAULT | F::MULTI)),
        (FAULT, true, (Disposition::Terminate, FAULT | F::MULTI)),
        (STALLED, false, (Disposition::Terminate, STALLED | F::MULTI)),
        (STALLED, true, (Disposition::Wait, STALLED)),
    ] {
        let fault = control(faults, true, cfcfg).fault(F::PF);
        assert_eq!(fault, expected, "{faults:?}, CFCFG {cfcfg}");
    }
}

#[test]
fn released_transactions() {
    let abort = StallOutcome::End { abort: true };
    for (faults, hupcf, release, recorded, others) in [
        (STALLED, false, Release::Retry, abort, abort),
        (
            STALLED,
            true,
            Release::Retry,
            StallOutcome::Retry,
            StallOutcome::Retry,
        ),
        (
            CLEARED,
            false,
            Release::Retry,
            StallOutcome::Retry,
            StallOutcome::Retry,
        ),
        (STALLED, false, Release::Terminate, abort, abort),
        (STALLED, true, Release::Terminate, abort, StallOutcome::Retry),
        (CLEARED, false, Release::Terminate, abort, StallOutcome::Retry),
        (CLEARED, true, Release::Off, abort, abort),
    ] {
        let (left, released) = control(faults, hupcf, true)
            .release(release)
            .expect("a stalled transaction");
        assert_eq!(left, faults.difference(ContextFaults::SS));
        assert_eq!(
            released,
            Released { recorded, others },
            "{faults:?}, HUPCF {hupcf}, {release:?}"
        );
    }
    for faults in [NOTHING, FAULT] {
        assert_eq!(control(faults, false, true).release(Release::Terminate), None);
    }
}

/// CFRE says how a transaction ends, but in a bank that is off it aborts.
#[test]
fn released_transactions_without_cfre() {
    let ignore = BankControl {
        abort: false,
        ..control(STALLED, false, true)
    };
    let outcome = |release| ignore.release(release).map(|(_, released)| released.recorded);
    assert_eq!(
        outcome(Release::Terminate),
        Some(StallOutcome::End { abort: false })
    );
    assert_eq!(outcome(Release::Off), Some(StallOutcome::End { abort: true }));
}

#[derive(Clone, Debug)]
enum BankStep {
    Begin { recorded: bool },
    Elsewhere,
    Release(Released),
    RetryOthers,
    AbortAll,
}

fn outcomes() -> impl Strategy<Value = StallOutcome> {
    prop_oneof![
        Just(StallOutcome::Retry),
        Just(StallOutcome::End { abort: false }),
        Just(StallOutcome::End { abort: true })
    ]
}

fn steps() -> impl Strategy<Value = Vec<BankStep>> {
    let release = (outcomes(), outcomes())
        .prop_map(|(recorded, others)| BankStep::Release(Released { recorded, others }));
    let step = prop_oneof![
        4 => any::<bool>().prop_map(|recorded| BankStep::Begin { recorded }),
        1 => Just(BankStep::Elsewhere),
        2 => release,
        1 => Just(BankStep::RetryOthers),
        1 => Just(BankStep::AbortAll),
    ];
    prop::collection::vec(step, 0..64)
}

proptest! {
    /// Each waiter finds the first decision that was taken about it, or an abort if many came after.
    #[test]
    fn decisions_are_kept(steps in steps()) {
        let mut waiters = Waiters::default();
        let mut expected: BTreeMap<u64, Option<StallOutcome>> = BTreeMap::new();
        let mut recorded = None;
        let mut next = 0;
        for step in steps {
            match step {
                BankStep::Begin { recorded: wanted } => {
                    let is_recorded = wanted && recorded.is_none();
                    waiters.begin(next, is_recorded);
                    expected.insert(next, None);
                    if is_recorded {
                        recorded = Some(next);
                    }
                    next += 1;
                }
                // A transaction of another bank takes a number.
                BankStep::Elsewhere => next += 1,
                BankStep::Release(released) => {
                    waiters.release(released, next);
                    for (number, outcome) in &mut expected {
                        let own = if recorded == Some(*number) { released.recorded } else { released.others };
                        outcome.get_or_insert(own);
                    }
                    recorded = None;
                }
                BankStep::RetryOthers => {
                    waiters.retry_others(next);
                    for (number, outcome) in &mut expected {
                        if recorded != Some(*number) {
                            outcome.get_or_insert(StallOutcome::Retry);
                        }
                    }
                }
                BankStep::AbortAll => {
                    waiters.abort_all(next);
                    for outcome in expected.values_mut() {
                        *outcome = Some(StallOutcome::End { abort: true });
                    }
                    recorded = None;
                }
            }
            prop_assert!(waiters.decided.len() <= KEPT);
            for (number, outcome) in &expected {
                let found = waiters.poll(*number);
                let is_forgotten = waiters.decided.len() == KEPT
                    && waiters.decided.first().is_some_and(|(end, _)| number < end)
                    && found == Some(StallOutcome::End { abort: true });
                prop_assert!(found == *outcome || is_forgotten, "{number}: {found:?}, not {outcome:?}");
            }
        }
    }
}
