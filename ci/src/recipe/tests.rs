// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::{Action, DEFAULT, DEFAULT_WAIT_S, Recipe, SHIPPED, shipped};

/// A recipe with `more` at its end.
fn with(more: &str) -> String {
    format!(
        r#"name = "test"
summary = "s"
expect = "hit"
modules = ["virtio_mmio"]
{more}
[board]
[[board.smmu]]
name = "a"
[[board.client]]
name = "c0"
kind = "virtio-mmio"
iommus = [{{ smmu = "a", stream_ids = [1] }}]
"#
    )
}

/// The error for a recipe: `head` before its tables and `tail` after them.
fn error(head: &str, tail: &str) -> String {
    let text = with(head) + tail;
    Recipe::parse(&text, "file.toml").expect_err(&text).to_string()
}

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

#[test]
fn every_recipe_file_is_shipped() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes");
    let mut files: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let mut names: Vec<&str> = SHIPPED.iter().map(|shipped| shipped.name).collect();
    files.sort();
    names.sort_unstable();
    assert_eq!(files, names);
}

#[test]
fn steps_are_read() {
    let text = with("")
        + r#"
[[mark]]
name = "m"
[[step]]
note = "why"
load = "virtio_mmio"
args = "a=1"
background = true
[[step]]
bind = { driver = "virtio-mmio", device = "${c0}" }
[[step]]
wait_mark = "m"
timeout_s = 5
[[step]]
wait_log = "x"
"#;
    let recipe = Recipe::parse(&text, "file.toml").unwrap();
    let actions: Vec<&Action> = recipe.steps.iter().map(|step| &step.action).collect();
    assert_eq!(
        actions,
        [
            &Action::Load {
                module: "virtio_mmio".into(),
                args: "a=1".into()
            },
            &Action::Write {
                path: "/sys/bus/platform/drivers/virtio-mmio/bind".into(),
                value: "${c0}".into()
            },
            &Action::WaitMark {
                mark: "m".into(),
                timeout_s: 5
            },
            &Action::WaitLog {
                text: "x".into(),
                timeout_s: DEFAULT_WAIT_S
            },
        ]
    );
    assert!(recipe.steps[0].background && !recipe.steps[1].background);
    assert_eq!(recipe.steps[0].note.as_deref(), Some("why"));
}

