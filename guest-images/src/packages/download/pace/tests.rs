// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

#[test]
fn a_byte_now_and_then_is_too_slow() {
    let begin = Instant::now();
    let mut watch = Watch::begin(SLOWEST, begin);
    let after = |seconds| begin + Duration::from_secs(seconds);
    for seconds in [8, 16, 24] {
        assert!(watch.came(1, after(seconds)).is_ok());
    }
    assert_eq!(watch.came(1, after(32)).unwrap_err(), "too slow: 4 bytes in 32 s");
}

#[test]
fn every_stretch_counts_for_itself() {
    let begin = Instant::now();
    let mut watch = Watch::begin(SLOWEST, begin);
    let after = |seconds| begin + Duration::from_secs(seconds);
    assert!(watch.came(100 << 20, after(29)).is_ok());
    assert!(watch.came(1, after(30)).is_ok());
    assert!(watch.came(SLOWEST.bytes, after(45)).is_ok());
    assert!(watch.came(1, after(60)).is_ok());
    assert!(watch.came(1, after(90)).is_err());
}
