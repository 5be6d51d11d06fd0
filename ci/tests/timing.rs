// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Delays as a stock kernel sees them: its own log, with the times that it gives.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// SMMUs of each kind, which take turns: at once, busy, late. A board has room for 14 SMMUs.
const EACH: usize = 4;
const KINDS: [&str; 3] = [
    "",
    // The driver's reset makes one global synchronisation.
    "[[smmu.delay]]\nsite = \"global-sync\"\ntime_us = 50_000\ntimes = 1\n",
    // And asks for its status once at least.
    "[[smmu.delay]]\nsite = \"register\"\nregister = \"sTLBGSTATUS\"\naccess = \"read\"\ntime_us = 50_000\ntimes = 1\n",
];
const LATE_MS: f64 = 50.0;
/// Allowed difference of the shortest probe with a delay from the shortest without, in ms: 50 ms, more or less by a
/// fifth.
const WITHIN_MS: std::ops::RangeInclusive<f64> = 40.0..=60.0;
/// A host with other work to do makes single probes longer; never all of them, so that a few boots are enough.
const BOOTS: usize = 5;
/// The last one; no driver waits for its group.
const DEAD: usize = KINDS.len() * EACH;
/// More than arm-smmu waits for: a second.
const DEAD_US: u32 = 1_200_000;

/// SMMUs that probe one after the other when their clock arrives, each with a client.
fn recipe() -> String {
    let mut text = r#"
name = "busy"
summary = "synchronisations that take their time"
expect = "no-hit"
modules = ["fixed"]
quiet = true

[board]
[[board.supplier]]
name = "vdd"
kind = "regulator-fixed"
[[board.supplier]]
name = "clock"
kind = "gated-fixed-clock"
supply = "vdd"
"#
    .to_owned();
    for n in 0..=DEAD {
        write!(
            text,
            r#"
[[board.smmu]]
name = "s{n}"
clock = "clock"
[[board.client]]
name = "c{n}"
kind = "plain"
iommus = [{{ smmu = "s{n}", stream_ids = [1] }}]
[[smmu]]
name = "s{n}"
model = {{ preset = "mmu-500", context_banks = 2, stream_match_groups = 4 }}
"#
        )
        .unwrap();
        if n == DEAD {
            write!(
                text,
                "[[smmu.delay]]\nsite = \"global-sync\"\ntime_us = {DEAD_US}\ntimes = 1\n"
            )
            .unwrap();
        } else {
            text.push_str(KINDS[n % KINDS.len()]);
        }
    }
    write!(
        text,
        r#"
[[step]]
note = "what another CPU does meanwhile"
shell = """
( while :; do read up idle </proc/uptime; echo $up; done >/tmp/ticks ) &
echo $! >/tmp/ticker
"""
[[step]]
load = "fixed"
[[step]]
wait_path = "/sys/bus/platform/devices/${{c{DEAD}}}/iommu_group"
[[step]]
shell = """
kill $(cat /tmp/ticker)
awk '{{ d = $1 - last; if (NR > 1 && d > most) most = d; last = $1 }} END {{ print "longest gap", most }}' /tmp/ticks
"""
"#
    )
    .unwrap();
    text
}

/// Seconds since the kernel's start at which it printed a line with these words.
fn printed(console: &str, words: &str) -> f64 {
    let line = console.lines().find(|line| line.contains(words));
    let line = line.unwrap_or_else(|| panic!("no {words:?} on the console:\n{console}"));
    let time = line.trim_start_matches('[').split(']').next().unwrap();
    time.trim().parse().unwrap()
}

/// The console of one boot.
fn boot(dirs: &Path, number: usize) -> String {
    let path = dirs.join("busy.toml");
    std::fs::write(&path, recipe()).unwrap();
    let results = dirs.join(format!("results-{number}"));
    let output = Command::new(env!("CARGO_BIN_EXE_boot-stress"))
        .args(["reproduce", "--boots", "1", "--keep-logs", "all", "--recipe"])
        .arg(&path)
        .arg("--results")
        .arg(&results)
        .output()
        .unwrap();
    let console = std::fs::read(results.join("boot-001.log")).unwrap_or_default();
    let console = String::from_utf8_lossy(&console).into_owned();
    keep(&console);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    console
}

/// Extra time of a probe with each kind of delay, in ms: the shortest of each, which other work on the host
/// prolongs least.
fn differences(console: &str) -> [f64; 2] {
    let mut times = [const { Vec::new() }; KINDS.len()];
    for n in 0..DEAD {
        let begins = printed(
            console,
            &format!("{:x}.iommu: probing hardware", 0x3000_0000 + 0x100_0000 * n),
        );
        let ends = printed(console, &format!("device-c{n}: Adding to iommu group"));
        times[n % KINDS.len()].push((ends - begins) * 1e3);
    }
    for times in &mut times {
        times.sort_by(f64::total_cmp);
    }
    let [at_once, busy, late] = &times;
    println!("from probing to the group, in ms: at once {at_once:.1?}, busy {busy:.1?}, late {late:.1?}");
    assert!(
        busy.iter().chain(late).all(|&ms| ms >= LATE_MS),
        "{busy:?} {late:?}"
    );
    let longer = [busy, late].map(|delayed| delayed[0] - at_once[0]);
    println!("longer than at once by {longer:.1?} ms");
    longer
}

/// A second is all that the driver waits; other CPUs go on in that time.
fn check_timeout(console: &str) {
    let last = format!("{:x}.iommu", 0x3000_0000 + 0x100_0000 * DEAD);
    let begins = printed(console, &format!("{last}: probing hardware"));
    let gives_up = printed(console, &format!("{last}: TLB sync timed out"));
    assert!(
        (1.0..1.2 * 5.0).contains(&(gives_up - begins)),
        "{}",
        gives_up - begins
    );
    let gap = console
        .lines()
        .find_map(|line| Some(line.split_once("longest gap ")?.1));
    let gap: f64 = gap.expect("a longest gap").trim().parse().unwrap();
    assert!(
        gap < 1.0,
        "another CPU stood still for {gap} s while the driver waited for a second"
    );
}

/// A busy status keeps the driver waiting for as long as it was told, and no one else.
#[test]
fn guest_with_busy_synchronisations() {
    let dirs = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for number in 0..BOOTS {
        let console = boot(dirs.path(), number);
        check_timeout(&console);
        let longer = differences(&console);
        if longer.iter().all(|ms| WITHIN_MS.contains(ms)) {
            return;
        }
        seen.push(longer);
    }
    panic!("50 ms of delay make a probe longer by {seen:.1?} ms, which is not in {WITHIN_MS:?}");
}

/// Keeps the console for people, if the test fails.
fn keep(console: &str) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("busy.log");
    std::fs::write(&path, console).unwrap();
    println!("console: {}", path.display());
}
