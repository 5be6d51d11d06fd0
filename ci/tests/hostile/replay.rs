// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Boots made again from their directories.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{Bench, run};

/// A guest that shows the warning until the file `mended` is there, and another bug if `oops` is.
const GUEST: &str = "[ -e mended ] || \
    echo '[    1.500000] virtio-mmio a000000.virtio_mmio: late IOMMU probe at driver bind, something fishy here!'\n\
    [ ! -e oops ] || { echo '[    1.6] Kernel panic - not syncing: Oops: Fatal exception'; exit; }";

/// The directory of the only boot of a stress run.
fn kept(bench: &Bench, results: &str) -> PathBuf {
    let mut command = bench.stress("boots = 1\nkeep = \"all\"\nretries = 0\n");
    command
        .args(["--exit-zero", "--results"])
        .arg(bench.path(results));
    run(command).says(0, &[]);
    only_boot(bench, results)
}

fn only_boot(bench: &Bench, results: &str) -> PathBuf {
    let below = |dir: PathBuf| fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    below(below(bench.path(results).join("boots")))
}

fn replay(bench: &Bench, dir: &PathBuf) -> Command {
    let mut command = bench.guests(&["replay", "--boots", "3"]);
    command.arg(dir);
    command
}

#[test]
fn a_hit_comes_again_or_not() {
    let bench = Bench::new(GUEST);
    bench.recipe("");
    let dir = kept(&bench, "results");
    let seed = || fs::read_to_string(bench.path("again/results.ndjson")).unwrap();
    let mut command = replay(&bench, &dir);
    command.args(["--results", "again"]);
    run(command).says(0, &["the bug came again in 3/3 boots"]);
    // All boots have the seed of that boot.
    let boot: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(dir.join("boot.json")).unwrap()).unwrap();
    assert_eq!(
        seed()
            .matches(&format!("\"seed\":{},", boot["boot"]["seed"]))
            .count(),
        3
    );
    // A copy is as good; another kernel is told.
    let copy = bench.path("copy");
    fs::rename(&dir, &copy).unwrap();
    fs::write(bench.path("mended"), "").unwrap();
    let mut image = fs::read(bench.path("Image")).unwrap();
    image.push(1);
    fs::write(bench.path("Image"), image).unwrap();
    run(replay(&bench, &copy)).says(1, &["the bug came again in 0/3 boots", "the kernel's Image was "]);
}

#[test]
fn another_bug_comes_again() {
    let bench = Bench::new(GUEST);
    bench.recipe("");
    fs::write(bench.path("mended"), "").unwrap();
    fs::write(bench.path("oops"), "").unwrap();
    let dir = kept(&bench, "results");
    run(replay(&bench, &dir)).says(0, &["the bug came again in 3/3 boots"]);
    fs::remove_file(bench.path("oops")).unwrap();
    run(replay(&bench, &dir)).says(1, &["the bug came again in 0/3 boots"]);
}

#[test]
fn a_deterministic_boot_is_made_again_as_one() {
    let bench = Bench::new(GUEST);
    bench.recipe("");
    let mut command = bench.stress("boots = 1\n");
    command.args(["--exit-zero", "--deterministic", "--results", "results"]);
    run(command).says(0, &[]);
    fs::remove_file(bench.path("arguments")).unwrap();
    run(replay(&bench, &only_boot(&bench, "results"))).says(0, &["in 3/3 boots"]);
    let arguments = fs::read_to_string(bench.path("arguments")).unwrap();
    assert!(arguments.contains("-icount"), "{arguments}");
}

#[test]
fn directories_that_are_no_bug_are_refused() {
    let bench = Bench::new(GUEST);
    bench.recipe("");
    run(replay(&bench, &bench.path("run"))).says(2, &["boot.json", "boots/CELL/NUMBER.ATTEMPT"]);
    fs::write(bench.path("mended"), "").unwrap();
    let dir = kept(&bench, "results");
    run(replay(&bench, &dir)).says(2, &["this boot was clean"]);
    let description = dir.join("boot.json");
    let text = fs::read_to_string(&description)
        .unwrap()
        .replace("\"clean\"", "\"hit\"");
    let boot: serde_json::Value = serde_json::from_str(&text).unwrap();
    let with = |pointer: &str, value: serde_json::Value| {
        let mut boot = boot.clone();
        *boot.pointer_mut(pointer).unwrap() = value;
        boot.to_string()
    };
    for (text, words) in [
        (with("/cell/cpus", 200.into()), "`cpus`"),
        (with("/schema", "boot-stress/boot/9".into()), "this version reads"),
        (with("/boot/seed", u64::MAX.into()), "its seed"),
    ] {
        fs::write(&description, text).unwrap();
        run(replay(&bench, &dir)).says(2, &[words]);
    }
}
