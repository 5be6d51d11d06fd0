// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::interval;
use crate::stats::rate::clopper_pearson;

/// Roots of the same equation, found by `scipy.optimize.brentq` of scipy 1.17.1 over `scipy.special.betaln`.
#[test]
fn bounds_are_those_of_scipy() {
    for (hits, boots, alpha, low, high) in [
        (0, 10, 0.05, 0.0, 0.376_987_350_990_677_4),
        (10, 10, 0.05, 0.623_012_649_009_322_6, 1.0),
        (5, 10, 0.05, 0.117_562_924_079_569_39, 0.882_437_075_920_430_1),
        (1, 100, 0.05, 1.417_779_545_891_467_3e-5, 0.084_022_314_463_966_56),
        (38, 40, 0.05, 0.766_105_797_736_013_5, 0.998_475_617_797_414_7),
        (470, 1000, 0.05, 0.412_787_773_426_721_85, 0.527_744_143_473_412_9),
        (0, 1000, 0.01, 0.0, 0.008_594_392_995_274_366),
        (
            3,
            100_000,
            0.05,
            5.613_906_397_620_368e-7,
            1.723_592_707_052_602_6e-4,
        ),
    ] {
        let found = interval(hits, boots, alpha);
        for (found, expected) in [(found.0, low), (found.1, high)] {
            let close = (found - expected).abs() <= 1e-12 + 1e-6 * expected;
            assert!(close, "{hits} of {boots}: {found} is not {expected}");
        }
    }
    assert_eq!(interval(0, 0, 0.05), (0.0, 1.0));
}

/// The chance that the interval misses the rate at *any* of 200 looks, over all sequences of outcomes: exact, by the
/// distribution of the hits among those that it has held so far.
#[test]
fn the_interval_holds_at_every_look_at_once() {
    for rate in [0.02, 0.1, 0.5, 0.9] {
        let mut alive = vec![1.0];
        let mut missed = 0.0;
        for boots in 1..=200_u32 {
            let mut next = vec![0.0; alive.len() + 1];
            for (hits, chance) in alive.iter().enumerate() {
                next[hits] += chance * (1.0 - rate);
                next[hits + 1] += chance * rate;
            }
            for (hits, chance) in next.iter_mut().enumerate() {
                let (low, high) = interval(u32::try_from(hits).unwrap(), boots, 0.05);
                if !(low..=high).contains(&rate) {
                    missed += *chance;
                    *chance = 0.0;
                }
            }
            alive = next;
        }
        assert!(missed <= 0.05, "rate {rate}: missed with {missed}");
        assert!(
            missed > 0.001,
            "rate {rate}: the interval is of no use, missed with {missed}"
        );
    }
}

proptest! {
    #[test]
    fn it_holds_the_share_and_is_wider_than_the_exact_interval(boots in 1u32..3000, part in 0.0f64..=1.0) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to boots")]
        let hits = (f64::from(boots) * part) as u32;
        let (low, high) = interval(hits, boots, 0.05);
        let share = f64::from(hits) / f64::from(boots);
        prop_assert!(low <= share && share <= high);
        let exact = clopper_pearson(hits, boots, 0.05);
        prop_assert!(high - low >= exact.1 - exact.0);
        let mirror = interval(boots - hits, boots, 0.05);
        prop_assert!((low - (1.0 - mirror.1)).abs() < 1e-9);
    }
}
