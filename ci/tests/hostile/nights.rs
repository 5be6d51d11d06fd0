// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Nights of `ci/nightly`, the second of them with another kernel under the same name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Bench, Ended, run};

/// A guest that shows the warning unless `quiet` exists, and a bug that its recipe does not look for if `oops` does.
const GUEST: &str = "\
    [ -e quiet ] || echo '[    1.500000] virtio-mmio a000000.virtio_mmio: late IOMMU probe at driver bind, something \
    fishy here!'\n\
    [ ! -e oops ] || echo '[    1.600000] BUG: spinlock bad magic on CPU#0, swapper/0/1'\n\
    [ ! -e broken ] || exit 3\n";

/// `ci/nightly` of the bench's matrix, with nights in `nights`.
fn nightly(bench: &Bench, arguments: &[&str]) -> Ended {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("nightly"));
    bench.prepare(&mut command);
    command
        .env("BOOT_STRESS", env!("CARGO_BIN_EXE_boot-stress"))
        .env("MATRIX", bench.path("matrix.toml"))
        .arg(bench.path("nights"))
        .args(arguments);
    if arguments.first() != Some(&"--merge") {
        for name in ["qemu", "busybox", "cache"] {
            command.arg(format!("--{name}")).arg(bench.path(name));
        }
    }
    run(command)
}

/// The last night's directory.
fn last(bench: &Bench) -> PathBuf {
    let nights = fs::read_dir(bench.path("nights")).unwrap();
    let nights = nights.map(|entry| entry.unwrap().path());
    nights
        .max_by_key(|night| {
            fs::metadata(night.join("results.ndjson"))
                .unwrap()
                .modified()
                .unwrap()
        })
        .unwrap()
}

#[test]
fn a_night_is_compared_with_those_before() {
    let bench = Bench::new(GUEST);
    bench.recipe("");
    // Writes the matrix.
    bench.stress("boots = 8\nretries = 0\n");
    nightly(&bench, &[]).says(0, &["First night", "nothing has changed", "8/8"]);
    nightly(&bench, &[]).says(0, &["Compared with the night before", "nothing has changed"]);
    // Another kernel under the same name, which prints nothing.
    let image = fs::read(bench.path("Image")).unwrap();
    fs::write(bench.path("Image"), [image, vec![1]].concat()).unwrap();
    fs::write(bench.path("quiet"), "").unwrap();
    let third = nightly(&bench, &[]);
    third.says(
        1,
        &[
            "Compared with 2 earlier nights",
            "1 ALARM",
            "rate changed, ",
            "8/8 on ",
            "0/8 now",
            "Image is another one",
        ],
    );
    let night = last(&bench);
    for (file, words) in [
        ("report.html", "rate changed, "),
        ("report.txt", "- rate changed, "),
        ("report.json", "\"changed\": true"),
        ("junit.xml", "<testsuites"),
        ("report.ktap", "KTAP version 1"),
        ("kcidb.json", "\"checkouts\""),
    ] {
        let text = fs::read_to_string(night.join(file)).unwrap();
        assert!(text.contains(words), "{file}: {text}");
    }
    // It is told once; a title that no night had is another matter.
    fs::write(bench.path("oops"), "").unwrap();
    nightly(&bench, &[]).says(1, &["1 ALARM", "new title, BUG spinlock bad magic"]);
    nightly(&bench, &[]).says(0, &["Compared with 4 earlier nights", "nothing has changed"]);
    fs::write(bench.path("broken"), "").unwrap();
    nightly(&bench, &[]).says(
        1,
        &[
            "2 ALARMS",
            "too many boots say nothing",
            "infra of 3",
            "no conclusive boots",
        ],
    );
    assert!(bench.left().is_empty(), "{:?}", bench.left());
}

#[test]
fn a_night_of_shards_is_merged() {
    let bench = Bench::new(GUEST);
    bench.recipe("");
    let more = "boots = 8\nseed = 1\n";
    let shards = ["1", "2"].map(|shard| {
        let dir = bench.path(shard);
        let mut command = bench.stress(more);
        command.arg("--results").arg(&dir);
        command.args(["--exit-zero", "--shard", &format!("{shard}/2")]);
        run(command).says(0, &["4 boots"]);
        dir
    });
    let shards = shards.each_ref().map(|dir| dir.to_str().unwrap());
    nightly(&bench, &["--merge", shards[0], shards[1]]).says(0, &["First night", "8/8", "2 of 2 shards"]);
    nightly(&bench, &["--merge", shards[0], "/nowhere"]).says(3, &["/nowhere"]);
}

#[test]
fn mistakes_of_a_night_are_told_and_leave_no_night() {
    let bench = Bench::new("");
    bench.recipe("");
    bench.stress("bots = 1\n");
    nightly(&bench, &[]).says(2, &["unknown field `bots`"]);
    nightly(&bench, &["--tme", "3"]).says(2, &["--tme"]);
    let nights: Vec<_> = fs::read_dir(bench.path("nights")).unwrap().collect();
    assert!(nights.is_empty(), "{nights:?}");
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("nightly"));
    bench.prepare(&mut command);
    run(command).says(2, &["ci/nightly NIGHTS"]);
}
