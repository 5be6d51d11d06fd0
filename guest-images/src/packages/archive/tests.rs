// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

#[test]
fn a_release_that_is_out_of_date_is_refused() {
    let release = "Suite: s\nValid-Until: Sat, 29 Nov 2025 08:21:55 UTC\n";
    let at = |text: &str| httpdate::parse_http_date(text).unwrap();
    let check = |release: &str, now: &str| check_date("s", release, at(now)).map_err(|e| e.to_string());
    assert!(check(release, "Sat, 29 Nov 2025 08:21:55 GMT").is_ok());
    assert!(check("Suite: s\n", "Thu, 29 Nov 2035 08:21:55 GMT").is_ok());
    insta::assert_snapshot!(
        check(release, "Sat, 29 Nov 2025 08:21:56 GMT").unwrap_err(),
        @"s: its InRelease was valid until Sat, 29 Nov 2025 08:21:55 UTC: the mirror is out of date (or this \
          machine's clock is wrong)"
    );
    let error = check("Valid-Until: tomorrow\n", "Sat, 29 Nov 2025 08:21:56 GMT").unwrap_err();
    assert!(error.contains("tomorrow"), "{error}");
}

#[test]
fn only_wanted_stanzas_are_parsed() {
    let text = "Package: a\nVersion: 1\n\nPackage: b\nVersion: 2\n\nPackage: ab\n";
    assert_eq!(
        only(text, &|name| name.starts_with('a')),
        "Package: a\nVersion: 1\n\nPackage: ab\n\n"
    );
    assert_eq!(only(text, &|_| false), "");
}
