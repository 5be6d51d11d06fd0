// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs;

use super::{Keep, Results, ResultsError};
use crate::boot::findings::Finding;
use crate::boot::outcome::{BootReport, Outcome};
use crate::recipe::{ExpectBoots, FindingKind};

fn report(outcome: Outcome) -> BootReport {
    BootReport {
        outcome,
        warnings: 0,
        hits: Vec::new(),
        findings: Vec::new(),
        expectations: Vec::new(),
        total_ms: 1,
        boot_ms: None,
        results: Vec::new(),
        tail: Vec::new(),
        server_messages: Vec::new(),
        stderr_tail: Vec::new(),
        console: None,
        trace: None,
    }
}

#[test]
fn a_line_per_boot_and_only_the_consoles_asked_for() {
    for (keep, expected) in [
        (Keep::Hits, vec![2, 3]),
        (Keep::All, vec![1, 2, 3]),
        (Keep::None, vec![]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut results = Results::create(Some(dir.path()), "boot", ExpectBoots::Some, keep).unwrap();
        let outcomes = [
            Outcome::NotAsExpected("x".into()),
            Outcome::AsExpected,
            Outcome::Inconclusive("because".to_owned()),
        ];
        for (boot, outcome) in (1..).zip(outcomes) {
            if let Some(console) = results.console(boot) {
                fs::write(console, "console").unwrap();
            }
            results.record(boot, 7, &report(outcome)).unwrap();
        }
        let lines = fs::read_to_string(dir.path().join("results.ndjson")).unwrap();
        let lines: Vec<serde_json::Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(
            (&lines[1]["boot"], &lines[1]["outcome"]),
            (&2.into(), &"as-expected".into())
        );
        assert_eq!(lines[2]["reason"], "because");
        let there: Vec<u32> = (1..=3)
            .filter(|boot| dir.path().join(format!("boot-{boot:03}.log")).exists())
            .collect();
        assert_eq!(there, expected);
        assert_eq!(results.kept().len(), expected.len());
    }
}

#[test]
fn a_directory_that_cannot_be_written_says_what_to_do() {
    let error = Results::create(Some("/proc/none".as_ref()), "boot", ExpectBoots::Some, Keep::All)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("/proc/none") && error.contains("--results"),
        "{error}"
    );
}

#[test]
fn the_results_of_an_earlier_run_stay() {
    let dir = tempfile::tempdir().unwrap();
    let mut results = Results::create(Some(dir.path()), "boot", ExpectBoots::Some, Keep::All).unwrap();
    let console = results.console(1).unwrap();
    fs::write(&console, "console").unwrap();
    // A run that was killed before its first boot was over has no results.
    drop(Results::create(Some(dir.path()), "boot", ExpectBoots::Some, Keep::All).unwrap());
    results.record(1, 7, &report(Outcome::AsExpected)).unwrap();
    let error = Results::create(Some(dir.path()), "boot", ExpectBoots::Some, Keep::All).unwrap_err();
    assert!(matches!(error, ResultsError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("--results"), "{error}");
    assert_eq!(fs::read_to_string(console).unwrap(), "console");
}

#[test]
fn a_run_without_a_boot_leaves_what_was_printed_and_nothing_else() {
    let base = tempfile::tempdir().unwrap();
    let new = base.path().join("new");
    let results = Results::create(Some(&new), "boot", ExpectBoots::Some, Keep::All).unwrap();
    fs::write(results.console(1).unwrap(), "").unwrap();
    assert_eq!(results.abandon(), None);
    assert!(!new.exists());
    let results = Results::create(Some(base.path()), "boot", ExpectBoots::Some, Keep::All).unwrap();
    assert_eq!(results.abandon(), None);
    assert!(base.path().exists(), "it is the user's");
    let results = Results::create(Some(&new), "boot", ExpectBoots::Some, Keep::All).unwrap();
    let console = results.console(1).unwrap();
    fs::write(&console, "Booting").unwrap();
    assert_eq!(results.abandon(), Some(console.clone()));
    assert!(console.exists());
}

#[test]
fn consoles_worth_a_look() {
    let dir = tempfile::tempdir().unwrap();
    let kept = |boots, report: &BootReport| {
        let dir = tempfile::tempdir_in(dir.path()).unwrap();
        let mut results = Results::create(Some(dir.path()), "boot", boots, Keep::Hits).unwrap();
        results.record(1, 7, report).unwrap();
        results.kept().len() == 1
    };
    let not = || Outcome::NotAsExpected("x".into());
    assert!(
        kept(ExpectBoots::Some, &report(Outcome::AsExpected)) && !kept(ExpectBoots::Some, &report(not()))
    );
    assert!(
        !kept(ExpectBoots::Every, &report(Outcome::AsExpected)) && kept(ExpectBoots::Every, &report(not()))
    );
    let mut trouble = report(Outcome::AsExpected);
    trouble.findings = vec![Finding::new(
        FindingKind::Warning,
        None,
        String::new(),
        String::new(),
    )];
    assert!(kept(ExpectBoots::Every, &trouble));
}
