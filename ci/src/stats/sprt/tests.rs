// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::{Decision, Sprt};

fn sprt(p0: f64, p1: f64, error: f64) -> Sprt {
    Sprt {
        p0,
        p1,
        alpha: error,
        beta: error,
    }
}

/// Boots without a hit that make a kernel good: ⌈ln(β/(1−α)) / ln((1−p1)/(1−p0))⌉.
#[test]
fn clean_boots_until_good() {
    for (p0, p1, error, clean) in [
        (0.01, 0.5, 0.05, 5),
        (0.01, 0.5, 0.01, 7),
        (0.01, 0.2, 0.05, 14),
        (0.01, 0.2, 0.01, 22),
        (0.005, 0.1, 0.05, 30),
        (0.005, 0.1, 0.01, 46),
        (0.0025, 0.05, 0.05, 61),
        (0.0025, 0.05, 0.01, 95),
        (0.0005, 0.01, 0.05, 309),
        (0.0005, 0.01, 0.01, 482),
    ] {
        let test = sprt(p0, p1, error);
        let decided = (1..1000).find(|boots| test.decide(0, *boots).is_some()).unwrap();
        assert_eq!(decided, clean, "{test:?}");
        assert_eq!(test.decide(0, decided), Some(Decision::Low));
    }
}

/// Chances of the two decisions, and the expected number of boots, over all sequences of outcomes.
fn play(test: &Sprt, rate: f64) -> (f64, f64, f64) {
    let (mut low, mut high, mut expected) = (0.0, 0.0, 0.0);
    let mut alive = vec![1.0];
    for boots in 1..=4000_u32 {
        let mut next = vec![0.0; alive.len() + 1];
        for (hits, chance) in alive.iter().enumerate().filter(|(_, chance)| **chance > 0.0) {
            next[hits] += chance * (1.0 - rate);
            next[hits + 1] += chance * rate;
        }
        for (hits, chance) in next.iter_mut().enumerate().filter(|(_, chance)| **chance > 0.0) {
            match test.decide(u32::try_from(hits).unwrap(), boots) {
                Some(Decision::Low) => low += *chance,
                Some(Decision::High) => high += *chance,
                None => continue,
            }
            expected += f64::from(boots) * *chance;
            *chance = 0.0;
        }
        // Many hits decide; the rest of the row is empty.
        while next.last() == Some(&0.0) {
            next.pop();
        }
        alive = next;
        if alive.iter().sum::<f64>() < 1e-12 {
            break;
        }
    }
    (low, high, expected)
}

/// True errors, and expected boots of a good and of a bad kernel.
#[test]
fn errors_are_no_larger_than_stated() {
    for (p0, p1, error, good, bad) in [
        (0.01, 0.2, 0.05, 15.7, 9.0),
        (0.01, 0.2, 0.01, 25.7, 13.1),
        (0.005, 0.1, 0.05, 34.0, 19.0),
    ] {
        let test = sprt(p0, p1, error);
        let (low, high, boots) = play(&test, p0);
        assert!(
            high <= error && (low + high - 1.0).abs() < 1e-9,
            "{test:?}: {high}"
        );
        assert!((boots - good).abs() < 0.6, "{test:?}: {boots}");
        let (low, _, boots) = play(&test, p1);
        assert!(low <= error, "{test:?}: {low}");
        assert!((boots - bad).abs() < 0.6, "{test:?}: {boots}");
    }
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    assert_eq!(sprt(0.01, 0.2, 0.05).check(), Ok(()));
    for (test, word) in [
        (sprt(0.0, 0.2, 0.05), "p0"),
        (sprt(0.2, 0.2, 0.05), "p1"),
        (sprt(0.1, 1.0, 0.05), "p1"),
        (sprt(0.1, 0.2, 0.5), "alpha"),
        (sprt(f64::NAN, 0.2, 0.1), "p0"),
    ] {
        assert!(test.check().unwrap_err().contains(word), "{test:?}");
    }
}

proptest! {
    #[test]
    fn more_hits_never_speak_for_the_lower_rate(hits in 0u32..200, clean in 0u32..200) {
        let test = sprt(0.01, 0.2, 0.05);
        prop_assert!(test.log_ratio(hits + 1, hits + 1 + clean) > test.log_ratio(hits, hits + clean));
        prop_assert!(test.log_ratio(hits, hits + clean + 1) < test.log_ratio(hits, hits + clean));
    }
}
