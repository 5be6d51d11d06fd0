// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::changes::{Changes, Night};
use super::evidence::Evidence;
use super::kcidb::{self, Names};
use super::{PairsWord, Report, Word, email, junit, ktap};
use crate::report::mail::COLUMNS;
use crate::stats::sprt::Sprt;
use crate::stress::class::Class::{self, Clean, Hit, Inconclusive, Infra, OtherBug};
use crate::stress::pairs::PairTest;
use crate::stress::record::{Header, Skipped};
use crate::stress::samples::{RACE, header, of, write};
use crate::stress::store::{Recorded, read};

/// Results with these boots of each cell, read from a file.
fn recorded(header: &Header, cells: &[Vec<Class>]) -> Recorded {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), header, 1_795_374_312, cells).unwrap();
    read(dir.path()).unwrap()
}

/// Evidence of a hit of the sample, from a `verdict.json`.
fn evidence() -> Vec<Evidence> {
    let dir = tempfile::tempdir().unwrap();
    let header = header(40, &["race@debian:7.3.4"]);
    write(
        dir.path(),
        &header,
        1_795_374_312,
        &[of(&[(Hit, 30), (Clean, 10)])],
    )
    .unwrap();
    let boot = dir.path().join("boots/cell-0/000001.1");
    std::fs::create_dir_all(&boot).unwrap();
    std::fs::write(boot.join("verdict.json"), include_str!("verdict.json")).unwrap();
    std::fs::write(boot.join("console.log"), "").unwrap();
    let recorded = read(dir.path()).unwrap();
    Evidence::of(&Report::new(&recorded), &recorded, dir.path())
}

#[test]
fn as_mail() {
    let mut report = sample();
    let night = Night {
        dir: "/nights/1".into(),
        report: Report {
            began: Some(1_795_287_912),
            ..sample()
        },
    };
    report.changes = Some(Changes::new(&report, &[night]));
    let text = email::text(&report, &evidence());
    insta::assert_snapshot!(text);
    // Lines of the kernel stay as they were printed.
    for line in text.lines().filter(|line| !line.starts_with("[  ")) {
        assert!(line.chars().count() <= COLUMNS, "{line}");
    }
}

#[test]
fn as_kcidb() {
    let names = Names::new("me_2", Some("run")).unwrap();
    let objects = kcidb::objects(&sample(), &names);
    insta::assert_snapshot!(serde_json::to_string_pretty(&objects).unwrap());
    for wrong in ["", "Me", "a-b", "a:b"] {
        assert!(Names::new(wrong, None).is_err(), "{wrong}");
    }
}

/// Of each cell one boot for each set of titles; without its directory nothing is known but the boot.
#[test]
fn evidence_is_bounded_and_a_directory_that_is_gone_is_no_error() {
    let header = header(40, &["race@debian:7.3.4", "race@debian:6.16.3"]);
    let recorded = recorded(&header, &[of(&[(Hit, 40)]), of(&[(Hit, 20), (OtherBug, 20)])]);
    let found = Evidence::of(&Report::new(&recorded), &recorded, "/nowhere".as_ref());
    let boots: Vec<_> = (found.iter())
        .map(|one| (one.cell.as_str(), one.boot, one.class))
        .collect();
    assert_eq!(
        boots,
        [
            ("race@debian:7.3.4,smp=2", 1, Hit),
            ("race@debian:6.16.3,smp=2", 1, Hit)
        ]
    );
    let nothing = |one: &Evidence| one.late_probes.is_empty() && one.files.is_empty();
    assert!(found.iter().all(nothing));
}

/// Two kernels, a recipe and its control; a boot that failed; another bug.
fn sample() -> Report {
    let mut header = header(40, &RACE);
    header.skipped = vec![Skipped {
        key: "race@debian:6.12,smp=2".to_owned(),
        reason: "kernel 6.12.117 cannot print it".to_owned(),
    }];
    let cells = [
        of(&[(Hit, 30), (Clean, 9), (Inconclusive, 1)]),
        of(&[(Clean, 40)]),
        of(&[(Hit, 12), (Clean, 26), (OtherBug, 2)]),
        of(&[(Clean, 30), (Infra, 1)]),
    ];
    Report::new(&recorded(&header, &cells))
}

