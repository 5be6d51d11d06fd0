// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::{Count, differ, fisher, higher};

fn count(hits: u32, boots: u32) -> Count {
    Count { hits, boots }
}

/// Values of scipy 1.17.1: `boschloo_exact([[x1, x2], [n1 - x1, n2 - x2]], alternative=…, n=512)`, and `fisher_exact`
/// with the same alternatives. The first is found by search there, too.
#[test]
fn values_are_those_of_scipy() {
    for (a, b, up, down, fisher_up, fisher_down) in [
        (
            (7, 12),
            (0, 5),
            0.015_198_005_754_251_752,
            1.0,
            0.040_723_981_900_452_49,
            1.0,
        ),
        (
            (15, 40),
            (5, 40),
            0.005_185_740_415_585_65,
            0.995_793_484_403_624_5,
            0.009_386_191_427_918_767,
            0.998_100_720_006_555_1,
        ),
        (
            (2, 40),
            (9, 40),
            0.992_174_555_393_099_2,
            0.016_498_530_421_343_232,
            0.996_543_296_540_121_6,
            0.023_812_582_448_043_556,
        ),
        (
            (0, 100),
            (6, 100),
            1.0,
            0.010_229_736_538_851_989,
            1.0,
            0.014_465_141_011_578_784,
        ),
        (
            (20, 20),
            (18, 20),
            0.161_862_572_412_405_87,
            1.0,
            0.243_589_743_589_743_58,
            1.0,
        ),
        (
            (12, 50),
            (13, 60),
            0.397_174_044_310_655_45,
            0.629_398_553_699_928_1,
            0.473_684_485_825_906_94,
            0.698_889_509_102_906_6,
        ),
        (
            (3, 10),
            (3, 10),
            0.584_043_502_807_618_1,
            0.584_043_502_807_618_1,
            0.685_758_513_931_888_5,
            0.685_758_513_931_888_5,
        ),
        (
            (30, 30),
            (0, 30),
            8.673_617_379_884_05e-19,
            1.0,
            8.455_616_946_072_368e-18,
            1.0,
        ),
        (
            (44, 100),
            (58, 100),
            0.975_888_772_636_203,
            0.027_131_161_782_027_326,
            0.983_200_014_260_423_6,
            0.032_835_926_442_481_57,
        ),
        (
            (1, 20),
            (1, 400),
            0.062_969_065_259_139_35,
            0.995_407_780_976_034_8,
            0.093_078_758_949_880_66,
            0.997_840_663_711_785_5,
        ),
    ] {
        let (a, b) = (count(a.0, a.1), count(b.0, b.1));
        for (found, expected, what) in [
            (fisher(a, b), fisher_up, "Fisher, higher"),
            (fisher(b, a), fisher_down, "Fisher, lower"),
            (higher(a, b), up, "higher"),
            (higher(b, a), down, "lower"),
        ] {
            let close = (found - expected).abs() <= 2e-4 * expected;
            assert!(close, "{a:?} {b:?}, {what}: {found} is not {expected}");
        }
    }
}

/// The share of false alarms at 5 %, over all pairs of counts, is below 5 % whatever the rate, and not far below.
#[test]
fn the_size_is_kept_and_used() {
    let n = 20;
    let mut rejected = Vec::new();
    for a in 0..=n {
        for b in 0..=n {
            if higher(count(a, n), count(b, n)) <= 0.05 {
                rejected.push((a, b));
            }
        }
    }
    let size = |rate: f64| -> f64 {
        let chances: Vec<f64> = super::binomial(rate, &super::ln_choose(n)).collect();
        let chance = |k: &u32| chances[usize::try_from(*k).unwrap()];
        rejected.iter().map(|(a, b)| chance(a) * chance(b)).sum()
    };
    let largest = (1..100).map(|i| size(f64::from(i) / 100.0)).fold(0.0, f64::max);
    assert!(largest <= 0.05, "{largest}");
    assert!(largest > 0.04, "{largest}");
}

#[test]
fn without_boots_nothing_differs() {
    assert_eq!(differ(count(0, 0), count(5, 10)), 1.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_is_no_larger_than_fishers_and_mirrors(n in [1u32..40, 1..40], hits in [0u32..=40, 0..=40]) {
        let (a, b) = (count(hits[0].min(n[0]), n[0]), count(hits[1].min(n[1]), n[1]));
        let p = higher(a, b);
        prop_assert!(p <= fisher(a, b) * 1.000_001);
        prop_assert!((0.0..=1.0).contains(&p));
        let mirrored = |one: Count| count(one.boots - one.hits, one.boots);
        prop_assert!((p - higher(mirrored(b), mirrored(a))).abs() <= 1e-6 * p);
        prop_assert_eq!(differ(a, b).to_bits(), differ(b, a).to_bits());
    }
}
