// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Recipes for bugs of stock kernels (docs/recipes.md): each shows its bug, and says so by its exit status.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// Exit statuses of `boot-stress reproduce`.
const AS_EXPECTED: i32 = 0;
const NOT_AS_EXPECTED: i32 = 1;
const USAGE: i32 = 2;

/// Runs a recipe until its verdict is decided, three boots at most unless the options say otherwise; returns the exit
/// status, and what was printed.
fn reproduce(recipe: &str, options: &[&str]) -> (Option<i32>, String) {
    reproduce_with(recipe, &["--keep-logs", "all"], options)
}

fn reproduce_with(recipe: &str, logs: &[&str], options: &[&str]) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_boot-stress"));
    command
        .args(["reproduce", "--locked", "--recipe", recipe, "--results"])
        .arg(directory.path().join("results"));
    let output = command.args(logs).args(options).output().unwrap();
    let name = Path::new(recipe).file_stem().unwrap().display();
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("{name}{}.log", options.concat().replace('/', "_")));
    let console = fs::read(directory.path().join("results/boot-001.log")).unwrap_or_default();
    fs::write(&kept, console).unwrap();
    let said = format!(
        "console: {}\n{}{}",
        kept.display(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.code(), said)
}

fn shows_its_bug(recipe: &str) {
    let (status, said) = reproduce(recipe, &[]);
    assert_eq!(status, Some(AS_EXPECTED), "{said}");
}

#[test]
fn guest_amba_null() {
    shows_its_bug("amba-null");
}

#[test]
fn guest_two_iommus_walk() {
    shows_its_bug("two-iommus-walk");
}

#[test]
fn guest_fault_storm() {
    shows_its_bug("fault-storm");
}

#[test]
fn guest_power_loss() {
    shows_its_bug("power-loss");
}

#[test]
fn guest_runtime_pm() {
    shows_its_bug("runtime-pm");
}

#[test]
fn guest_stream_masks() {
    shows_its_bug("stream-masks");
}

#[test]
fn guest_splash_handoff() {
    shows_its_bug("splash-handoff");
    shows_its_bug("splash-handoff-control");
}

#[test]
fn guest_late_clock() {
    shows_its_bug("late-clock");
}

#[test]
fn guest_suspend_late_fault() {
    shows_its_bug("suspend-late-fault");
}

#[test]
fn guest_kdump_bypass_window() {
    shows_its_bug("kdump-bypass-window");
}

#[test]
fn guest_late_smmu_cuts_dma() {
    shows_its_bug("late-smmu-cuts-dma");
}

/// A Debian userland that switches itself off; what its services print is found.
#[test]
fn guest_userland() {
    let (status, said) = reproduce("userland", &["--boots", "1"]);
    assert_eq!(status, Some(AS_EXPECTED), "{said}");
    assert!(said.contains("    | hello from report.service"), "{said}");
}

/// Through `repro`: its report has the console's line, the versions and the command.
#[test]
fn guest_bad_stream_id_and_its_report() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("bundle");
    let output = Command::new(env!("CARGO_BIN_EXE_boot-stress"))
        .args(["repro", "bad-stream-id", "--seed", "1", "--out"])
        .arg(&out)
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(AS_EXPECTED), "{said}");
    let report = fs::read_to_string(out.join("report.txt")).unwrap();
    for words in [
        "arm-smmu 30000000.iommu: probe with driver arm-smmu failed with error -22\n",
        "stream ID 0x8001 out of range for SMMU (0x7fff)",
        "boot-stress reproduce --recipe bad-stream-id.toml",
        "write sCR0 0x201c36",
    ] {
        assert!(report.contains(words), "{words:?} is not in\n{report}");
    }
    let recipe = fs::read_to_string(out.join("bad-stream-id.toml")).unwrap();
    assert_eq!(
        recipe,
        boot_stress::recipe::shipped("bad-stream-id").unwrap().text
    );
}

/// The newest kernel has the fix.
#[test]
fn guest_device_not_ready_after_the_fix() {
    let (status, said) = reproduce("device-not-ready", &[]);
    assert_eq!(status, Some(NOT_AS_EXPECTED), "{said}");
}