#[test]
fn for_people() {
    insta::assert_snapshot!(sample().to_string());
}

#[test]
fn as_junit() {
    let xml = junit::xml(&sample()).unwrap();
    insta::assert_snapshot!(xml);
}

#[test]
fn as_ktap() {
    insta::assert_snapshot!(ktap::text(&sample()));
}

/// The comparison with earlier nights is in the forms for machines, each check by one name from night to night.
#[test]
fn nights_are_cases_of_their_own() {
    let report = |hits: usize| {
        let header = header(40, &["race@debian:7.3.4"]);
        let boots = of(&[(Hit, hits), (Clean, 40 - hits)]);
        Report {
            began: Some(1_795_374_312),
            ..Report::new(&recorded(&header, &[boots]))
        }
    };
    let compared = |hits: usize| {
        let night = Night {
            dir: "/nights/1".into(),
            report: Report {
                began: Some(1_795_287_912),
                ..report(30)
            },
        };
        let mut report = report(hits);
        report.changes = Some(Changes::new(&report, &[night]));
        let ktap = ktap::text(&report);
        let xml = junit::xml(&report).unwrap();
        let failures = xml
            .split("<testsuite ")
            .find(|suite| suite.starts_with("name=\"nights\""))
            .map(|suite| {
                (
                    suite.matches("<testcase ").count(),
                    suite.matches("<failure ").count(),
                )
            });
        let lines = ktap.lines().filter(|line| line.contains("nights: "));
        (lines.map(str::to_owned).collect::<Vec<_>>(), failures)
    };
    let [rates, titles, silent, missing] = [
        "2 nights: rates",
        "3 nights: new titles",
        "4 nights: boots that say nothing",
        "5 nights: cells without boots",
    ];
    let ok = |check: &str| format!("ok {check}");
    let others = [ok(titles), ok(silent), ok(missing)];
    let all = |first: String| [vec![first], others.to_vec()].concat();
    assert_eq!(compared(30), (all(ok(rates)), Some((4, 0))));
    assert_eq!(compared(1), (all(format!("not ok {rates}")), Some((4, 1))));
    assert!(!junit::xml(&report(30)).unwrap().contains("nights"));
}

#[test]
fn kernels_are_compared_by_one_test_for_all() {
    let report = sample();
    let pairs: Vec<_> = report
        .comparisons
        .iter()
        .map(|one| (one.reference.as_str(), one.cell.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("race@debian:7.3.4,smp=2", "race@debian:6.16.3,smp=2"),
            (
                "race-control@debian:7.3.4,smp=2",
                "race-control@debian:6.16.3,smp=2"
            ),
        ]
    );
    let [race, control] = report.comparisons.as_slice() else {
        panic!()
    };
    // scipy 1.17.1: boschloo_exact([[30, 12], [9, 26]], alternative="greater", n=256), twice.
    assert!((race.p / 6.461_427_9e-5 - 1.0).abs() < 1e-3, "{race:?}");
    assert!((race.p_corrected - 2.0 * race.p).abs() < 1e-12, "{race:?}");
    assert!((control.p, control.p_corrected) == (1.0, 1.0), "{control:?}");
}

