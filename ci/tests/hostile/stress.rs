// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Stress runs that are killed, interrupted, divided, or run on a host that fails.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Bench, Run, run};

/// A guest that shows the warning if the seed of its boot is even: what a boot shows depends on its seed alone.
const BY_SEED: &str = "dir=$(printf '%s\\n' \"$@\" | sed -n 's/.*\"path\":\"\\([^\"]*\\)\\/a.sock\".*/\\1/p')\n\
    seed=$(sed -n 's/^seed = //p' \"$dir/server.toml\")\ncase $seed in *[02468]) \
    echo '[    1.500000] virtio-mmio a000000.virtio_mmio: late IOMMU probe at driver bind, something fishy here!'\n\
    ;; esac";

const TWO_CELLS: &str = "cpus = [1, 2]\nboots = 8\nseed = 5\n";

/// Last attempts of the boots in results: class and seed by cell and number.
fn results(dir: &Path) -> BTreeMap<(String, u64), (String, u64)> {
    let text = fs::read_to_string(dir.join("results.ndjson")).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let boots = lines.filter(|line| line["type"] == "boot").map(|line| {
        let name = |key: &str| line[key].as_str().unwrap().to_owned();
        let number = |key: &str| line[key].as_u64().unwrap();
        ((name("cell"), number("boot")), (name("class"), number("seed")))
    });
    boots.collect()
}

/// Lines of results, whole or not.
fn lines(dir: &Path) -> usize {
    fs::read_to_string(dir.join("results.ndjson")).map_or(0, |text| text.lines().count())
}

fn in_dir(mut command: Command, option: &str, dir: &Path) -> Command {
    command.arg(option).arg(dir);
    command
}

#[test]
fn cells_are_measured_and_reported() {
    let bench = Bench::new(BY_SEED);
    bench.recipe("");
    let results_dir = bench.path("results");
    // A control with hits.
    let ended = run(in_dir(bench.stress(TWO_CELLS), "--results", &results_dir));
    ended.says(
        1,
        &[
            "2 cells, 16 boots, seed 5",
            "Clopper-Pearson",
            "NOT as expected",
            "smp=1",
            "smp=2",
        ],
    );
    assert!(bench.left().is_empty(), "{:?}", bench.left());
    let found = results(&results_dir);
    assert_eq!(found.len(), 16);
    for ((_, _), (class, seed)) in &found {
        assert!(
            ["hit", "clean"].contains(&class.as_str()),
            "{class} of seed {seed}"
        );
    }
    let hits = found.values().filter(|(class, _)| class == "hit").count();
    assert!((1..16).contains(&hits), "{hits} hits");
    // Hits have their directory, and make the same boot again; others have none.
    let cells: Vec<_> = fs::read_dir(results_dir.join("boots")).unwrap().collect();
    assert_eq!(cells.len(), 2);
    let mut dirs = Vec::new();
    for cell in cells {
        dirs.extend(
            fs::read_dir(cell.unwrap().path())
                .unwrap()
                .map(|dir| dir.unwrap().path()),
        );
    }
    assert_eq!(dirs.len(), hits);
    for name in [
        "recipe.toml",
        "repro.sh",
        "qemu.sh",
        "verdict.json",
        "console.log",
    ] {
        assert!(dirs[0].join(name).exists(), "{name}");
    }
    let mut repro = Command::new("sh");
    bench.prepare(&mut repro);
    repro
        .env("BOOT_STRESS", env!("CARGO_BIN_EXE_boot-stress"))
        .arg(dirs[0].join("repro.sh"));
    for name in ["qemu", "busybox", "cache"] {
        repro.arg(format!("--{name}")).arg(bench.path(name));
    }
    run(repro).says(1, &["NOT AS EXPECTED in 1 of 1 boots", "late-probe"]);
    // The reports, and all formats.
    for (format, words) in [
        ("text", "Clopper-Pearson"),
        ("json", "\"schema\": \"boot-stress/report/1\""),
        ("junit", "<testsuites name=\"m\""),
        ("ktap", "KTAP version 1"),
    ] {
        let mut report = Command::new(env!("CARGO_BIN_EXE_boot-stress"));
        bench.prepare(&mut report);
        report.arg("report").arg(&results_dir).args(["--format", format]);
        run(report).says(1, &[words]);
    }
    // A matrix makes equal boots in every directory.
    let again = bench.path("again");
    let mut command = in_dir(bench.stress(TWO_CELLS), "--results", &again);
    command.args(["-j", "1", "--exit-zero", "--keep-logs", "none"]);
    run(command).says(0, &[]);
    assert_eq!(results(&again), found);
    assert!(!again.join("boots").exists());
}

