// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

/// A disk has a port for each queue.
#[test]
fn a_master_waits_as_long_as_one_of_its_ports_does() {
    let activity = Activity::default();
    let (first, second) = (activity.wait(), activity.wait());
    drop(first);
    assert!(activity.waits());
    drop(second);
    assert!(!activity.waits());
    assert_eq!(activity.stalled(), 2);
}