#[test]
#[ignore = "long: ci/guests"]
fn guest_device_not_ready_before_the_fix() {
    let (status, said) = reproduce("device-not-ready", &["--kernel", "debian:6.16.3+deb13-arm64"]);
    assert_eq!(status, Some(AS_EXPECTED), "{said}");
}

/// Modules that are loaded before the first step and then taken for built in: the devices wait for the steps, as on a
/// kernel that has its drivers built in.
#[test]
fn guest_drivers_as_if_built_in() {
    let (status, said) = reproduce("attach-lock", &["--as-built-in"]);
    assert_eq!(status, Some(AS_EXPECTED), "{said}");
}

#[test]
fn guest_drivers_as_if_built_in_come_and_go() {
    let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recipes/built-in.toml");
    let (status, said) = reproduce(recipe, &["--as-built-in", "--boots", "1"]);
    assert_eq!(status, Some(AS_EXPECTED), "{said}");
    for result in ["before: 0 held devices bound", "after: 0 held devices bound"] {
        assert!(said.contains(result), "{result:?} is not in\n{said}");
    }
}

/// A GICv3: MSIs of the GICv2m frame bring the SMMU's context interrupts and those of the disk; and more CPUs than a
/// GICv2 serves.
#[test]
fn guest_gicv3() {
    for (recipe, options, machine) in [
        ("attach-lock", ["--gic", "3"], "-smp 4, GICv3, TCG"),
        ("suspend-late-fault", ["--gic", "3"], "-smp 2, GICv3, TCG"),
        ("boot", ["--smp", "9"], "-smp 9, GICv3, TCG"),
    ] {
        let (status, said) = reproduce(recipe, &options);
        assert_eq!(status, Some(AS_EXPECTED), "{said}");
        assert!(said.contains(machine), "{said}");
    }
}

/// A late SMMU, an SMMU that is up from boot, and disks with interrupts and DMA, each from a snapshot of its guest.
#[test]
fn guest_warm_starts() {
    for recipe in ["two-iommus", "few-smrs", "disk"] {
        let (status, said) = reproduce(recipe, &["--start", "warm", "--boots", "2"]);
        assert_eq!(status, Some(AS_EXPECTED), "{said}");
        assert!(said.contains("warm, from snapshot"), "{said}");
        let path = said
            .lines()
            .find_map(|line| line.strip_prefix("console: "))
            .unwrap();
        let console = fs::read_to_string(path).unwrap();
        assert!(
            console.contains("@@boot-stress begin") && !console.contains("Booting Linux"),
            "{console}"
        );
    }
}

#[test]
fn recipes_that_cannot_start_warm_say_why() {
    let (status, said) = reproduce("suspend-late-fault", &["--start", "warm"]);
    assert_eq!(status, Some(USAGE), "{said}");
    assert!(said.contains("has a clock controller"), "{said}");
}

