// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::collections::BTreeSet;

use super::{are_touched, table};
use crate::recipe::{Recipe, script};

/// A recipe with a step that runs these commands.
fn recipe(commands: &str) -> Result<Recipe, String> {
    let text = format!(
        r#"name = "test"
summary = "s"
expect = "hit"
[board]
[[board.smmu]]
name = "a"
[[board.smmu]]
name = "b"
[[board.client]]
name = "dma"
kind = "test-master"
iommus = [{{ smmu = "b", stream_ids = [1] }}]
[[board.client]]
name = "panel"
kind = "plain"
[[smmu]]
name = "b"
model = {{ preset = "mmu-500", context_banks = 2, stream_match_groups = 4 }}
clock = {{}}
[[smmu.master]]
name = "dma"
kind = "test-master"
stream_id = 1
[[step]]
run = '''
{commands}
'''
"#
    );
    Recipe::parse(&text, "test").map_err(|error| error.to_string())
}

fn script_of(recipe: &Recipe) -> String {
    let files = script::files(recipe, &recipe.layout().unwrap());
    let step = files.into_iter().find(|file| file.path == "/steps/1").unwrap();
    String::from_utf8(step.contents).unwrap()
}

#[test]
fn references_are_addresses() {
    let recipe =
        recipe("word ${dma.reg}; word $((${b.reg} + 4)); word ${b.clock}; echo ${dma} ${HOME}").unwrap();
    assert!(
        script_of(&recipe).contains(
            "word 0x31810000; word $((0x31000000 + 4)); word 0x31811000; echo 31810000.test-master ${HOME}"
        ),
        "{}",
        script_of(&recipe)
    );
    assert!(script::cmdline(&recipe, &BTreeSet::new()).ends_with(" iomem=relaxed"));
}

#[test]
fn a_step_without_registers_needs_no_argument() {
    let recipe = recipe("echo ${dma}").unwrap();
    assert!(!are_touched(&recipe));
    assert!(!script::cmdline(&recipe, &BTreeSet::new()).contains("iomem"));
    assert_eq!(table(&recipe, &recipe.layout().unwrap()), None);
}

#[test]
fn an_argument_that_is_there_is_not_given_twice() {
    let mut recipe = recipe("word ${dma.reg}").unwrap();
    recipe.cmdline.push("iomem=relaxed".to_owned());
    assert_eq!(
        script::cmdline(&recipe, &BTreeSet::new())
            .matches("iomem=relaxed")
            .count(),
        1
    );
}

#[test]
fn references_to_nothing_are_errors() {
    for wrong in ["${nothing.reg}", "${panel.reg}", "${a.clock}", "${dma.clock}"] {
        let error = recipe(&format!("word {wrong}")).unwrap_err();
        assert!(
            error.contains(&format!("step 1: `{wrong}` is no register block")),
            "{error}"
        );
    }
}

#[test]
fn the_table_has_the_registers_of_each_smmu_at_their_addresses() {
    let recipe = recipe("smmu_reg b sCR0").unwrap();
    assert!(are_touched(&recipe));
    let table = table(&recipe, &recipe.layout().unwrap()).unwrap();
    // Offsets of IHI 0062D: sCR0 0x0, SMRn 0x800, CBn_FAR 0x60 of the bank; the bank's page follows all global pages.
    for line in [
        "a sCR0 0 0x30000000 32\n",
        "b sCR0 0 0x31000000 32\n",
        "b SMRn 3 0x3100080c 32\n",
    ] {
        assert!(table.contains(line), "{line}{table}");
    }
    let far = |bank: u16| {
        let line = table
            .lines()
            .find(|line| line.starts_with(&format!("b CBn_FAR {bank} ")));
        line.unwrap_or_else(|| panic!("{table}")).to_owned()
    };
    assert!(far(1).ends_with("060 64"), "{}", far(1));
    assert_ne!(far(0), far(1));
    assert!(!table.contains("b SMRn 4 "), "{table}");
}
