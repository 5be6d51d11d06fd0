// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::Rate;

fn near(actual: f64, expected: f64) {
    assert!((actual - expected).abs() < 5e-5, "{actual} is not {expected}");
}

/// Values of R's `binom.test(x, n)$conf.int`.
#[test]
fn bounds_are_those_of_published_tables() {
    for (hits, boots, low, high) in [
        (0, 8, 0.0, 0.369_42),
        (8, 8, 0.630_58, 1.0),
        (5, 10, 0.187_09, 0.812_91),
        (38, 40, 0.830_80, 0.993_89),
        (0, 40, 0.0, 0.088_10),
        (1, 20, 0.001_27, 0.248_73),
    ] {
        let rate = Rate::new(hits, boots);
        near(rate.low, low);
        near(rate.high, high);
    }
}

#[test]
fn no_boot_tells_nothing() {
    let rate = Rate::new(0, 0);
    assert_eq!((rate.share(), rate.low, rate.high), (None, 0.0, 1.0));
}

proptest! {
    #[test]
    fn the_interval_holds_the_share_and_mirrors(boots in 1u32..3000, part in 0.0f64..=1.0) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to boots")]
        let hits = (f64::from(boots) * part) as u32;
        let rate = Rate::new(hits, boots);
        let share = rate.share().unwrap();
        prop_assert!(rate.low <= share && share <= rate.high);
        prop_assert!(0.0 <= rate.low && rate.high <= 1.0);
        let mirror = Rate::new(boots - hits, boots);
        prop_assert!((rate.low - (1.0 - mirror.high)).abs() < 1e-6);
    }
}