/// Killed at any time and resumed each time, a run ends with the results of one that was not killed.
#[test]
fn a_run_that_is_killed_again_and_again_loses_and_repeats_nothing() {
    let bench = Bench::new(BY_SEED);
    bench.recipe("");
    let (whole, killed) = (bench.path("whole"), bench.path("killed"));
    let matrix = "cpus = [1, 2]\nboots = 40\nseed = 5\n";
    run(in_dir(bench.stress(matrix), "--results", &whole)).says(1, &[]);
    let mut option = "--results";
    for kill in 0..20 {
        let before = lines(&killed);
        let mut run = Run::start(in_dir(bench.stress(matrix), option, &killed));
        // The line of the session, and some boots.
        run.wait_for("lines", || lines(&killed) > before + kill % 3);
        run.signal(Signal::KILL);
        run.process.wait().unwrap();
        option = "--resume";
    }
    let ended = run(in_dir(bench.stress(matrix), "--resume", &killed));
    ended.says(1, &["2 cells, 80 boots"]);
    assert_eq!(results(&killed), results(&whole));
    let text = fs::read_to_string(killed.join("results.ndjson")).unwrap();
    let made = text
        .lines()
        .filter(|line| line.contains("\"type\":\"boot\""))
        .count();
    assert_eq!(made, 80, "a boot was repeated:\n{text}");
    assert!(bench.left().is_empty(), "{:?}", bench.left());
    // Nothing is left to be made.
    run(in_dir(bench.stress(matrix), "--resume", &killed)).says(1, &["2 cells, 80 boots"]);
}

#[test]
fn shards_make_the_boots_of_one_run() {
    let bench = Bench::new(BY_SEED);
    bench.recipe("");
    let (whole, merged) = (bench.path("whole"), bench.path("merged"));
    run(in_dir(bench.stress(TWO_CELLS), "--results", &whole)).says(1, &[]);
    let shards = ["1/2", "env"].map(|shard| {
        let dir = bench.path(if shard == "env" { "second" } else { "first" });
        let mut command = in_dir(bench.stress(TWO_CELLS), "--results", &dir);
        command.args(["--shard", shard, "--exit-zero"]);
        command.env("CI_NODE_INDEX", "2").env("CI_NODE_TOTAL", "2");
        run(command).says(
            0,
            &["8 boots", if shard == "env" { "GitLab" } else { "shard 1/2" }],
        );
        dir
    });
    let mut merge = Command::new(env!("CARGO_BIN_EXE_boot-stress"));
    bench.prepare(&mut merge);
    merge.arg("merge").args(&shards).arg("--out").arg(&merged);
    run(merge).says(0, &["16 boots of 2 shards"]);
    assert_eq!(results(&merged), results(&whole));
}

#[test]
fn ctrl_c_leaves_a_report_and_nothing_else() {
    let bench = Bench::new("until [ -e go ]; do sleep 0.02; done");
    bench.recipe("");
    let dir = bench.path("results");
    let mut command = in_dir(bench.stress("boots = 50\n"), "--results", &dir);
    command.args(["-j", "3"]);
    let mut stress = Run::start(command);
    stress.wait_for("three guests", || {
        bench
            .left()
            .iter()
            .filter(|dir| dir.join("server.toml").exists())
            .count()
            == 3
    });
    stress.signal(Signal::INT);
    stress.end().says(
        130,
        &["0 boots", "NOT COMPLETE", "interrupted", "--resume goes on"],
    );
    assert!(bench.left().is_empty(), "{:?}", bench.left());
    // The boots that were under way left nothing either.
    let boots = fs::read_dir(dir.join("boots")).map_or(0, |cells| {
        cells
            .map(|cell| fs::read_dir(cell.unwrap().path()).unwrap().count())
            .sum()
    });
    assert_eq!((boots, results(&dir).len()), (0, 0));
}

#[test]
fn a_directory_has_one_run() {
    let bench = Bench::new("until [ -e go ]; do sleep 0.02; done");
    bench.recipe("");
    let dir = bench.path("results");
    let mut first = Run::start(in_dir(bench.stress("boots = 1\n"), "--results", &dir));
    first.wait_for("QEMU", || bench.path("arguments").exists());
    for option in ["--results", "--resume"] {
        run(in_dir(bench.stress("boots = 1\n"), option, &dir)).says(2, &["is in use by another run"]);
    }
    fs::write(bench.path("go"), "").unwrap();
    first.end().says(0, &["as expected"]);
    run(in_dir(bench.stress("boots = 1\n"), "--results", &dir)).says(2, &["results of an earlier run"]);
    run(in_dir(bench.stress("boots = 2\n"), "--resume", &dir)).says(2, &["`boots` is 1 there and 2 here"]);
    fs::write(
        bench.path("Image"),
        [fs::read(bench.path("Image")).unwrap(), vec![1]].concat(),
    )
    .unwrap();
    run(in_dir(bench.stress("boots = 1\n"), "--resume", &dir)).says(2, &["image_sha256"]);
}

