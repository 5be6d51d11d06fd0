// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::*;
use crate::recipe::shipped;

proptest! {
    /// Both edges of any range are found, with no more boots than bisection takes.
    #[test]
    fn edges_are_found(own in 1..MOST, below in 0..MOST, above in 0..MOST) {
        let range = own.saturating_sub(below)..=own.saturating_add(above);
        let mut boots = 0;
        let found = edges(own, MOST, |polls| {
            boots += 1;
            Ok::<_, ()>(range.contains(&polls))
        });
        let last = Some(*range.end()).filter(|last| *last < MOST);
        prop_assert_eq!(found, Ok(Some(Edges { first: *range.start(), last })));
        prop_assert!(boots <= 2 + 3 * 17, "{}", boots);
    }
}

#[test]
fn a_recipe_that_shows_nothing_has_no_edges() {
    assert_eq!(edges(10, MOST, |_| Ok::<_, ()>(false)), Ok(None));
    assert_eq!(edges(10, MOST, |_| Err("broken")), Err("broken"));
}

#[test]
fn delays_in_polls_are_found_and_changed() {
    let recipe = shipped("attach-lock").unwrap().recipe().unwrap();
    let found = delays(&recipe);
    let [ats] = &found[..] else { panic!("{found:?}") };
    assert_eq!((ats.smmu.as_str(), ats.site, ats.polls), ("a", "ats", 10));
    let polls = |recipe: &Recipe| {
        recipe.smmus[0]
            .delays
            .iter()
            .map(|rule| rule.polls)
            .collect::<Vec<_>>()
    };
    assert_eq!(polls(&with_polls(&recipe, ats, 77)), [Some(77)]);
    assert_eq!(polls(&with_polls(&recipe, ats, 0)), []);
}
