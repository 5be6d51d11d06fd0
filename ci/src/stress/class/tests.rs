// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::{Class, counted};
use crate::boot::findings::Finding;
use crate::boot::outcome::{BootReport, Outcome};
use crate::recipe::{FindingKind, shipped};

fn report(outcome: Outcome, kinds: &[FindingKind]) -> BootReport {
    let finding = |kind: &FindingKind| Finding::new(*kind, None, "title".to_owned(), String::new());
    BootReport {
        outcome,
        warnings: 0,
        hits: Vec::new(),
        findings: kinds.iter().map(finding).collect(),
        expectations: Vec::new(),
        total_ms: 1,
        boot_ms: Some(1),
        results: Vec::new(),
        server_messages: Vec::new(),
        tail: Vec::new(),
        stderr_tail: Vec::new(),
        console: None,
        trace: None,
    }
}

/// The table of docs/stress.md.
#[test]
fn outcomes_and_findings_make_classes() {
    let not = || Outcome::NotAsExpected("x".to_owned());
    let unknown = || Outcome::Inconclusive("x".to_owned());
    let none: &[FindingKind] = &[];
    for (recipe, outcome, findings, class) in [
        ("few-smrs", Outcome::AsExpected, none, Class::Hit),
        ("few-smrs", not(), none, Class::Clean),
        ("attach-lock-control", Outcome::AsExpected, none, Class::Clean),
        ("attach-lock-control", not(), none, Class::Hit),
        // A boot that says something votes, whatever else it shows.
        (
            "few-smrs",
            Outcome::AsExpected,
            &[FindingKind::Warning],
            Class::Hit,
        ),
        ("few-smrs", not(), &[FindingKind::Warning], Class::Clean),
        ("few-smrs", unknown(), &[FindingKind::Oops], Class::OtherBug),
        (
            "few-smrs",
            Outcome::NotBooted("x".to_owned()),
            &[FindingKind::Panic],
            Class::OtherBug,
        ),
        (
            "few-smrs",
            Outcome::NotBooted("x".to_owned()),
            none,
            Class::Inconclusive,
        ),
        ("few-smrs", unknown(), none, Class::Inconclusive),
        // A line of a driver is no bug as such, and a finding that is looked for is no other one.
        (
            "few-smrs",
            unknown(),
            &[FindingKind::ProbeFailed, FindingKind::ContextFault],
            Class::Inconclusive,
        ),
        (
            "few-smrs",
            unknown(),
            &[FindingKind::LateProbe],
            Class::Inconclusive,
        ),
        ("amba-null", unknown(), &[FindingKind::LateProbe], Class::OtherBug),
    ] {
        let expect = shipped(recipe).unwrap().recipe().unwrap().expect;
        let found = Class::of(&report(outcome.clone(), findings), &expect);
        assert_eq!(found, class, "{recipe}, {outcome:?}, {findings:?}");
    }
}

#[test]
fn what_counts_as_a_hit_is_said() {
    let of = |recipe: &str| counted(&shipped(recipe).unwrap().recipe().unwrap().expect);
    assert_eq!(of("few-smrs"), "as expected: late-probe warning");
    assert_eq!(
        of("attach-lock-control"),
        "not as expected: no late-probe warning"
    );
}
