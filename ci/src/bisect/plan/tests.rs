// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::Plan;
use crate::stats::sprt::Decision;

/// (1 − 0.2)²⁵ is 0.38 %, which is 5 % divided by 13 steps.
#[test]
fn the_wanted_chance_is_divided_among_the_steps() {
    let plan = Plan::new(8191, 0.2, 0.05).unwrap();
    assert_eq!((plan.steps, plan.clean, plan.most()), (13, 25, 53));
    assert!((plan.chance / (13.0 * 0.8_f64.powi(25)) - 1.0).abs() < 1e-9 && plan.chance < 0.05);
}

#[test]
fn plans_that_cannot_be_say_why() {
    for (commits, p1, error, problem) in [
        (0, 0.5, 0.05, "--commits"),
        (8, 0.5, 0.5, "--error"),
        (8, 0.5, f64::NAN, "--error"),
        (8, 0.0, 0.05, "more than 10000 boots a step"),
        (8, 1e-4, 0.05, "more than 10000 boots a step"),
        (8, 1.0, 0.05, "more than 10000 boots a step"),
    ] {
        let found = Plan::new(commits, p1, error).unwrap_err();
        assert!(found.contains(problem), "{found}");
    }
}

proptest! {
    /// One hit makes a commit bad, however many clean boots came before it; and the chance is the wanted one.
    #[test]
    fn a_hit_decides_at_once(commits in 1_u32..100_000, p1 in 0.01_f64..0.999, error in 0.001_f64..0.2) {
        let plan = Plan::new(commits, p1, error).unwrap();
        for boots in 1..=plan.clean {
            prop_assert_eq!(plan.test.decide(1, boots), Some(Decision::High));
            prop_assert_eq!(plan.test.decide(0, boots).is_some(), boots == plan.clean);
        }
        prop_assert!(plan.chance <= error * (1.0 + 1e-9), "{plan:?}");
    }
}
