// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Two kernels compared: answers, exit statuses, a run that is killed.

use std::fs;
use std::process::Command;

use rustix::process::Signal;

use crate::support::{Bench, Run, run};

/// A guest that shows the warning on the kernel `bad`.
pub const BAD_KERNEL: &str = "case \"$*\" in */bad*) \
    echo '[    1.500000] virtio-mmio a000000.virtio_mmio: late IOMMU probe at driver bind, something fishy here!'\n\
    ;; esac";

/// A bench with the kernels `good`, `fine` and `bad`, and a recipe that looks for the warning.
pub fn bench(guest: &str) -> Bench {
    let bench = Bench::new(guest);
    for name in ["good", "fine", "bad"] {
        fs::copy(bench.path("Image"), bench.path(name)).unwrap();
    }
    let recipe = bench.recipe("");
    let text = fs::read_to_string(&recipe).unwrap();
    fs::write(recipe, text.replace("no-hit", "hit")).unwrap();
    bench
}

fn compare(bench: &Bench, arguments: &[&str]) -> Command {
    let mut command = bench.guests(&["compare", "--recipe", "recipe.toml", "--seed", "5"]);
    command.args(arguments);
    command
}

#[test]
fn kernels_that_differ_and_kernels_that_do_not() {
    let bench = bench(BAD_KERNEL);
    run(compare(&bench, &["good", "bad", "--results", "results"])).says(
        1,
        &[
            "DIFFER (p 0.037",
            "of 7 pairs 0 have a hit of the first alone, 7 of the second",
            "0/7",
            "7/7",
            "McNemar",
        ],
    );
    let mut report = Command::new(env!("CARGO_BIN_EXE_boot-stress"));
    bench.prepare(&mut report);
    report.arg("report").arg(bench.path("results"));
    run(report).says(1, &["DIFFER"]);
    run(compare(&bench, &["good", "fine", "--boots", "5"]))
        .says(0, &["no difference shown (p 1.000", "of 5 pairs"]);
    assert!(bench.left().is_empty(), "{:?}", bench.left());
}

#[test]
fn a_comparison_that_is_killed_goes_on() {
    let bench = bench(BAD_KERNEL);
    let mut first = Run::start(compare(&bench, &["good", "bad", "--results", "results"]));
    let log = bench.path("results/results.ndjson");
    let boots = || fs::read_to_string(&log).map_or(0, |text| text.matches("\"type\":\"boot\"").count());
    first.wait_for("boots", || boots() >= 3);
    first.signal(Signal::KILL);
    first.process.wait().unwrap();
    run(compare(&bench, &["good", "fine", "--resume", "results"])).says(2, &["results of another run"]);
    run(compare(&bench, &["good", "bad", "--resume", "results"])).says(1, &["DIFFER", "of 7 pairs"]);
}

#[test]
fn mistakes_are_usage_errors() {
    let bench = bench("");
    for (arguments, words) in [
        (&["good"][..], "name two things to compare"),
        (
            &["good", "bad", "--recipe", "few-smrs"],
            "name two things to compare",
        ),
        (&["good", "good"], "twice"),
        (&["good", "none"], "none does not exist"),
        (&["good", "bad", "--alpha", "0.7"], "above 0 and below 0.5"),
        (&["good", "bad", "fine"], "unexpected value 'fine'"),
    ] {
        run(compare(&bench, arguments)).says(2, &[words]);
    }
    assert!(!bench.path("state/smmu-emu").exists());
}
