// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The trace of a real server: recorded while a client makes accesses, saved and written through the control socket.

use std::path::Path;
use std::time::{Duration, Instant};

use integration_tests::qmp::QmpClient;
use integration_tests::raw::RawClient;
use integration_tests::served::{Served, region, registers};
use rustix::process::Signal;
use serde_json::{Value, json};
use vfio_server::trace::line::What;
use vfio_server::trace::{Line, parse};

const PROGRAM: &str = env!("CARGO_BIN_EXE_server-under-test");
/// Only a server that hangs meets it.
const PATIENCE: Duration = Duration::from_secs(60);
const STLBGSYNC: u64 = 0x70;
const STLBGSTATUS: u64 = 0x74;

fn lines(path: &Path) -> Vec<Line> {
    parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The events of a trace of Chrome.
fn events(path: &Path) -> Vec<Value> {
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    trace["traceEvents"].as_array().unwrap().clone()
}

fn start(smmus: &[&str]) -> (Served, QmpClient) {
    let served = Served::controlled(Path::new(PROGRAM), smmus, "").unwrap();
    let control = QmpClient::negotiated(&served.control()).unwrap();
    (served, control)
}

#[test]
fn a_delayed_synchronisation_is_a_slice_and_an_interrupt_a_counter() {
    let (served, mut control) = start(&["a", "b"]);
    let mut guest = RawClient::negotiated(&served.socket("b")).unwrap();
    let path = served.directory().join("sync.json");
    control
        .execute("trace-start", json!({ "smmu": "b", "path": path }))
        .unwrap();
    let delay = json!({ "smmu": "b", "site": "global-sync", "until": "guest", "at_most_us": 60_000_000 });
    control.execute("delay-add", delay).unwrap();
    guest.write32(region::BAR0, STLBGSYNC, 0).unwrap();
    assert_eq!(guest.read32(region::BAR0, STLBGSTATUS).unwrap(), 1);
    control.execute("mark-raise", json!({ "mark": "guest" })).unwrap();
    while guest.read32(region::BAR0, STLBGSTATUS).unwrap() == 1 {}
    guest
        .write32(region::BAR0, registers::SCR0, registers::SCR0_GFIE)
        .unwrap();
    guest.write32(region::BAR0, registers::SGFSRRESTORE, 2).unwrap();
    let ended = control.execute("trace-stop", json!({})).unwrap();
    let files = ended.as_array().unwrap();
    assert_eq!(
        files.len(),
        2,
        "that, and a's of the configuration; b's ended when this one began: {ended}"
    );
    assert!(
        files
            .iter()
            .all(|file| file["lost"] == 0 && file["error"].is_null()),
        "{ended}"
    );

    let events = events(&path);
    let named = |name: &str, ph: &str| {
        let found: Vec<&Value> = events
            .iter()
            .filter(|event| event["name"] == name && event["ph"] == ph)
            .collect();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        found[0].clone()
    };
    let polls: Vec<(f64, u64)> = events
        .iter()
        .filter(|event| event["name"] == "R sTLBGSTATUS")
        .map(|event| {
            (
                event["ts"].as_f64().unwrap(),
                u64::from(event["args"]["value"] != "0x0"),
            )
        })
        .collect();
    let (idle, busy) = polls.split_last().unwrap();
    assert!(
        idle.1 == 0 && !busy.is_empty() && busy.iter().all(|poll| poll.1 == 1),
        "{polls:?}"
    );
    for name in ["sTLBGSYNC", "delay 1"] {
        let slice = named(name, "X");
        let begin = slice["ts"].as_f64().unwrap();
        let end = begin + slice["dur"].as_f64().unwrap();
        // It lasts as long as the status is busy.
        let within = |poll: &&(f64, u64)| (begin..end).contains(&poll.0);
        assert!(busy.iter().all(|poll| within(&poll)), "{slice} {busy:?}");
        assert!((end - idle.0).abs() < 1.0, "{slice} {idle:?}");
        assert_eq!(
            (&slice["pid"], &slice["args"]["unfinished"]),
            (&json!(2), &Value::Null)
        );
    }
    assert_eq!(named("interrupt global", "C")["args"], json!({ "level": 1 }));
    let changed = &named("W sCR0", "i")["args"]["changed"];
    assert_eq!(changed["gfie"], json!([false, true]));
}

#[test]
fn the_last_events_are_there_after_the_fact_in_both_formats() {
    let (mut served, mut control) = start(&["a"]);
    control
        .execute("trace-start", json!({ "records": 1024 }))
        .unwrap();
    let mut guest = RawClient::negotiated(&served.socket("a")).unwrap();
    for i in 0..3000 {
        guest.write32(region::BAR0, registers::SMR0, i).unwrap();
    }
    let directory = served.directory().to_owned();
    let path = |name: &str| directory.join(name);
    for (name, format) in [("ring", "ndjson"), ("ring.json", "chrome")] {
        let save = json!({ "path": path(name), "format": format });
        let saved = control.execute("trace-save", save.clone()).unwrap();
        assert_eq!(saved, json!({ "records": 1024, "lost": 0 }));
        let error = control.execute("trace-save", save).unwrap_err().to_string();
        assert!(error.contains("exists"), "{error}");
    }
    let values: Vec<u64> = lines(&path("ring"))
        .iter()
        .filter_map(|line| Some(line.access()?.1.value))
        .collect();
    assert_eq!(values, (1976..3000).collect::<Vec<u64>>());
    assert_eq!(
        events(&path("ring.json"))
            .iter()
            .filter(|event| event["ph"] == "i")
            .count(),
        1024
    );
    let status = control.execute("trace-status", json!({})).unwrap();
    assert_eq!(
        (&status["kept"], &status["capacity"]),
        (&json!(1024), &json!(1024))
    );
    // What the configuration asked for is there when the server has ended, and tells what its writer missed.
    drop((guest, control));
    let ended = served.signal(Signal::TERM).unwrap();
    let all = lines(&path("a.ndjson"));
    let lost: u64 = all
        .iter()
        .map(|line| match line.what {
            What::Lost { records } => records,
            _ => 0,
        })
        .sum();
    let accesses = all.iter().filter(|line| line.access().is_some()).count() as u64;
    assert!(accesses + lost >= 3000, "{accesses} and {lost}");
    // A writer that fell behind on a busy host is told by the exit status, too.
    served.is_clean(ended).unwrap();
    assert!(matches!(
        all.first(),
        Some(Line {
            what: What::Begin { .. },
            ..
        })
    ));
}

#[test]
fn what_a_killed_server_leaves_is_whole_but_for_the_last_line() {
    let (mut served, control) = start(&["a"]);
    let mut guest = RawClient::negotiated(&served.socket("a")).unwrap();
    for i in 0..2000 {
        guest.write32(region::BAR0, registers::SMR0, i).unwrap();
    }
    let path = served.directory().join("a.ndjson");
    let accesses = || {
        let text = std::fs::read_to_string(&path).unwrap();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let lines = parse(&text[..whole]).unwrap();
        lines.iter().filter(|line| line.access().is_some()).count()
    };
    let begin = Instant::now();
    while accesses() < 2000 {
        assert!(begin.elapsed() < PATIENCE, "{} of 2000 accesses", accesses());
        std::thread::sleep(Duration::from_millis(1));
    }
    served.signal(Signal::KILL).unwrap();
    drop((guest, control));
    assert_eq!(accesses(), 2000);
}