/// Boots of one seed are equal down to the last byte, cold and warm, with two CPUs; another seed is another boot.
#[test]
fn guest_deterministic_boots() {
    let boot = |options: &[&str]| {
        let options = [&["--deterministic", "--boots", "1"], options].concat();
        let (status, said) = reproduce_with("two-iommus", &[], &options);
        assert_eq!(status, Some(AS_EXPECTED), "{said}");
        said
    };
    let console = |said: &str| {
        let mut lines = said.lines().map(str::trim_start);
        let console = lines.find(|line| line.starts_with("console  of boot 1:"));
        console.unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    let twice = |start| {
        let said = boot(&["--seed", "1", "--check-determinism", "--start", start]);
        assert!(
            said.contains("1 boots made twice: equal consoles and traces"),
            "{said}"
        );
        console(&said)
    };
    let cold = twice("cold");
    assert_ne!(cold, console(&boot(&["--seed", "2"])));
    twice("warm");
}

/// The guest's kernel and the SMMUs stand on one clock: registers that only a reset writes are written within one, give
/// or take the uncertainty that the timeline states.
#[test]
fn guest_timeline() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("boot.json");
    let (status, said) = reproduce(
        "two-iommus",
        &["--boots", "1", "--timeline", file.to_str().unwrap()],
    );
    assert_eq!(status, Some(AS_EXPECTED), "{said}");
    let timeline: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let unsure = timeline["otherData"]["clocks_within_ns"].as_f64().unwrap() / 1000.0;
    assert_eq!(timeline["otherData"]["missing"], json!([]), "{said}");
    let events = timeline["traceEvents"].as_array().unwrap();
    let named = |name: &'static str| events.iter().filter(move |event| event["name"] == name);
    let span = |event: &Value| {
        let begin = event["ts"].as_f64().unwrap();
        (begin, begin + event["dur"].as_f64().unwrap_or(0.0))
    };
    let process = |name| {
        named("process_name")
            .find(|event| event["args"]["name"] == name)
            .unwrap()["pid"]
            .clone()
    };
    // SMMU b probes after the first step; a was up.
    let smmu = process("SMMU b");
    let resets: Vec<_> = named("arm_smmu_device_reset").map(span).collect();
    let writes: Vec<_> = named("W CBn_SCTLR")
        .chain(named("W sTLBGSYNC"))
        .filter(|event| event["pid"] == smmu)
        .map(|event| span(event).0)
        .collect();
    let first = writes.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(
        resets
            .iter()
            .any(|(begin, end)| (begin - unsure..end + unsure).contains(&first)),
        "{first} {resets:?} {unsure}"
    );
    // The late probe: in the client's own probe, with the lock.
    let within = |(begin, end): (f64, f64), (from, to): (f64, f64)| from <= begin && end <= to;
    let probe = span(named("really_probe 20000000.watchdog").next().unwrap());
    let late = named("__iommu_probe_device 20000000.watchdog")
        .map(span)
        .find(|call| within(*call, probe))
        .unwrap();
    let guest = process("guest");
    let track = events
        .iter()
        .find(|event| event["args"]["name"] == "iommu_probe_device_lock")
        .unwrap();
    let mut held = events
        .iter()
        .filter(|event| (&event["pid"], &event["tid"], &event["ph"]) == (&guest, &track["tid"], &json!("X")));
    assert!(held.any(|event| within(late, span(event))), "{said}");
}

#[test]
fn timelines_of_other_starts_are_refused() {
    let (status, said) = reproduce("few-smrs", &["--timeline", "a.json", "--start", "warm"]);
    assert_eq!(status, Some(USAGE), "{said}");
    let (status, said) = reproduce("few-smrs", &["--timeline", "a.txt"]);
    assert_eq!(status, Some(USAGE), "{said}");
    assert!(said.contains(".pftrace"), "{said}");
}

#[test]
fn recipes_that_cannot_be_deterministic_say_why() {
    let (status, said) = reproduce("disk", &["--deterministic"]);
    assert_eq!(status, Some(USAGE), "{said}");
    assert!(
        said.contains("its interrupts reach the guest at an instruction that the host chooses"),
        "{said}"
    );
    let (status, said) = reproduce("few-smrs", &["--deterministic", "--accel", "kvm"]);
    assert_eq!(status, Some(USAGE), "{said}");
}

/// The edges of a delay are where a boot with one poll less, or one more, shows something else; and a search that was
/// ended makes no boot again.
#[test]
fn guest_window_of_a_delay() {
    let directory = tempfile::tempdir().unwrap();
    let window = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_boot-stress"));
        command.args([
            "window",
            "two-iommus",
            "--locked",
            "--start",
            "warm",
            "--most",
            "64",
            "--json",
            "--results",
        ]);
        let output = command.arg(directory.path().join("window")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        (found["windows"][0]["edges"].clone(), said)
    };
    let (edges, _) = window();
    let lines = fs::read_to_string(directory.path().join("window/window.ndjson")).unwrap();
    let as_expected = |polls: u64| {
        let mut boots = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let boot = boots.find(|line| line["polls"] == polls);
        boot.unwrap_or_else(|| panic!("{lines}"))["as_expected"].clone()
    };
    let first = edges["first"].as_u64().unwrap();
    assert!(first > 0, "{edges}");
    assert_eq!(
        (as_expected(first), as_expected(first - 1)),
        (true.into(), false.into()),
        "{lines}"
    );
    let (again, said) = window();
    assert_eq!(again, edges);
    assert!(!said.contains("boot 1 of 1"), "{said}");
}
