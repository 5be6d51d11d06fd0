// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::{compact, rfc3339};

#[test]
fn times_are_in_utc_and_have_an_end() {
    assert_eq!(compact(0), "19700101-000000");
    assert_eq!(compact(951_782_400), "20000229-000000");
    assert_eq!(compact(1_795_374_312), "20261122-190512");
    assert_eq!(rfc3339(1_795_374_312), "2026-11-22T19:05:12Z");
    // A file of results may say anything.
    assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59Z");
}