#[test]
fn a_host_that_fails_is_not_the_guest() {
    let bench = Bench::new("[ -e well ] || { echo broken >&2; exit 3; }");
    bench.recipe("");
    let dir = bench.path("results");
    let more = "boots = 4\nretries = 1\n";
    let ended = run(in_dir(bench.stress(more), "--results", &dir));
    ended.says(3, &["infra", "exit status 3", "broken", "was given up"]);
    let text = fs::read_to_string(dir.join("results.ndjson")).unwrap();
    let attempts = text
        .lines()
        .filter(|line| line.contains("\"class\":\"infra\""))
        .count();
    assert!(attempts >= 6, "{text}");
    // On a host that is well again the same run goes on.
    fs::write(bench.path("well"), "").unwrap();
    run(in_dir(bench.stress(more), "--resume", &dir)).says(0, &["0/4", "as expected"]);
    assert!(bench.left().is_empty(), "{:?}", bench.left());
}

#[test]
fn a_full_disk_ends_the_run_and_it_goes_on_later() {
    let bench = Bench::new("[ -e well ] || yes 0123456789 | head -c 3000000");
    bench.recipe("");
    let dir = bench.path("results");
    let inner = in_dir(bench.stress("boots = 3\n"), "--results", &dir);
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -f 2000; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    bench.prepare(&mut command);
    run(command).says(3, &["console.log", "File too large", "--resume goes on"]);
    fs::write(bench.path("well"), "").unwrap();
    run(in_dir(bench.stress("boots = 3\n"), "--resume", &dir)).says(0, &["0/3"]);
}

#[test]
fn stop_rules_end_cells() {
    let bench = Bench::new(BY_SEED);
    bench.recipe("");
    let more = "boots = 1000\nseed = 5\n[stop]\nfirst_hit = true\n";
    let dir = bench.path("results");
    run(in_dir(bench.stress(more), "--results", &dir)).says(1, &["first hit", "beta-binomial"]);
    // No guest makes a hundred thousand boots in a second. A control without a hit is no answer before its end.
    let bench = Bench::new("");
    bench.recipe("");
    let mut command = in_dir(
        bench.stress("boots = 100000\n"),
        "--results",
        &bench.path("timed"),
    );
    command.args(["--time", "1"]);
    run(command).says(4, &["the time is up", "NOT COMPLETE"]);
}

#[test]
fn mistakes_are_told_before_any_boot() {
    let bench = Bench::new("");
    bench.recipe("");
    run(bench.stress("bots = 3\n")).says(2, &["matrix.toml:4:1", "unknown field `bots`"]);
    for (arguments, words) in [
        (&["--shard", "3/2"][..], "no shard 3 of 2"),
        (&["--shard", "1/2"], "need one seed"),
        (&["--shard", "env"], "SLURM_ARRAY_TASK_ID"),
        (&["--shard-count", "3"], "--shard-index"),
        (&["--shard-index", "3", "--shard-count", "3"], "no shard 4 of 3"),
        (&["--resume", "/nowhere"], "/nowhere"),
    ] {
        let mut command = bench.stress("");
        for name in [
            "SLURM_ARRAY_TASK_ID",
            "JOB_COMPLETION_INDEX",
            "STRATEGY_JOB_INDEX",
            "CI_NODE_INDEX",
        ] {
            command.env_remove(name);
        }
        command.env_remove("BUILDKITE_PARALLEL_JOB").args(arguments);
        let code = if arguments.contains(&"--resume") { 3 } else { 2 };
        run(command).says(code, &[words]);
    }
    bench.recipe("[[smmu]]\nname = \"a\"\nclock = {}\n");
    run(bench.stress("start = [\"warm\"]\n")).says(2, &["cannot start warm", "a clock controller"]);
    assert!(bench.left().is_empty() && !bench.path("state/smmu-emu").exists());
    let mut report = Command::new(env!("CARGO_BIN_EXE_boot-stress"));
    bench.prepare(&mut report);
    fs::write(bench.path("state/results.ndjson"), "{\"boot\":1}\n").unwrap();
    report.arg("report").arg(bench.path("state"));
    run(report).says(2, &["not the header of a stress run"]);
}

/// The guest of this bench never waits for a snapshot.
#[test]
fn a_guest_that_cannot_be_saved_is_named_and_leaves_nothing() {
    let bench = Bench::new("");
    let recipe = bench.recipe("");
    let mut reproduce = bench.reproduce(&recipe);
    reproduce.args(["--start", "warm"]);
    run(reproduce).says(3, &["cannot take a snapshot of the guest", "--start cold"]);
    let mut stress = bench.stress("start = [\"warm\"]\nboots = 1\nretries = 0\n");
    stress.arg("--results").arg(bench.path("stress"));
    run(stress).says(3, &["cannot take a snapshot of the guest"]);
    let kept: Vec<_> = fs::read_dir(bench.path("cache/snapshots")).unwrap().collect();
    assert_eq!(kept.len(), 1, "the lock alone: {kept:?}");
    assert!(bench.left().is_empty(), "{:?}", bench.left());
}
