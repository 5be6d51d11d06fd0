// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use toml::Table;

use super::applied;
use crate::recipe::{Recipe, SHIPPED, shipped};

fn table(text: &str) -> Table {
    text.parse().unwrap()
}

#[test]
fn tables_merge_by_key_and_named_ones_by_name() {
    let own =
        "a = 1\nb = [1, 2]\n[t]\nx = 1\ny = 2\n[[n]]\nname = \"p\"\nv = 1\nw = 2\n[[n]]\nname = \"q\"\n";
    let change = "b = [3]\nc = 4\n[t]\ny = 5\n[[n]]\nname = \"p\"\nv = 6\n[[n]]\nname = \"r\"\n";
    let expected = "a = 1\nb = [3]\nc = 4\n[t]\nx = 1\ny = 5\n[[n]]\nname = \"p\"\nv = 6\nw = 2\n[[n]]\nname = \"q\"\n\
                    [[n]]\nname = \"r\"\n";
    let found = applied(own, &table(change)).unwrap();
    assert_eq!(table(&found), table(expected));
}

#[test]
fn nothing_changed_is_the_same_recipe() {
    for shipped in SHIPPED {
        let text = applied(shipped.text, &Table::new()).unwrap();
        let found = Recipe::parse(&text, shipped.name).unwrap();
        assert_eq!(format!("{found:?}"), format!("{:?}", shipped.recipe().unwrap()));
    }
}

#[test]
fn a_delay_of_a_shipped_recipe_is_replaced() {
    let change = table("[[smmu]]\nname = \"a\"\nmodel = { stream_match_groups = 16 }\n");
    let text = applied(shipped("few-smrs").unwrap().text, &change).unwrap();
    let recipe = Recipe::parse(&text, "few-smrs").unwrap();
    assert_eq!(recipe.smmus.first().unwrap().model.stream_match_groups, Some(16));
    assert_eq!(recipe.smmus.first().unwrap().model.context_banks, Some(4));
}
