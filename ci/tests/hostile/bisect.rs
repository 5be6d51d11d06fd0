// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Bisection: an exit status for each end of a step, and `git bisect run` itself.

use std::fs;
use std::process::Command;

use rustix::process::Signal;

use crate::compare::{BAD_KERNEL, bench};
use crate::support::{Bench, Run, run};

/// A step for the kernel that the file `kernel` names.
fn step(bench: &Bench) -> Command {
    bench.guests(&["bisect", "step", "--state", "bisection", "-j", "2"])
}

fn status(bench: &Bench) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boot-stress"));
    bench.prepare(&mut command);
    command
        .current_dir(bench.path(""))
        .args(["bisect", "status", "--state", "bisection"]);
    command
}

fn calibrate(bench: &Bench, more: &[&str]) -> Command {
    let mut command = bench.guests(&[
        "bisect",
        "calibrate",
        "--recipe",
        "recipe.toml",
        "--seed",
        "5",
        "--state",
        "bisection",
    ]);
    command.args(more);
    command
}

/// A bisection that is calibrated: 20 of 20 boots hit, and a step needs as many clean ones as `plan` says.
fn calibrated(guest: &str, more: &[&str]) -> Bench {
    let bench = bench(guest);
    choose(&bench, "bad");
    let mut command = calibrate(&bench, &["--commits", "6", "--kernel-file", "kernel"]);
    command.args(more);
    run(command).says(
        0,
        &[
            "bad end: 20/20 hits",
            "6 commits take at most 3 steps",
            "good after 3 clean boots",
            "wrong end: at most 1.43 %",
        ],
    );
    bench
}

/// Names the kernel of the tree.
fn choose(bench: &Bench, kernel: &str) {
    fs::write(bench.path("kernel"), format!("{kernel}\n")).unwrap();
}

#[test]
fn good_and_bad_commits() {
    let bench = calibrated(BAD_KERNEL, &[]);
    run(step(&bench)).says(
        1,
        &[
            "step 1, ",
            "bad, 1 hits and 0 clean boots",
            "so far 0 good, 1 bad",
        ],
    );
    choose(&bench, "good");
    run(step(&bench)).says(
        0,
        &["good, 0 hits and 3 clean boots", "so far 1 good, 1 bad", "0.48 %"],
    );
    // Results are there, and their header is that of a sequential run.
    let dirs = fs::read_dir(bench.path("bisection")).unwrap().count();
    assert_eq!(dirs, 5, "recipe, log, calibration, two steps");
    run(status(&bench)).says(0, &["bad end: 20/20", "step 1", "step 2", "so far 1 good, 1 bad"]);
    assert!(bench.left().is_empty(), "{:?}", bench.left());
}

#[test]
fn commits_that_cannot_be_judged_are_skipped() {
    let guest = format!(
        "{BAD_KERNEL}\ncase \"$*\" in */silent*) echo '[ 1.1] Kernel panic - not syncing: x'; exit;; \
         */broken*) exit 3;; esac"
    );
    let bench = calibrated(&guest, &["--build", "! [ -e no-build ]"]);
    for (name, kernel, words) in [
        ("gone", None, "gone"),
        ("silent", Some("good"), "boot 1, other-bug: "),
        ("broken", Some("good"), "infra"),
        ("text", None, "text"),
        ("debian:0.0.1", None, "0.0.1"),
    ] {
        if let Some(kernel) = kernel {
            fs::copy(bench.path(kernel), bench.path(name)).unwrap();
        }
        fs::write(bench.path("text"), "no Image").unwrap();
        choose(&bench, name);
        let mut command = step(&bench);
        command.arg("--locked");
        run(command).says(125, &[words, "skip"]);
    }
    fs::remove_file(bench.path("kernel")).unwrap();
    run(step(&bench)).says(125, &["kernel: "]);
    choose(&bench, "bad");
    fs::write(bench.path("no-build"), "").unwrap();
    run(step(&bench)).says(125, &["the build failed: exit status 1"]);
}

/// A bug that is not looked for is told, and is no verdict.
#[test]
fn another_bug_does_not_decide() {
    let other = "echo '[    1.400000] WARNING: CPU: 0 PID: 1 at drivers/base/core.c:1 device_del+0x1/0x2'";
    let bench = calibrated(&format!("{BAD_KERNEL}\n{other}"), &[]);
    choose(&bench, "good");
    run(step(&bench)).says(
        0,
        &[
            "good",
            "seen besides, and not counted: ",
            "device_del",
            "in 3 boots",
        ],
    );
}

