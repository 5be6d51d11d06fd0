// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

#[test]
fn a_few_at_once_and_then_one_in_a_while() {
    let limit = LogLimit::new(3, Duration::from_secs(1));
    let at = |ms| limit.pass_at(Duration::from_millis(ms));
    assert_eq!([at(0), at(0), at(1)], [Some(0); 3]);
    assert_eq!([at(2), at(999)], [None; 2]);
    assert_eq!([at(1000), at(1001)], [Some(2), None]);
    assert_eq!([at(2000), at(2000)], [Some(1), None]);
    // A long silence gives the burst back, and no more.
    assert_eq!(
        [at(1_000_000), at(1_000_000), at(1_000_000)],
        [Some(1), Some(0), Some(0)]
    );
    assert_eq!(at(1_000_000), None);
}

/// The interval begins with its first message.
#[test]
fn ten_in_five_seconds_as_in_the_kernel() {
    let limit = LogLimit::default();
    let passed = |begin: u64, end: u64| {
        let passes = (begin..end).filter(|&ms| limit.pass_at(Duration::from_millis(ms)).is_some());
        passes.count()
    };
    assert_eq!(passed(1_000, 6_000), 10);
    assert_eq!(passed(6_000, 6_010), 10);
    assert_eq!(passed(6_010, 10_990), 0);
    assert_eq!(passed(16_000, 16_011), 10);
}
