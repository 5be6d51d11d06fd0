// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::chance::{Chance, Draw};
use crate::plan::{Bounds, Exponential, Time};

fn times(time: Time) -> Vec<u64> {
    (0..20_000)
        .map(|operation| Chance::new(1, 1, operation).time_us(time))
        .collect()
}

#[test]
fn chance_depends_on_seed_rule_operation_and_purpose_alone() {
    let number = |seed, stream, operation, what| Chance::new(seed, stream, operation).draw(what);
    let one = number(1, 2, 3, Draw::Hit);
    assert_eq!(one, number(1, 2, 3, Draw::Hit));
    for other in [
        number(2, 2, 3, Draw::Hit),
        number(1, 1, 3, Draw::Hit),
        number(1, 2, 4, Draw::Hit),
        number(1, 2, 3, Draw::Time),
        number(2, 1, 3, Draw::Hit),
    ] {
        assert_ne!(one, other);
    }
}

#[test]
fn uniform_times_fill_their_bounds() {
    let times = times(Time::Uniform(Bounds { min: 5, max: 14 }));
    let count = |value| times.iter().filter(|&&time| time == value).count();
    for value in 5..=14 {
        assert!((1800..2200).contains(&count(value)), "{value}: {}", count(value));
    }
    assert!(times.iter().all(|time| (5..=14).contains(time)));
    let whole = Time::Uniform(Bounds {
        min: 0,
        max: u64::MAX,
    });
    Chance::new(0, 0, 0).time_us(whole);
}

#[test]
fn exponential_times_have_their_mean_and_bound() {
    let (mean, max) = (1000, 5000);
    let times = times(Time::Exponential(Exponential { mean, max }));
    let longer_than = |time| times.iter().filter(|&&drawn| drawn > time).count();
    // exp(-1), exp(-2), exp(-3) of 20000.
    assert!((7150..7560).contains(&longer_than(mean)), "{}", longer_than(mean));
    assert!((2560..2860).contains(&longer_than(2 * mean)));
    assert!((880..1110).contains(&longer_than(3 * mean)));
    assert_eq!(longer_than(max), 0);
    let bounded = times.iter().filter(|&&time| time == max).count();
    assert!((80..190).contains(&bounded), "exp(-5): {bounded}");
}
