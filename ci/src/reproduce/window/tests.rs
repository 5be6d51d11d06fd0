// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::*;
use crate::recipe::shipped;

/// A boot whose console is another one for each number.
fn answer(as_expected: bool, console: u32) -> Answer {
    Answer {
        as_expected,
        console: Some(console.to_string()),
    }
}

proptest! {
    /// Both edges of any range are found, with no more boots than bisection takes.
    #[test]
    fn edges_are_found(own in 1..MOST, below in 0..MOST, above in 0..MOST) {
        let range = own.saturating_sub(below)..=own.saturating_add(above);
        let mut boots = 0;
        let found = edges(own, MOST, |polls| {
            boots += 1;
            Ok::<_, ()>(answer(range.contains(&polls), polls))
        });
        let last = Some(*range.end()).filter(|last| *last < MOST);
        prop_assert_eq!(found, Ok(Some(Edges { first: *range.start(), last, equal_from: None })));
        prop_assert!(boots <= 2 + 3 * 17, "{}", boots);
    }
}

#[test]
fn a_recipe_that_shows_nothing_has_no_edges() {
    assert_eq!(
        edges(10, MOST, |polls| Ok::<_, ()>(answer(false, polls))),
        Ok(None)
    );
    assert_eq!(edges(10, MOST, |_| Err("broken")), Err("broken"));
}

/// A kernel that gives up after thirteen polls makes the same boot of more.
#[test]
fn more_polls_than_the_kernel_waits_for_are_not_tried() {
    let mut asked = Vec::new();
    let found = edges(4, MOST, |polls| {
        asked.push(polls);
        Ok::<_, ()>(answer(polls >= 3, polls.min(13)))
    });
    let edges = Edges {
        first: 3,
        last: None,
        equal_from: Some(16),
    };
    assert_eq!(found, Ok(Some(edges)));
    assert_eq!(asked, [4, 0, 2, 3, 8, 16, 32]);
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
