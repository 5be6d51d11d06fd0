// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A report as JUnit XML: a suite for each kernel, a case for each cell; and a suite for the comparison with earlier
//! nights.

use quick_junit::{
    NonSuccessKind, Property, Report as Xml, SerializeError, TestCase, TestCaseStatus, TestSuite,
};

use super::changes::Changes;
use super::{CellReport, Report, Word};

/// Name of the suite of that comparison.
pub(super) const NIGHTS: &str = "nights";

/// The report as XML.
///
/// # Errors
/// None that is known: characters that XML cannot have are left out.
pub fn xml(report: &Report) -> Result<String, SerializeError> {
    let mut xml = Xml::new(report.name.as_str());
    let mut suites: Vec<(String, TestSuite)> = Vec::new();
    let mut add = |kernel: &str, case: TestCase| match suites.iter_mut().find(|(known, _)| known == kernel) {
        Some((_, suite)) => {
            suite.add_test_case(case);
        }
        None => {
            let mut suite = TestSuite::new(kernel);
            suite.add_test_case(case);
            suites.push((kernel.to_owned(), suite));
        }
    };
    for cell in &report.cells {
        add(&cell.part.kernel, case(report, cell));
    }
    for skipped in &report.skipped {
        let mut status = TestCaseStatus::skipped();
        status.set_message(skipped.reason.as_str());
        add("skipped", TestCase::new(skipped.key.as_str(), status));
    }
    xml.add_test_suites(suites.into_iter().map(|(_, suite)| suite));
    xml.add_test_suites(report.changes.as_ref().map(nights));
    xml.to_string()
}

/// Suite of the comparison with earlier nights, a case for each check.
fn nights(changes: &Changes) -> TestSuite {
    let mut suite = TestSuite::new(NIGHTS);
    for (check, alarms) in changes.checks() {
        let mut status = TestCaseStatus::success();
        if !alarms.is_empty() {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(alarms.join("\n"));
        }
        let mut case = TestCase::new(check, status);
        case.set_classname(NIGHTS);
        case.set_system_out(changes.summary());
        suite.add_test_case(case);
    }
    suite
}

fn case(report: &Report, cell: &CellReport) -> TestCase {
    let message = line(cell);
    let mut status = match cell.word {
        Word::AsExpected => TestCaseStatus::success(),
        Word::NotAsExpected => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Word::Inconclusive => TestCaseStatus::skipped(),
        Word::Infra => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    if cell.word != Word::AsExpected {
        status.set_message(message.as_str());
    }
    let mut case = TestCase::new(cell.part.key.as_str(), status);
    case.set_classname(cell.part.recipe.as_str());
    let mut property = |name: &str, value: String| {
        case.add_property(Property::new(name, value));
    };
    property("seed", report.seed.to_string());
    property("kernel", cell.part.release.clone());
    property("qemu", cell.part.qemu.clone());
    property("cpus", cell.part.cpus.to_string());
    property("start", cell.part.start.to_string());
    property("hits", cell.hits.to_string());
    property("clean", cell.clean.to_string());
    property("other-bug", cell.other_bug.to_string());
    property("inconclusive", cell.inconclusive.to_string());
    property("infra", cell.infra.to_string());
    property("interval-low", cell.interval.low.to_string());
    property("interval-high", cell.interval.high.to_string());
    property("interval-level", cell.interval.level.to_string());
    property("interval-method", cell.interval.method.to_owned());
    case.set_system_out(message);
    case
}

/// Hits, rate and interval of a cell in one line.
pub(super) fn line(cell: &CellReport) -> String {
    let boots = cell.count().boots;
    let mut line = format!(
        "{} of {boots} boots hit, {:.0} % interval {:.1} % to {:.1} % ({}); {} other bugs, {} inconclusive, {} infra",
        cell.hits,
        cell.interval.level * 100.0,
        cell.interval.low * 100.0,
        cell.interval.high * 100.0,
        cell.interval.method,
        cell.other_bug,
        cell.inconclusive,
        cell.infra
    );
    if let Some((boot, reason)) = cell.reasons.values().next_back().filter(|_| boots == 0) {
        line.push_str(&format!("; boot {boot}: {reason}"));
    }
    line
}
