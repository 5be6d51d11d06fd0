// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::{Rate, clopper_pearson};

#[track_caller]
fn near(actual: f64, expected: f64) {
    let close = (actual - expected).abs() <= 1e-9 + 1e-7 * expected.abs();
    assert!(close, "{actual} is not {expected}");
}

/// Values of scipy 1.17.1: `beta.ppf(a / 2, x, n - x + 1)` and `beta.ppf(1 - a / 2, x + 1, n - x)`.
#[test]
fn bounds_are_those_of_scipy() {
    for (hits, boots, alpha, low, high) in [
        (0, 8, 0.05, 0.0, 0.369_416_647_552_819_2),
        (8, 8, 0.05, 0.630_583_352_447_180_8, 1.0),
        (5, 10, 0.05, 0.187_086_028_447_398_55, 0.812_913_971_552_601_5),
        (38, 40, 0.05, 0.830_803_136_040_582_3, 0.993_886_353_400_649_1),
        (0, 40, 0.05, 0.0, 0.088_097_302_878_802_37),
        (1, 20, 0.05, 0.001_265_089_497_949_804_7, 0.248_732_762_772_027_77),
        (470, 1000, 0.05, 0.438_693_411_941_039, 0.501_483_682_076_021_3),
        (3, 100_000, 0.05, 6.186_763_958_922_032e-6, 8.767_020_256_636_2e-5),
        (0, 1000, 0.01, 0.0, 0.005_284_306_039_497_442),
        (20, 20, 0.01, 0.767_270_499_010_925_5, 1.0),
    ] {
        let interval = clopper_pearson(hits, boots, alpha);
        near(interval.0, low);
        near(interval.1, high);
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