/// An interval of a number of boots that depends on what was seen has another method, and there is no comparison.
#[test]
fn intervals_and_tests_fit_the_stop_rule() {
    let mut header = header(40, &["r@a", "r@b"]);
    header.stop.sprt = Some(Sprt {
        p0: 0.01,
        p1: 0.2,
        alpha: 0.05,
        beta: 0.05,
    });
    let cells = [of(&[(Clean, 20)]), of(&[(Hit, 5)])];
    let report = Report::new(&recorded(&header, &cells));
    assert!(report.comparisons.is_empty() && report.complete);
    let methods: Vec<&str> = report.cells.iter().map(|cell| cell.interval.method).collect();
    assert_eq!(methods, ["beta-binomial confidence sequence"; 2]);
    insta::assert_snapshot!(report.to_string());
    header.stop = Default::default();
    let report = Report::new(&recorded(&header, &cells));
    // Ended too early, by whatever.
    assert!(!report.complete);
    assert_eq!(
        report.cells[0].interval.method,
        "beta-binomial confidence sequence"
    );
}

#[test]
fn two_cells_are_compared_in_one_line() {
    let report = |cells: [&[(Class, usize)]; 2]| {
        let mut header = header(10, &["r@a", "r@b"]);
        header.stop.pairs = Some(PairTest { alpha: 0.05 });
        Report::new(&recorded(&header, &cells.map(of)))
    };
    let word = |report: &Report| report.pairs.as_ref().unwrap().word(report);
    let differ = report([&[(Hit, 7)], &[(Clean, 7)]]);
    assert_eq!(word(&differ), PairsWord::Differ);
    insta::assert_snapshot!(differ.to_string());
    let equal = report([&[(Hit, 10)], &[(Hit, 9), (Clean, 1)]]);
    assert_eq!(word(&equal), PairsWord::NoDifference);
    assert!(
        equal
            .pairs_line()
            .unwrap()
            .contains("no difference shown (p 1.000"),
        "{equal}"
    );
    for cells in [
        // Not yet all boots; fewer than half say something.
        [&[(Hit, 5)][..], &[(Hit, 5)]],
        [&[(Hit, 4), (Inconclusive, 6)], &[(Hit, 10)]],
    ] {
        assert_eq!(word(&report(cells)), PairsWord::Inconclusive);
    }
}

#[test]
fn answers_of_cells_make_that_of_the_run() {
    let word = |classes: &[&[(Class, usize)]]| {
        let names = ["a", "b-control"];
        let header = header(10, &names[..classes.len()]);
        let cells: Vec<Vec<Class>> = classes.iter().map(|counts| of(counts)).collect();
        Report::new(&recorded(&header, &cells)).word()
    };
    assert_eq!(word(&[&[(Hit, 1), (Clean, 9)], &[(Clean, 10)]]), Word::AsExpected);
    assert_eq!(word(&[&[(Clean, 10)]]), Word::NotAsExpected);
    // Not yet all boots, and no hit.
    assert_eq!(word(&[&[(Clean, 9)]]), Word::Inconclusive);
    assert_eq!(word(&[&[(Hit, 10)], &[(Clean, 5)]]), Word::Inconclusive);
    // Fewer than half say something.
    assert_eq!(word(&[&[(Clean, 4), (Inconclusive, 6)]]), Word::Inconclusive);
    assert_eq!(word(&[&[(Infra, 3)]]), Word::Infra);
    assert_eq!(word(&[&[(Infra, 3)], &[(Hit, 1)]]), Word::NotAsExpected);
    assert_eq!(word(&[&[]]), Word::Inconclusive);
}

/// A guest's title reaches a terminal and XML as text.
#[test]
fn what_a_guest_printed_is_text() {
    let header = header(1, &["r"]);
    let mut recorded = recorded(&header, &[of(&[(OtherBug, 1)])]);
    recorded.boots[0].titles[0].title = "a\u{1b}[31m ]]> <b> # not ok\nnext".to_owned();
    recorded.boots[0].reason = Some("x\u{0}\u{1b}\nok 2 forged # SKIP".to_owned());
    let report = Report::new(&recorded);
    let xml = junit::xml(&report).unwrap();
    assert!(!xml.contains(['\u{1b}', '\u{0}']), "{xml}");
    let ktap = ktap::text(&report);
    assert_eq!(
        ktap.lines().filter(|line| !line.starts_with('#')).count(),
        3,
        "{ktap}"
    );
}
