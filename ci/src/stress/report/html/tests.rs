// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::page;
use crate::stress::class::Class::{Clean, Hit};
use crate::stress::report::Report;
use crate::stress::samples::{header, of, write};
use crate::stress::store::read;

/// Pages of a race on two kernels with these delays, all at 10 of 40 boots.
fn with_delays(delays: &[&[(&str, u64)]]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut header = header(40, &["race@debian:7.3.4", "race@debian:6.16.3"]);
    let plain = header.cells.clone();
    for (number, delays) in delays.iter().enumerate() {
        for mut cell in plain.clone() {
            cell.key = format!("{}+{number}", cell.key);
            cell.change = Some(number.to_string());
            cell.delays = delays
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect();
            header.cells.push(cell);
        }
    }
    let classes = vec![of(&[(Hit, 10), (Clean, 30)]); header.cells.len()];
    write(dir.path(), &header, 1, &classes).unwrap();
    let report = Report::new(&read(dir.path()).unwrap());
    page(&report, &[]).unwrap()
}

#[test]
fn a_delay_that_varies_alone_has_a_chart_with_a_line_for_each_kernel() {
    let page = with_delays(&[&[("a ats polls", 2)], &[("a ats polls", 10)]]);
    assert!(
        page.contains("Rate against delay") && page.contains("delay: a ats polls"),
        "{page}"
    );
    // None, two and ten, on each of two kernels.
    assert_eq!(page.matches("<circle").count(), 6);
    assert_eq!(page.matches("<polyline").count(), 2);
}

#[test]
fn rates_for_which_no_single_delay_stands_have_no_chart() {
    for delays in [&[][..], &[&[("a ats polls", 2), ("b global-sync us", 7)][..]]] {
        assert!(!with_delays(delays).contains("Rate against delay"), "{delays:?}");
    }
}
