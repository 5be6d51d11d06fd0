// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::corrected;

/// Values of `multipletests(p, method="holm")` of statsmodels.
#[test]
fn values_are_those_of_statsmodels() {
    for (p, expected) in [
        (vec![0.01, 0.04, 0.03, 0.005], vec![0.03, 0.06, 0.06, 0.02]),
        (vec![0.5, 0.5, 0.5], vec![1.0, 1.0, 1.0]),
        (
            vec![0.0001, 0.2, 0.03, 0.04, 0.9],
            vec![0.0005, 0.4, 0.12, 0.12, 0.9],
        ),
        (vec![0.02], vec![0.02]),
        (vec![], vec![]),
    ] {
        let found = corrected(&p);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 1e-12,
                "{p:?}: {found} is not {expected}"
            );
        }
    }
}

proptest! {
    #[test]
    fn the_order_stays_and_nothing_becomes_smaller(p in proptest::collection::vec(0.0f64..=1.0, 0..20)) {
        let found = corrected(&p);
        for (a, corrected_a) in p.iter().zip(&found) {
            prop_assert!(corrected_a >= a && *corrected_a <= 1.0);
            for (b, corrected_b) in p.iter().zip(&found) {
                prop_assert!(a > b || corrected_a <= corrected_b);
            }
        }
    }
}
