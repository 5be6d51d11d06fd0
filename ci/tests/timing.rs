// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Delays as a stock kernel meets them: its own log, with the times that it gives, and the trace of the SMMUs. No time
//! is compared with one that depends on the machine.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use smmu_emu::AccessKind;
use vfio_server::trace::parse;

/// SMMUs of each kind, which take turns: at once, busy, late. A board has room for 14 SMMUs.
const EACH: usize = 4;
const KINDS: [&str; 3] = [
    "",
    // The driver's reset makes one global synchronisation.
    "[[smmu.delay]]\nsite = \"global-sync\"\ntime_us = 50_000\ntimes = 1\n",
    // And asks for its status once at least.
    "[[smmu.delay]]\nsite = \"register\"\nregister = \"sTLBGSTATUS\"\naccess = \"read\"\ntime_us = 50_000\ntimes = 1\n",
];
/// Places in that list.
const BUSY: usize = 1;
const LATE: usize = 2;
const LATE_MS: f64 = 50.0;
const LATE_NS: u64 = 50_000_000;
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

/// Console and trace of a boot; a trace that its writer could not keep up with, as the verdict says, is none.
fn boot(dirs: &Path) -> (String, Option<String>) {
    let path = dirs.join("busy.toml");
    std::fs::write(&path, recipe()).unwrap();
    let results = dirs.join("results");
    let trace = dirs.join("trace.ndjson");
    let output = Command::new(env!("CARGO_BIN_EXE_boot-stress"))
        .args(["reproduce", "--boots", "1", "--keep-logs", "all", "--recipe"])
        .arg(&path)
        .arg("--results")
        .arg(&results)
        .arg("--trace")
        .arg(&trace)
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
    let whole = !String::from_utf8_lossy(&output.stdout).contains(" is incomplete: ");
    (console, whole.then(|| std::fs::read_to_string(&trace).unwrap()))
}

/// The kernel's clock: no probe with a delay is shorter than the delay.
fn check_console(console: &str) {
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
}

/// An access to a register of one SMMU.
#[derive(Debug)]
struct Access {
    ns: u64,
    kind: AccessKind,
    register: String,
    value: u64,
}

impl Access {
    fn is(&self, kind: AccessKind, register: &str) -> bool {
        self.kind == kind && self.register == register
    }

    fn is_busy(&self) -> bool {
        self.is(AccessKind::Read, "sTLBGSTATUS") && self.value & 1 == 1
    }
}

/// The clock of the server. An access takes place after the line of the one before it, and not after its own.
fn check_trace(trace: &str) {
    let lines = parse(trace).unwrap();
    for n in 0..DEAD {
        let name = format!("s{n}");
        let of_smmu = lines.iter().filter(|line| line.smmu.as_deref() == Some(&*name));
        let accesses: Vec<Access> = of_smmu
            .filter_map(|line| {
                let (kind, register) = line.access()?;
                Some(Access {
                    ns: line.ns,
                    kind,
                    register: register.register.clone(),
                    value: register.value,
                })
            })
            .collect();
        let first = |kind, register| accesses.iter().position(|access| access.is(kind, register));
        let sync = first(AccessKind::Write, "sTLBGSYNC").expect("a global synchronisation");
        let polled = first(AccessKind::Read, "sTLBGSTATUS").expect("a look at its status");
        assert!(sync > 0 && polled > sync, "{name}: {accesses:?}");
        let busy = accesses[polled..]
            .iter()
            .take_while(|access| access.is_busy())
            .count();
        let idle = &accesses[polled + busy];
        assert!(idle.is(AccessKind::Read, "sTLBGSTATUS"), "{name}: {idle:?}");
        if n % KINDS.len() == BUSY {
            assert!(idle.ns - accesses[sync - 1].ns >= LATE_NS, "{name}: {accesses:?}");
            // The last busy answer was one in time.
            if busy > 1 {
                let before = &accesses[polled + busy - 2];
                assert!(before.ns - accesses[sync].ns < LATE_NS, "{name}: {accesses:?}");
            }
        } else {
            assert_eq!(busy, 0, "{name}: {accesses:?}");
        }
        if n % KINDS.len() == LATE {
            let after = &accesses[polled + 1];
            assert!(
                after.ns - accesses[polled - 1].ns >= LATE_NS,
                "{name}: {accesses:?}"
            );
        }
    }
}

/// A second is all that the driver waits; other CPUs go on in that time.
fn check_timeout(console: &str) {
    let last = format!("{:x}.iommu", 0x3000_0000 + 0x100_0000 * DEAD);
    let begins = printed(console, &format!("{last}: probing hardware"));
    let gives_up = printed(console, &format!("{last}: TLB sync timed out"));
    let waited = gives_up - begins;
    assert!(waited >= 1.0, "{waited}");
    let gap = console
        .lines()
        .find_map(|line| Some(line.split_once("longest gap ")?.1));
    let gap: f64 = gap.expect("a longest gap").trim().parse().unwrap();
    assert!(
        gap < waited,
        "another CPU stood still for {gap} s while the driver waited for {waited} s"
    );
}

/// A busy status keeps the driver waiting for as long as the rule says, and no other.
#[test]
fn guest_with_busy_synchronisations() {
    let dirs = tempfile::tempdir().unwrap();
    let (console, trace) = boot(dirs.path());
    check_timeout(&console);
    check_console(&console);
    match trace {
        Some(trace) => check_trace(&trace),
        None => println!("the trace is incomplete, and not looked at"),
    }
}

/// Keeps the console for people, if the test fails.
fn keep(console: &str) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("busy.log");
    std::fs::write(&path, console).unwrap();
    println!("console: {}", path.display());
}
