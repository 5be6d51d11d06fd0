// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use super::{Around, PRELUDE, SHARED, cmdline, init, time_limit_s};
use crate::recipe::{Recipe, SHIPPED, Start};

fn recipe(more: &str) -> Recipe {
    let text = format!(
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
[[mark]]
name = "first"
[[mark]]
name = "second"
[[step]]
note = "two\nlines"
load = "virtio_mmio"
args = "dyndbg"
background = true
[[step]]
bind = {{ driver = "virtio-mmio", device = "${{c0}}" }}
raises = "first"
[[step]]
wait_mark = "second"
timeout_s = 7
[[step]]
raise_mark = "first"
[[step]]
wait_path = "/sys/bus/platform/devices/${{a}}/iommu*"
[[step]]
wait_log = "it's"
[[step]]
sleep_ms = 1250
[[step]]
shell = "echo ${{c0}} ${{HOME}}"
[[step]]
unload = "virtio_mmio"
"#
    );
    Recipe::parse(&text, "test").unwrap_or_else(|error| panic!("{error}"))
}

/// The part of the script that differs between recipes.
fn own_part(recipe: &Recipe) -> String {
    let script = init(recipe, &recipe.layout().unwrap(), Around::default());
    let at = script.find("finish() {").unwrap();
    script[at..].to_owned()
}

#[test]
fn every_kind_of_step() {
    insta::assert_snapshot!(own_part(&recipe("")));
}

#[test]
fn a_quiet_recipe_prints_the_log_at_the_end() {
    let recipe = recipe("quiet = true\ndmesg_drop = [\"PAR = \", \"it's\"]\ncmdline = [\"a=1\", \"b\"]");
    let own = own_part(&recipe);
    let finish = own.split("step_1()").next().unwrap();
    insta::assert_snapshot!(format!("{}\n\n{finish}", cmdline(&recipe, &BTreeSet::new())));
}

#[test]
fn the_time_limit_covers_every_wait() {
    // 7 and twice 30 of waits, 2 of sleep, 60 for the background, 2 to settle.
    assert_eq!(time_limit_s(&recipe("")), 7 + 30 + 30 + 2 + 60 + 2);
}

/// The shell of the host reads every script without a syntax error.
#[test]
fn scripts_are_shell() {
    let shipped = SHIPPED.iter().map(|shipped| shipped.recipe().unwrap());
    for recipe in shipped.chain([recipe(""), recipe("quiet = true")]) {
        let script = init(&recipe, &recipe.layout().unwrap(), Around::default());
        let mut shell = Command::new("sh")
            .arg("-n")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = shell.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}: {}",
            recipe.name,
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// The kernel log has the line of the step that waits, with the text in it.
#[test]
fn a_step_that_waits_for_the_log_does_not_find_its_own_line() {
    let function = PRELUDE.split("\nwait_log() {").nth(1).unwrap();
    let function = function.split("\n}\n").next().unwrap();
    let wait = |log: &str| {
        let script = format!(
            "{SHARED}\nsay() {{ echo \"$@\"; }}\ndmesg() {{ echo '{log}'; }}\nwait_log() {{{function}\n}}\n\
             step=3\nwait_log 'probe pending' 1"
        );
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.success(), said)
    };
    let own = "[ 8.9] @@boot-stress step 3 wait for \"probe pending\" in the kernel log";
    let late = "timeout step 3: \"probe pending\" in the kernel log after 1 s\n";
    assert_eq!(wait(own), (false, late.to_owned()));
    let found = format!("{own}\n[ 9.1] platform c2: deferred probe pending: wait for supplier");
    assert_eq!(wait(&found), (true, String::new()));
}

/// The seed decides how long a deterministic guest computes, right before its first step.
#[test]
fn jitter_comes_before_the_first_step() {
    let recipe = crate::recipe::shipped("two-iommus").unwrap().recipe().unwrap();
    let layout = recipe.layout().unwrap();
    let warm = |jitter| Around {
        start: Start::Warm,
        jitter,
        ..Around::default()
    };
    let script = init(&recipe, &layout, warm(true));
    let (_, after) = script.split_once("drivers_probe").unwrap();
    assert!(after.contains("\njitter 0x3080fffc\n\nsay begin\n"), "{after}");
    assert!(!init(&recipe, &layout, warm(false)).contains("\njitter 0x"));
}

/// The trace begins before the script says so, and leaves the guest before it says that it is done.
#[test]
fn a_trace_is_around_all_steps() {
    let recipe = recipe("");
    let layout = recipe.layout().unwrap();
    let traced = Around {
        traced: true,
        ..Around::default()
    };
    let script = init(&recipe, &layout, traced);
    let at = |text: &str| script.find(text).unwrap_or_else(|| panic!("{text}: {script}"));
    assert!(at("\n  trace_end 0x3080fff0\n") < at("  say done"));
    assert!(at("\ntrace_begin 0x3080fff0\n") < at("\nsay begin\n"));
    assert!(!init(&recipe, &layout, Around::default()).contains("trace_"));
}
