// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Results of a run in which each class of boots occurs, with texts that mean harm.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use boot_stress::stress::class::Class::{self, Clean, Hit, Inconclusive, Infra, OtherBug};
use boot_stress::stress::record::{Header, Skipped};
use boot_stress::stress::samples::{RACE, header, of, write};
use serde_json::json;

/// Text of a guest that looks like markup, like the end of a text, and like orders to a terminal.
pub const HOSTILE: &str =
    "</pre><script>alert(1)</script><img src=x onerror=alert(2)> ]]> \u{1b}[2J \u{202e} \"'&";

/// Begin of the run, seconds since 1970.
pub const BEGAN: u64 = 1_795_374_312;

/// Two kernels, a recipe with three delays, its control, and a cell that was left out.
pub fn sample_header() -> Header {
    let mut header = header(40, &RACE);
    for kernel in [0, 2] {
        for (change, polls) in [("short", 1), ("long", 4)] {
            let mut cell = header.cells[kernel].clone();
            cell.key = cell.key.replace("race@", &format!("race+{change}@"));
            cell.change = Some(change.to_owned());
            cell.delays.insert("a ats polls".to_owned(), polls);
            header.cells.push(cell);
        }
    }
    header.skipped = vec![Skipped {
        key: "race@debian:6.12,smp=2".to_owned(),
        reason: format!("this kernel cannot print it {HOSTILE}"),
    }];
    header
}

/// Classes of the sample's boots.
pub fn classes() -> Vec<Vec<Class>> {
    vec![
        of(&[(Hit, 30), (Clean, 9), (Inconclusive, 1)]),
        of(&[(Hit, 1), (Clean, 39)]),
        of(&[(Hit, 12), (Clean, 26), (OtherBug, 2)]),
        of(&[(Clean, 8), (Inconclusive, 32)]),
        of(&[(Hit, 2), (Clean, 38)]),
        of(&[(Hit, 11), (Clean, 29)]),
        of(&[(Clean, 40)]),
        of(&[(Infra, 3)]),
    ]
}

/// Writes a run, and the directories of its hits.
pub fn results(dir: &Path, header: &Header, time: u64, classes: &[Vec<Class>]) {
    write(dir, header, time, classes).unwrap();
    for cell in (0..header.cells.len()).filter(|cell| classes[*cell].contains(&Hit)) {
        let boot = dir.join(format!("boots/cell-{cell}/000001.1"));
        fs::create_dir_all(&boot).unwrap();
        fs::write(boot.join("console.log"), HOSTILE).unwrap();
        let hit = json!({
            "device": HOSTILE, "driver": HOSTILE, "time": "9.100000", "cpu": 1, "pid": 7, "comm": HOSTILE,
            "source": HOSTILE, "kind": "replay", "trace": [HOSTILE, "really_probe+0x7c/0x3f8"], "raw": [HOSTILE],
        });
        let oops = json!({
            "kind": "oops", "device": HOSTILE, "title": HOSTILE, "count": 1, "time": HOSTILE, "text": HOSTILE,
            "trace": [HOSTILE],
        });
        let verdict = json!({ "outcome": "as-expected", "hits": [hit], "findings": [oops] });
        fs::write(boot.join("verdict.json"), verdict.to_string()).unwrap();
        timeline(&boot.join("timeline.json"));
    }
}

/// Timeline of a guest with a hostile task, device and step.
fn timeline(file: &Path) {
    let call = |tid: u64, name: &str, cat: &str, ts: f64, dur: f64| {
        json!({ "ph": "X", "pid": 2, "tid": tid, "name": name, "cat": cat, "ts": ts, "dur": dur,
                "args": { "driver": HOSTILE, "returned": -517 } })
    };
    let name = |kind: &str, pid: u64, tid: u64, name: &str| {
        let args = json!({ "name": name });
        json!({ "ph": "M", "pid": pid, "tid": tid, "name": kind, "args": args })
    };
    let mut events = vec![
        name("process_name", 1, 0, HOSTILE),
        name("process_name", 2, 0, "guest"),
        name("thread_name", 2, 7, HOSTILE),
        name("thread_name", 2, 99, "iommu_probe_device_lock"),
        call(7, &format!("really_probe {HOSTILE}"), "probe", 1000.0, 9000.0),
        call(
            7,
            &format!("__iommu_probe_device {HOSTILE}"),
            "probe",
            2000.0,
            7000.0,
        ),
        call(99, HOSTILE, "lock", 1900.0, 7200.0),
    ];
    for at in 0..3000 {
        let ts = 1000.0 + f64::from(at) * 2.0;
        events.push(json!({ "ph": "i", "pid": 1, "tid": 1, "name": "W sCR0", "cat": "register", "ts": ts }));
    }
    let document = json!({ "displayTimeUnit": "ns", "traceEvents": events });
    fs::write(file, document.to_string()).unwrap();
}

/// `boot-stress report` of a directory.
pub fn report(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_boot-stress-under-test"))
        .arg("report")
        .arg(dir)
        .args(arguments)
        .output()
        .unwrap()
}

/// A form of the report of the sample, as a file beside its results.
pub fn form(dir: &Path, name: &str) -> std::path::PathBuf {
    results(dir, &sample_header(), BEGAN, &classes());
    let file = dir.join(format!("report.{name}"));
    let output = report(dir, &["--write", &format!("{name}={}", file.display())]);
    // A control has a hit.
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    file
}
