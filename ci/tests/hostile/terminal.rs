// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Text of recipes and guests is shown, and does nothing to a terminal.

use std::fs;

use crate::support::{Bench, RECIPE, run};

#[track_caller]
fn is_plain(text: &str) {
    let control = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    assert_eq!(control, None, "{text:?}");
}

#[test]
fn a_recipe_with_control_characters_is_refused_where_they_are() {
    let bench = Bench::new("");
    let path = bench.path("recipe.toml");
    for text in [
        RECIPE.replace("\"s\"", "\"\\u001b[2J\""),
        RECIPE.replace("\"s\"", "\"a\\nb\""),
        RECIPE.replace("\"s\"", "\"\\u009b2J\""),
        format!("{RECIPE}[[step]]\nnote = \"\\u001b\"\nsleep_ms = 1\n"),
        format!("{RECIPE}[[step]]\nwait_log = \"\\u0007\"\n"),
    ] {
        fs::write(&path, text).unwrap();
        let ended = run(bench.reproduce(&path));
        ended.says(2, &["recipe.toml:", "control character"]);
        is_plain(&ended.stderr);
    }
}

#[test]
fn what_a_guest_says_is_shown_without_effect() {
    let bench = Bench::new(
        "printf '[ 1.1] @@boot-stress result x a\\302\\2332Jb\\n'\n\
         printf '[ 1.2] Kernel panic - not syncing: \\302\\23331m\\n'\nsleep 0.01",
    );
    for more in [&["-v"][..], &["--json"]] {
        let mut command = bench.reproduce(&bench.recipe(""));
        command.args(more);
        let ended = run(command);
        is_plain(&ended.stdout);
        is_plain(&ended.stderr);
        assert!(
            ended.stdout.contains("u{9b}31m") || ended.stdout.contains("u009b31m"),
            "{}",
            ended.stdout
        );
        fs::remove_dir_all(bench.path("results")).unwrap();
    }
}

#[test]
fn names_in_messages_are_shown_without_effect() {
    let bench = Bench::new("");
    let mut command = bench.command("reproduce");
    command.args(["--recipe", "\u{1b}[2J/none.toml"]);
    let ended = run(command);
    ended.says(2, &["\\u{1b}[2J/none.toml"]);
    is_plain(&ended.stderr);
}
