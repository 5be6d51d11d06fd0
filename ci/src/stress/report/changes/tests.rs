// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::{Changes, Night};
use crate::recipe::FindingKind;
use crate::stress::class::Class::{self, Clean, Hit, Inconclusive, Infra, OtherBug};
use crate::stress::record::Header;
use crate::stress::report::Report;
use crate::stress::samples::{header, of, write};
use crate::stress::store::read;

const DAY: u64 = 86_400;

/// Cells of all nights: a race on two kernels, and the control of one.
fn cells() -> Header {
    header(
        40,
        &[
            "race@debian:7.3.4",
            "race@debian:6.16.3",
            "race-control@debian:7.3.4",
        ],
    )
}

fn night(number: u64, header: &Header, classes: &[Vec<Class>]) -> Night {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), header, number * DAY, classes).unwrap();
    Night {
        dir: dir.path().to_owned(),
        report: Report::new(&read(dir.path()).unwrap()),
    }
}

fn quiet(hits: usize) -> Vec<Vec<Class>> {
    vec![
        of(&[(Hit, hits), (Clean, 40 - hits)]),
        of(&[(Hit, 12), (Clean, 28)]),
        of(&[(Clean, 40)]),
    ]
}

fn lines(changes: &Changes) -> Vec<String> {
    changes.lines().collect()
}

#[test]
fn nights_alike_raise_no_alarm() {
    let header = cells();
    let nights = [night(1, &header, &quiet(30)), night(2, &header, &quiet(27))];
    let changes = Changes::new(&night(3, &header, &quiet(33)).report, &nights);
    assert_eq!(lines(&changes), [""; 0]);
    assert!(!changes.is_alarm());
    assert_eq!(changes.nights, [DAY, 2 * DAY]);
    assert!(
        changes.summary().ends_with("nothing has changed."),
        "{}",
        changes.summary()
    );
    assert!(
        changes
            .trends
            .iter()
            .all(|trend| trend.last_other.is_none() && trend.points.len() == 3)
    );
    // The first night has nothing to compare.
    let first = Changes::new(&nights[0].report, &nights[1..]);
    assert!(!first.is_alarm() && first.nights.is_empty(), "{first:?}");
}

/// A rate that falls with another kernel under the same name is found in its first night; afterwards the page still
/// says since when.
#[test]
fn a_rate_that_changes_is_an_alarm_once_and_says_what_was_booted() {
    let header = cells();
    let mut other = header.clone();
    other.cells[0].image_sha256 = "99".to_owned();
    other.cells[0].release = "7.3.5+deb13-arm64".to_owned();
    let mut nights = vec![
        night(2, &header, &quiet(31)),
        night(1, &header, &quiet(30)),
        night(9, &header, &quiet(0)),
    ];
    let third = night(3, &other, &quiet(4));
    let changes = Changes::new(&third.report, &nights);
    insta::assert_snapshot!(format!("{}\n{}", changes.summary(), lines(&changes).join("\n")));
    let trend = &changes.trends[0];
    assert_eq!(
        (trend.last_other, trend.first_such),
        (Some(2 * DAY), Some(3 * DAY))
    );
    let test = trend.test.as_ref().unwrap();
    assert!(
        (test.p_corrected / (3.0 * test.p) - 1.0).abs() < 1e-9 && test.p < 1e-8,
        "{test:?}"
    );
    nights.push(third);
    let fourth = Changes::new(&night(4, &other, &quiet(5)).report, &nights);
    assert_eq!(lines(&fourth), [""; 0]);
    let trend = &fourth.trends[0];
    assert_eq!(
        (trend.last_other, trend.first_such),
        (Some(2 * DAY), Some(3 * DAY))
    );
}

/// A difference that one cell of a hundred shows by chance is none.
#[test]
fn chance_is_no_alarm() {
    let names: Vec<String> = (0..30).map(|number| format!("r{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let header = header(20, &names);
    let all = |hits: usize| {
        let mut classes = vec![of(&[(Hit, 10), (Clean, 10)]); 30];
        classes[7] = of(&[(Hit, hits), (Clean, 20 - hits)]);
        classes
    };
    let changes = Changes::new(&night(2, &header, &all(17)).report, &[night(1, &header, &all(8))]);
    let test = changes.trends[7].test.as_ref().unwrap();
    assert!(test.p < 0.01 && test.p_corrected > 0.05, "{test:?}");
    assert!(!changes.is_alarm());
}

#[test]
fn another_text_of_a_recipe_is_not_compared() {
    let header = cells();
    let mut other = header.clone();
    other.cells[0].recipe_sha256 = "99".to_owned();
    let changes = Changes::new(
        &night(2, &other, &quiet(0)).report,
        &[night(1, &header, &quiet(40))],
    );
    assert!(
        !changes.is_alarm() && changes.trends[0].test.is_none(),
        "{changes:?}"
    );
}

#[test]
fn a_title_is_new_where_its_kernel_never_had_it() {
    let header = cells();
    let mut classes = quiet(30);
    classes[1] = of(&[(Hit, 10), (Clean, 28), (OtherBug, 2)]);
    let before = night(1, &header, &classes);
    let again = Changes::new(&night(2, &header, &classes).report, std::slice::from_ref(&before));
    assert!(!again.is_alarm(), "{again:?}");
    classes[2] = of(&[(Clean, 39), (OtherBug, 1)]);
    let changes = Changes::new(&night(2, &header, &classes).report, &[before]);
    assert_eq!(
        lines(&changes),
        ["new title, oops amba_dma_configure: race-control@debian:7.3.4,smp=2 boot 40"]
    );
    assert_eq!(changes.new_titles[0].kind, FindingKind::Oops);
}

#[test]
fn boots_that_say_nothing_and_cells_without_any_are_alarms() {
    let header = cells();
    let before = night(1, &header, &quiet(30));
    let mut classes = quiet(30);
    // A fifth may.
    classes[0] = of(&[(Hit, 24), (Clean, 8), (Inconclusive, 8)]);
    classes[1] = of(&[(Hit, 7), (Clean, 24), (Inconclusive, 9)]);
    classes[2] = of(&[(Infra, 3)]);
    let changes = Changes::new(&night(2, &header, &classes).report, &[before]);
    assert_eq!(
        lines(&changes),
        [
            "too many boots say nothing, race@debian:6.16.3,smp=2: 9 inconclusive and 0 infra of 40",
            "too many boots say nothing, race-control@debian:7.3.4,smp=2: 0 inconclusive and 3 infra of 3",
            "no conclusive boots, race-control@debian:7.3.4,smp=2: the night before had some",
        ]
    );
}
