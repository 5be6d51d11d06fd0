// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

#[test]
fn the_ignored_signals_of_a_process() {
    let status = "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001003\nSigCgt:\t0\n";
    let mask = ignored_in(status);
    assert!(is_in(mask, SIGHUP) && is_in(mask, SIGINT));
    assert!(!is_in(mask, SIGTERM) && !is_in(mask, 0) && !is_in(mask, 65));
    assert_eq!(ignored_in("nonsense"), 0);
    assert_eq!(ignored_in("SigIgn:\tx"), 0);
}