/// One of each kind of mistake, with the place and what would be right.
#[test]
fn mistakes_are_told_with_their_place() {
    let instead = |from: &str, to: &str| {
        let text = with("").replace(from, to);
        Recipe::parse(&text, "file.toml").expect_err(&text).to_string()
    };
    let step = |keys: &str| error("", &format!("[[step]]\n{keys}\n"));
    let told = [
        error("colour = 1", ""),
        instead("expect = \"hit\"", "expect = \"maybe\""),
        error("schema = 2", ""),
        error("settle_ms = 99999999", ""),
        instead("modules = [\"virtio_mmio\"]", "modules = [\"../x\"]"),
        instead("name = \"test\"", "name = \"No Name\""),
        instead("stream_ids = [1]", "stream_ids = []"),
        error("", "[[smmu]]\nname = \"b\"\n"),
        error("", "[[smmu]]\nname = \"a\"\n[[smmu]]\nname = \"a\"\n"),
        error("", "[[smmu]]\nname = \"a\"\nmodel = { context_banks = 0 }\n"),
        error("", "[[smmu]]\nname = \"a\"\nmodel = { coherent_walk = false }\n"),
        error(
            "",
            "[[smmu]]\nname = \"a\"\n[[smmu.delay]]\nsite = \"ats\"\nuntil = \"m\"\nat_most_us = 5\n",
        ),
        error("", "[[mark]]\nname = \"m\"\nregister = \"XYZ\"\n"),
        error("", "[[mark]]\nname = \"m\"\n[[mark]]\nname = \"m\"\n"),
        step("note = \"nothing\""),
        step("load = \"virtio_mmio\"\nunload = \"virtio_mmio\""),
        step("load = \"fixed\""),
        step("wait_mark = \"m\""),
        step("sleep_ms = 1\ntimeout_s = 1"),
        step("wait_path = \"/x\"\ntimeout_s = 0"),
        step("unload = \"x\"\nargs = \"y\""),
        step("bind = { driver = \"d\", device = \"${c1}\" }"),
        step("bind = { driver = \"d\" }"),
        step("colour = 1"),
    ];
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_file_that_is_not_there_and_a_name_that_is_not_shipped() {
    let error = |name| Recipe::find(name).unwrap_err().to_string();
    assert!(
        error("/none/x.toml").starts_with("/none/x.toml: No such file"),
        "{}",
        error("/none/x.toml")
    );
    assert!(
        error("atach-lock").contains("attach-lock"),
        "{}",
        error("atach-lock")
    );
}

#[test]
fn the_example_of_the_documentation_is_valid() {
    let document = include_str!("../../../docs/recipe-format.md");
    let example = document
        .split("```toml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let recipe = Recipe::parse(example, "docs/recipe-format.md").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(recipe.steps.len(), example.matches("[[step]]").count());
}

#[test]
fn the_expectations_of_the_documentation_are_valid() {
    let document = include_str!("../../../docs/recipe-format.md");
    let example = document
        .split("```toml\n")
        .filter_map(|rest| rest.split("```").next())
        .find(|example| example.starts_with("expect_boots"))
        .unwrap();
    let smmus = "[board]\n[[board.smmu]]\nname = \"a\"\n[[board.smmu]]\nname = \"b\"\n";
    let text = format!("name = \"t\"\nsummary = \"\"\n{example}\n{smmus}");
    let recipe = Recipe::parse(&text, "docs/recipe-format.md").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(recipe.expect.all.len(), example.matches("[[expect]]").count());
    assert_eq!(recipe.expect.inconclusive.len(), 1);
}

#[test]
fn line_ends_of_another_system_are_read() {
    let text = (with("") + "[[step]]\nshell = '''\necho a\necho b\n'''\n").replace('\n', "\r\n");
    let recipe = Recipe::parse(&text, "file.toml").unwrap();
    let Action::Shell { commands } = &recipe.steps[0].action else {
        panic!("{:?}", recipe.steps)
    };
    assert_eq!(commands, "echo a\necho b\n");
    let error = Recipe::parse(&text.replace("echo b", "echo b\u{0}"), "file.toml").unwrap_err();
    assert!(error.to_string().starts_with("file.toml:"), "{error}");
}

/// The line of a problem, from 1, is that of the table that has it.
#[test]
fn problems_stand_where_their_table_is() {
    let board = "name = \"t\"\nsummary = \"\"\nexpect = \"hit\"\n[[mark]]\nname = \
                 \"m\"\n[board]\n[[board.smmu]]\nname = \"a\"\n";
    let client = "[[board.client]]\nname = \"c\"\nkind = \"virtio-blk\"\niommus = [{ smmu = \"a\", \
                  stream_ids = [5] }]\n";
    let master = "[[smmu.master]]\nname = \"c\"\nkind = \"virtio-blk\"\nstream_id = 5\nimage = \"no.img\"\n";
    let delay = "[[smmu.delay]]\nsite = \"global-sync\"\npolls = 1\n";
    for (tables, wrong) in [
        // Each with the begin of the table that is wrong.
        (
            format!("{client}[[board.client]]\nname = \"d\"\nkind = \"plain\"\nparent = \"none\"\n"),
            "[[board.client]]\nname = \"d\"",
        ),
        (format!("cpus = 200\n{client}"), "200"),
        (
            format!("{client}[[smmu]]\nname = \"a\"\n{master}"),
            "[[smmu.master]]",
        ),
        (
            format!(
                "[[smmu]]\nname = \"a\"\n{delay}[[smmu.delay]]\nsite = \"global-sync\"\npolls = 2\nafter = \"n\"\n"
            ),
            "[[smmu.delay]]\nsite = \"global-sync\"\npolls = 2",
        ),
        (
            format!("[[smmu]]\nname = \"a\"\n{delay}[[smmu.delay]]\nsite = \"global-sync\"\n"),
            "[[smmu.delay]]\nsite = \"global-sync\"\n#",
        ),
        (
            "[[smmu]]\nname = \"a\"\n[[smmu.injection]]\nkind = \"unmapped\"\nafter = \"n\"\n".to_owned(),
            "[[smmu.injection]]",
        ),
        (
            "[[smmu]]\nname = \"a\"\n[[smmu.fault]]\nkind = \"unmapped\"\nafter = \"n\"\n".to_owned(),
            "[[smmu.fault]]",
        ),
    ] {
        let text = match tables.strip_prefix("cpus") {
            Some(rest) => {
                board.replace(
                    "[board]\n",
                    &format!("[board]\ncpus{}\n", rest.split('\n').next().unwrap()),
                ) + &tables[tables.find('\n').unwrap() + 1..]
            }
            None => board.to_owned() + &tables,
        };
        let at = match wrong.strip_suffix('#') {
            Some(wrong) => text.rfind(wrong),
            None => text.find(wrong),
        };
        let line = text[..at.unwrap()].matches('\n').count() + 1;
        let error = Recipe::parse(&text, "r.toml").expect_err(&text).to_string();
        assert!(
            error.starts_with(&format!("r.toml:{line}:")),
            "line {line}: {error}\n{text}"
        );
    }
}
