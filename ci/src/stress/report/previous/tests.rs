// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs;

use super::Previous;
use crate::stress::class::Class::Clean;
use crate::stress::samples::{header, write};

#[test]
fn nights_are_those_of_a_directory_or_named_and_never_this_one() {
    let nights = tempfile::tempdir().unwrap();
    let path = |name: &str| nights.path().join(name);
    for (name, time) in [("b", 2), ("a", 3), ("c", 1)] {
        write(&path(name), &header(1, &["r"]), time, &[vec![Clean]]).unwrap();
    }
    // Other things may lie about, and one night was killed before it began.
    fs::create_dir(path("notes")).unwrap();
    fs::create_dir(path("killed")).unwrap();
    fs::write(path("killed/results.ndjson"), "{\"type\":\"hea").unwrap();
    let found = Previous::read(&[nights.path().to_owned()], &path("a")).unwrap();
    let began: Vec<_> = found.nights.iter().map(|night| night.report.began).collect();
    assert_eq!(began, [Some(1), Some(2)]);
    assert_eq!(found.left_out.len(), 1);
    assert!(
        found.left_out[0].to_string().contains("killed"),
        "{:?}",
        found.left_out
    );
    let named = Previous::read(&[path("a"), path("b")], &path("a")).unwrap();
    assert_eq!(named.nights.len(), 1);
    for wrong in ["killed", "nowhere"] {
        let error = Previous::read(&[path(wrong)], &path("a")).unwrap_err();
        assert!(error.to_string().contains(wrong), "{error}");
    }
}
