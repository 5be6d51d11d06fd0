// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The trace event format, read strictly, after its document ("Trace Event Format", Google) and not after the writer.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Reads a trace of Chrome and returns its events.
///
/// # Panics
/// It is not one.
pub(in crate::trace) fn strictly(text: &str) -> Vec<Map<String, Value>> {
    let trace: Map<String, Value> = serde_json::from_str(text).expect("a JSON object");
    let keys: Vec<&str> = trace.keys().map(String::as_str).collect();
    assert_eq!(keys, ["displayTimeUnit", "traceEvents"]);
    assert_eq!(trace["displayTimeUnit"], "ns");
    let events = trace["traceEvents"].as_array().expect("an array of events");
    let events: Vec<_> = events
        .iter()
        .map(|event| event.as_object().expect("an object").clone())
        .collect();
    events.iter().for_each(check);
    check_nesting(&events);
    check_names(&events);
    events
}

fn check(event: &Map<String, Value>) {
    let keys: Vec<&str> = event.keys().map(String::as_str).collect();
    let expected: &[&str] = match event["ph"].as_str() {
        Some("X") => &["args", "cat", "dur", "name", "ph", "pid", "tid", "ts"],
        Some("i") => &["args", "cat", "name", "ph", "pid", "s", "tid", "ts"],
        Some("C") => &["args", "cat", "name", "ph", "pid", "tid", "ts"],
        Some("M") => &["args", "name", "ph", "pid", "tid"],
        other => panic!("phase {other:?}"),
    };
    assert_eq!(keys, expected, "{event:?}");
    assert!(event["name"].as_str().is_some_and(|name| !name.is_empty()));
    assert!(event["pid"].as_u64().is_some_and(|pid| pid > 0 && pid < 1 << 31));
    assert!(event["tid"].as_u64().is_some_and(|tid| tid < 1 << 31));
    for time in ["ts", "dur"] {
        assert!(
            event
                .get(time)
                .is_none_or(|time| time.as_f64().is_some_and(|time| time >= 0.0)),
            "{event:?}"
        );
    }
    let args = event["args"].as_object().expect("arguments are an object");
    match event["ph"].as_str() {
        Some("i") => assert!(matches!(event["s"].as_str(), Some("t" | "p" | "g"))),
        Some("C") => assert!(
            !args.is_empty() && args.values().all(Value::is_number),
            "{event:?}"
        ),
        Some("M") => match event["name"].as_str() {
            Some("process_name" | "thread_name") => assert!(args["name"].is_string()),
            Some("thread_sort_index") => assert!(args["sort_index"].is_number()),
            other => panic!("metadata {other:?}"),
        },
        _ => {}
    }
}

fn track(event: &Map<String, Value>) -> (u64, u64) {
    (
        event["pid"].as_u64().expect("checked"),
        event["tid"].as_u64().expect("checked"),
    )
}

/// Slices of one track may stand within each other and must not overlap otherwise. In nanoseconds, which are whole.
fn check_nesting(events: &[Map<String, Value>]) {
    let ns = |time: &Value| (time.as_f64().expect("checked") * 1000.0).round();
    let mut tracks: BTreeMap<_, Vec<(f64, f64)>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let begin = ns(&event["ts"]);
        tracks
            .entry(track(event))
            .or_default()
            .push((begin, begin + ns(&event["dur"])));
    }
    for (track, mut slices) in tracks {
        // Outer ones first.
        slices.sort_by(|(a, b), (c, d)| a.total_cmp(c).then(d.total_cmp(b)));
        let mut around: Vec<f64> = Vec::new();
        for (begin, end) in slices {
            while around.last().is_some_and(|&over| over <= begin) {
                around.pop();
            }
            assert!(
                around.last().is_none_or(|&over| end <= over),
                "slices of {track:?} overlap at {begin} ns"
            );
            around.push(end);
        }
    }
}

/// A track has its name before its first event, and a process as well.
fn check_names(events: &[Map<String, Value>]) {
    let (mut processes, mut threads) = (Vec::new(), Vec::new());
    for event in events {
        let track = track(event);
        match event["name"].as_str() {
            Some("process_name") => processes.push(track.0),
            Some("thread_name") => threads.push(track),
            _ => {
                assert!(processes.contains(&track.0), "{event:?}");
                assert!(
                    track.1 == 0 || event["ph"] == "M" || threads.contains(&track),
                    "{event:?}"
                );
            }
        }
    }
    let mut unique = threads.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), threads.len(), "a track is named twice");
}

#[test]
#[should_panic(expected = "overlap")]
fn overlapping_slices_are_found() {
    strictly(
        r#"{"displayTimeUnit":"ns","traceEvents":[
        {"name":"process_name","ph":"M","pid":1,"tid":0,"args":{"name":"p"}},
        {"name":"thread_name","ph":"M","pid":1,"tid":1,"args":{"name":"t"}},
        {"name":"a","cat":"c","ph":"X","ts":0,"dur":2,"pid":1,"tid":1,"args":{}},
        {"name":"b","cat":"c","ph":"X","ts":1,"dur":2,"pid":1,"tid":1,"args":{}}]}"#,
    );
}
