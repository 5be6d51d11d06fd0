// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::{PairTest, Pairs};
use crate::stress::class::Class::{self, Clean, Hit, Inconclusive};

const TEST: PairTest = PairTest { alpha: 0.05 };

fn of(pairs: &[(Class, Class)]) -> Pairs {
    let mut counted = Pairs::new(TEST);
    for (number, (first, second)) in (1..).zip(pairs) {
        counted.add(0, number, *first);
        counted.add(1, number, *second);
    }
    counted
}

/// B(x + ½, n − x + ½) / B(½, ½) · 2ⁿ by hand: C(14, 7) / 4⁷ · 2⁷ = 26.8 for seven of seven, and 14.4 for six of six.
#[test]
fn seven_of_seven_discordant_pairs_decide() {
    let six = of(&[(Hit, Clean); 6]);
    assert!(
        (six.p - 1.0 / 14.4375).abs() < 1e-9 && six.ended_at.is_none(),
        "{six:?}"
    );
    let seven = of(&[(Clean, Hit); 9]);
    assert!((seven.p - 1.0 / 26.8125).abs() < 1e-9, "{seven:?}");
    assert_eq!(
        (seven.ended_at, seven.second_only),
        (Some(7), 7),
        "later pairs do not count"
    );
}

#[test]
fn equal_pairs_and_silent_boots_say_nothing() {
    let pairs = of(&[
        (Hit, Hit),
        (Clean, Clean),
        (Hit, Inconclusive),
        (Inconclusive, Hit),
    ]);
    assert_eq!((pairs.conclusive, pairs.first_only, pairs.second_only), (2, 0, 0));
    assert_eq!(pairs.p, 1.0);
}

/// Exact, over all sequences of 200 fair throws: the test finds a difference in fewer than α of them.
#[test]
fn cells_of_one_rate_seldom_differ() {
    let mut alive = vec![1.0];
    let mut differ = 0.0;
    for throws in 1..=200_u32 {
        let mut next = vec![0.0; alive.len() + 1];
        for (heads, chance) in alive.iter().enumerate() {
            next[heads] += chance / 2.0;
            next[heads + 1] += chance / 2.0;
        }
        for (heads, chance) in (0..).zip(next.iter_mut()) {
            if super::sequence::log_evidence(heads, throws, 0.5) >= -TEST.alpha.ln() {
                differ += *chance;
                *chance = 0.0;
            }
        }
        alive = next;
    }
    assert!((0.01..TEST.alpha).contains(&differ), "{differ}");
}

#[test]
fn alpha_is_the_probability_of_an_error() {
    for alpha in [0.0, 0.5, -1.0, f64::NAN] {
        assert!(PairTest { alpha }.check().is_err(), "{alpha}");
    }
    assert_eq!(TEST.check(), Ok(()));
}

proptest! {
    /// Boots end in any order.
    #[test]
    fn pairs_count_in_the_order_of_their_numbers(
        classes in proptest::collection::vec((0..3_usize, 0..3_usize), 1..40),
        order in any::<u64>(),
    ) {
        let class = |number: usize| [Hit, Clean, Inconclusive][number];
        let pairs: Vec<_> = classes.iter().map(|(a, b)| (class(*a), class(*b))).collect();
        let mut boots: Vec<(usize, u32, Class)> = (1..).zip(&pairs)
            .flat_map(|(number, (a, b))| [(0, number, *a), (1, number, *b)]).collect();
        fastrand::Rng::with_seed(order).shuffle(&mut boots);
        let mut shuffled = Pairs::new(TEST);
        for (cell, boot, class) in boots {
            shuffled.add(cell, boot, class);
        }
        let in_order = of(&pairs);
        prop_assert_eq!(
            (shuffled.ended_at, shuffled.conclusive, shuffled.first_only, shuffled.second_only),
            (in_order.ended_at, in_order.conclusive, in_order.first_only, in_order.second_only)
        );
        prop_assert_eq!(shuffled.p, in_order.p);
    }
}
