// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::{DEFAULT, Recipe, SHIPPED, shipped};

#[test]
fn every_shipped_recipe_is_valid_and_called_like_its_file() {
    for shipped in SHIPPED {
        let recipe = shipped.recipe().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(recipe.name, shipped.name);
        assert!(
            !recipe.why.is_empty(),
            "{} does not say why it works",
            recipe.name
        );
    }
    assert!(shipped(DEFAULT).is_some());
}