#[test]
fn failures_are_no_verdict() {
    let bench = bench(BAD_KERNEL);
    let more = |more: &'static [&str]| {
        let mut command = step(&bench);
        command.args(more);
        command
    };
    run(more(&["--no-such-option"])).says(255, &["unexpected argument"]);
    run(more(&[])).says(255, &["bisect calibrate"]);
    run(calibrate(&bench, &["--commits", "6"])).says(255, &["--kernel"]);
    run(calibrate(&bench, &["--commits", "0", "--kernel", "bad"])).says(255, &["--commits"]);
    run(calibrate(&bench, &["--commits", "6", "--kernel", "good"]))
        .says(255, &["no bad end", "0 hits in 20 boots"]);
    let bench = calibrated(BAD_KERNEL, &[]);
    fs::remove_file(bench.path("busybox")).unwrap();
    run(step(&bench)).says(255, &["busybox"]);
    fs::write(bench.path("busybox"), "x").unwrap();
    fs::remove_file(bench.path("qemu")).unwrap();
    run(step(&bench)).says(255, &["qemu"]);
    fs::write(bench.path("bisection/bisect.ndjson"), "{}\n").unwrap();
    run(step(&bench)).says(255, &["bisect.ndjson: line 1: "]);
}

/// A build goes with the step; what it has started, too.
#[test]
fn a_signal_ends_the_build() {
    let bench = calibrated(
        BAD_KERNEL,
        &["--build", "[ ! -e slow ] || { echo $$ >pid; sleep 1000; }"],
    );
    fs::write(bench.path("slow"), "").unwrap();
    let mut slow = Run::start(step(&bench));
    let pid = || {
        fs::read_to_string(bench.path("pid"))
            .ok()
            .filter(|pid| pid.ends_with('\n'))
    };
    slow.wait_for("build", || pid().is_some());
    slow.signal(Signal::TERM);
    slow.end().says(143, &["interrupted"]);
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid().unwrap().trim())).unwrap_or_default();
    assert!(
        stat.is_empty() || stat.contains(") Z "),
        "the build is left: {stat}"
    );
}

/// A step that is killed makes its boots once.
#[test]
fn a_step_that_is_killed_goes_on() {
    let waits = format!("[ ! -e wait ] || until [ -e go ]; do sleep 0.02; done\n{BAD_KERNEL}");
    let bench = calibrated(&waits, &[]);
    choose(&bench, "good");
    fs::write(bench.path("wait"), "").unwrap();
    fs::remove_file(bench.path("arguments")).unwrap();
    let mut first = Run::start(step(&bench));
    first.wait_for("QEMU", || bench.path("arguments").exists());
    first.signal(Signal::KILL);
    first.process.wait().unwrap();
    fs::write(bench.path("go"), "").unwrap();
    run(step(&bench)).says(0, &["step 1", "good"]);
    let log = fs::read_to_string(bench.path("bisection/bisect.ndjson")).unwrap();
    assert_eq!(log.lines().count(), 2, "{log}");
}

/// Six commits, of which the fourth is bad.
#[test]
fn git_bisect_finds_the_first_bad_commit() {
    let bench = calibrated(BAD_KERNEL, &[]);
    let tree = bench.path("tree");
    let script = "set -e; git init -q tree; cd tree; git config user.email x@x; git config user.name x\n\
        for commit in 1 2 3 4 5 6; do kernel=good; [ $commit -lt 4 ] || kernel=bad\n\
        echo ../$kernel >kernel; echo $commit >number; git add .; git commit -qm \"commit $commit\"; done\n\
        git bisect start HEAD HEAD~5; git bisect run \"$@\"";
    let inner = step(&bench);
    let mut git = Command::new("sh");
    bench.prepare(&mut git);
    git.current_dir(bench.path(""))
        .args(["-c", script, "sh"])
        .arg(inner.get_program())
        .args(inner.get_args().map(|argument| {
            if argument == "bisection" {
                "../bisection".as_ref()
            } else {
                argument
            }
        }));
    let ended = run(git);
    ended.says(0, &["is the first bad commit", "commit 4"]);
    assert!(tree.join(".git").exists());
    run(status(&bench)).says(0, &[" bad, 0 skipped of 3 steps planned"]);
}
