// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A recipe shrunk to the rule that its bug needs; a work that is interrupted.

use std::fs;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Bench, Ended, Run, run};

/// A guest that shows the warning if the server's configuration delays `ats`; all wait as long as `wait` is there.
const GUEST: &str = "dir=$(printf '%s\\n' \"$@\" | sed -n 's/.*\"path\":\"\\([^\"]*\\)\\/a.sock\".*/\\1/p')\n\
    while [ -e wait ] && [ $(cat boots 2>/dev/null | wc -l) -ge 25 ]; do sleep 0.02; done\necho boot >>boots\n\
    ! grep -q '\"ats\"' \"$dir/server.toml\" || \
    echo '[    1.500000] virtio-mmio a000000.virtio_mmio: late IOMMU probe at driver bind, something fishy here!'";

const PADDED: &str = "[[board.smmu]]\nname = \"b\"\n[[smmu]]\nname = \"a\"\nmodel = { preset = \"mmu-500-ats\" }\n\
    # The window.\n[[smmu.delay]]\nsite = \"ats\"\npolls = 9\n[[smmu.delay]]\nsite = \"global-sync\"\npolls = 3\n\
    [[step]]\nsleep_ms = 1\n[[step]]\nsleep_ms = 2\n";

fn bench() -> Bench {
    let bench = Bench::new(GUEST);
    let recipe = bench.recipe(PADDED);
    let text = fs::read_to_string(&recipe).unwrap().replace("no-hit", "hit");
    let text = text.replace("[board]", "cmdline = [\"pad=1\", \"pad=2\"]\n[board]\ncpus = 4");
    fs::write(recipe, text).unwrap();
    bench
}

fn shrink(bench: &Bench) -> Command {
    bench.guests(&[
        "shrink",
        "recipe.toml",
        "--kernel",
        "Image",
        "--state",
        "work",
        "--out",
        "small.toml",
        "-j",
        "2",
    ])
}

/// Runs a command that boots some hundred guests.
fn work(command: Command) -> Ended {
    Run::start(command).end_within(Duration::from_secs(300))
}

#[track_caller]
fn is_small(bench: &Bench) {
    let small = fs::read_to_string(bench.path("small.toml")).unwrap();
    assert!(
        small.contains("# The window.") && small.contains("site = \"ats\""),
        "{small}"
    );
    for gone in ["global-sync", "pad=", "sleep_ms", "name = \"b\"", "cpus = 4"] {
        assert!(!small.contains(gone), "{gone} in\n{small}");
    }
}

#[test]
fn a_padded_recipe_is_shrunk() {
    let bench = bench();
    work(shrink(&bench)).says(
        0,
        &[
            "small.toml: ",
            "the whole recipe hits in 20/20 boots",
            "hits without SMMU b",
        ],
    );
    is_small(&bench);
    let mut reproduce = bench.command("reproduce");
    reproduce
        .args(["--boots", "1", "--recipe"])
        .arg(bench.path("small.toml"));
    run(reproduce).says(0, &["AS EXPECTED"]);
    // Done is done: nothing is booted again.
    let boots = || fs::read_to_string(bench.path("boots")).unwrap().lines().count();
    let before = boots();
    work(shrink(&bench)).says(0, &["small.toml: "]);
    assert_eq!(boots(), before);
    let mut other = shrink(&bench);
    other.args(["--boots", "7"]);
    run(other).says(2, &["another work", "--state DIR"]);
    assert!(bench.left().is_empty(), "{:?}", bench.left());
}

#[test]
fn a_work_that_is_killed_goes_on() {
    let bench = bench();
    fs::write(bench.path("wait"), "").unwrap();
    let mut first = Run::start(shrink(&bench));
    let boots = || fs::read_to_string(bench.path("boots")).map_or(0, |text| text.lines().count());
    first.wait_for("boots", || boots() >= 25);
    first.signal(Signal::KILL);
    first.process.wait().unwrap();
    fs::remove_file(bench.path("wait")).unwrap();
    work(shrink(&bench)).says(0, &["small.toml: "]);
    is_small(&bench);
}

#[test]
fn recipes_that_do_not_hit_are_not_shrunk() {
    let bench = bench();
    let recipe = bench.path("recipe.toml");
    let text = fs::read_to_string(&recipe).unwrap();
    fs::write(&recipe, text.replace("\"ats\"", "\"context-sync\"")).unwrap();
    run(shrink(&bench)).says(4, &["the recipe does not hit: 0 of 20"]);
    run(bench.guests(&["shrink", "recipe.toml", "--state", "w", "--out", "x"])).says(2, &["--kernel"]);
    let mut share = shrink(&bench);
    share.args(["--share", "1.5"]);
    run(share).says(2, &["--share"]);
}

#[test]
fn one_deterministic_boot_is_an_answer() {
    let bench = bench();
    let mut command = shrink(&bench);
    command.arg("--deterministic");
    work(command).says(
        0,
        &[
            "the whole recipe hits in 1/1 boots",
            "if its boot with this seed hits",
        ],
    );
    is_small(&bench);
    let lines = |name: &str| fs::read_to_string(bench.path(name)).unwrap().lines().count();
    assert_eq!(
        lines("boots"),
        lines("work/shrink.ndjson"),
        "a boot for each line"
    );
}
