// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Readers of JUnit XML, KCIDB JSON and KTAP.

use std::fs;
use std::path::Path;
use std::process::Command;

use boot_stress::timeline::{self, TimelineFile};
use integration_tests::python::{Venv, run};
use serde_json::{Value, json};

use crate::sample::form;

/// Prints suites, cases, their results and properties; the totals have to be those of the cases.
const JUNIT: &str = "
import json, sys
from junitparser import JUnitXml, Properties
xml = JUnitXml.fromfile(sys.argv[1])
told = (xml.tests, xml.failures, xml.errors, xml.skipped)
xml.update_statistics()
assert told == (xml.tests, xml.failures, xml.errors, xml.skipped), told
properties = lambda case: {one.name: one.value for all in case.iterchildren(Properties) for one in all}
print(json.dumps([[suite.name, case.name, [type(result).__name__ for result in case.result], properties(case)]
                  for suite in xml for case in suite]))
";

#[test]
fn junitparser_reads_the_junit_xml() {
    let dir = tempfile::tempdir().unwrap();
    let file = form(dir.path(), "junit");
    let venv = Venv::new(dir.path(), &["junitparser"]).unwrap();
    let cases = run(venv.program("python").args(["-c", JUNIT]).arg(file)).unwrap();
    let cases: Vec<(String, String, Vec<String>, Value)> = serde_json::from_str(&cases).unwrap();
    let of = |name: &str| {
        cases
            .iter()
            .find(|(_, case, ..)| case == name)
            .unwrap_or_else(|| panic!("{cases:?}"))
    };
    let (suite, _, results, properties) = of("race@debian:7.3.4,smp=2");
    assert_eq!((suite.as_str(), results.len()), ("debian:7.3.4", 0));
    assert_eq!(
        (&properties["hits"], &properties["clean"], &properties["seed"]),
        (&json!("30"), &json!("9"), &json!("7"))
    );
    for (name, result) in [
        ("race-control@debian:7.3.4,smp=2", "Failure"),
        ("race-control@debian:6.16.3,smp=2", "Skipped"),
        ("race+long@debian:6.16.3,smp=2", "Error"),
        ("race@debian:6.12,smp=2", "Skipped"),
    ] {
        assert_eq!(of(name).2, [result], "{name}");
    }
    assert_eq!(cases.len(), 9);
}

/// Prints the objects once the schema has taken them, and refuses them with another version or key.
const KCIDB: &str = "
import copy, json, sys
from kcidb_io.schema import LATEST
objects = json.load(open(sys.argv[1]))
assert (LATEST.major, LATEST.minor) >= (5, 3)
LATEST.validate(objects)
for spoil in (lambda o: o.update(other=1), lambda o: o['tests'][0].pop('origin'),
              lambda o: o['version'].update(minor=4)):
    spoilt = copy.deepcopy(objects)
    spoil(spoilt)
    assert not LATEST.is_valid(spoilt), spoilt
ids = {name: [one['id'] for one in objects[name]] for name in ('checkouts', 'builds', 'tests', 'issues', 'incidents')}
for name, values in ids.items():
    assert len(values) == len(set(values)), name
assert {one['checkout_id'] for one in objects['builds']} <= set(ids['checkouts'])
assert {one['build_id'] for one in objects['tests']} <= set(ids['builds'])
assert {one['issue_id'] for one in objects['incidents']} <= set(ids['issues'])
assert {one['test_id'] for one in objects['incidents']} <= set(ids['tests'])
print(json.dumps({one['comment']: one['status'] for one in objects['tests']}))
";

#[test]
fn kcidb_io_takes_the_kcidb_json() {
    let dir = tempfile::tempdir().unwrap();
    let file = form(dir.path(), "kcidb");
    let venv = Venv::new(dir.path(), &["kcidb-io"]).unwrap();
    let tests = run(venv.program("python").args(["-c", KCIDB]).arg(file)).unwrap();
    let tests: Value = serde_json::from_str(&tests).unwrap();
    // A test fails if the bug was seen, whether or not its recipe looks for it.
    for (cell, status) in [
        ("race@debian:7.3.4,smp=2", "FAIL"),
        ("race-control@debian:7.3.4,smp=2", "FAIL"),
        ("race+short@debian:6.16.3,smp=2", "PASS"),
        ("race-control@debian:6.16.3,smp=2", "SKIP"),
        ("race+long@debian:6.16.3,smp=2", "ERROR"),
    ] {
        assert_eq!(tests[cell], status, "{cell}: {tests:#}");
    }
}

/// The parser is part of the kernel's sources, which are no package: `ci/kunit` runs this test.
#[test]
#[ignore = "needs the sources of a kernel, which ci/kunit names or fetches"]
fn kunit_parses_the_ktap() {
    let tree =
        std::env::var_os("SMMU_EMU_KERNEL_SOURCE").expect("SMMU_EMU_KERNEL_SOURCE names a kernel's sources");
    let dir = tempfile::tempdir().unwrap();
    let file = form(dir.path(), "ktap");
    let output = Command::new("python3")
        .arg(Path::new(&tree).join("tools/testing/kunit/kunit.py"))
        .args(["parse", "--json"])
        .arg(&file)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    // A result is not ok.
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let at = text.find("\n{").expect("JSON");
    let found: Value = serde_json::from_str(&text[at..]).unwrap();
    let cases = found["test_cases"].as_array().unwrap();
    let status = |name: &str| {
        let case = cases.iter().find(|case| case["name"] == name);
        case.unwrap_or_else(|| panic!("no {name} in {found:#}"))["status"].clone()
    };
    for (name, expected) in [
        ("race@debian:7.3.4,smp=2", "PASS"),
        ("race-control@debian:7.3.4,smp=2", "FAIL"),
        ("race-control@debian:6.16.3,smp=2", "SKIP"),
        ("race+long@debian:6.16.3,smp=2", "FAIL"),
        ("race@debian:6.12,smp=2", "SKIP"),
    ] {
        assert_eq!(status(name), expected, "{name}");
    }
    assert_eq!(cases.len(), 9);
}

/// Prints tracks and slices. Each slice has to end within the one around it, on a track with a name and a process.
const PERFETTO: &str = "
import json, sys
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent
trace = Trace()
trace.ParseFromString(open(sys.argv[1], 'rb').read())
tracks, open_slices, times, names, details = {}, {}, [], [], {}
for packet in trace.packet:
    if packet.HasField('track_descriptor'):
        tracks[packet.track_descriptor.uuid] = packet.track_descriptor
        continue
    event = packet.track_event
    times.append(packet.timestamp)
    stack = open_slices.setdefault(event.track_uuid, [])
    if event.type == TrackEvent.TYPE_SLICE_BEGIN:
        stack.append(event.name)
        names.append(event.name)
        known = {one.name: one.int_value or one.string_value for one in event.debug_annotations}
        details[event.name] = [list(event.categories), known]
    elif event.type == TrackEvent.TYPE_SLICE_END:
        stack.pop()
    elif event.type == TrackEvent.TYPE_COUNTER:
        assert tracks[event.track_uuid].HasField('counter')
        details['counter'] = event.counter_value
    else:
        assert event.type == TrackEvent.TYPE_INSTANT
assert times == sorted(times)
assert not any(open_slices.values()), open_slices
of = lambda uuid: (tracks[tracks[uuid].parent_uuid].name, tracks[uuid].name)
print(json.dumps([sorted(of(uuid) for uuid in open_slices), sorted(names), details]))
";

#[test]
fn perfettos_own_messages_read_a_timeline() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let server = write(
        "server",
        include_str!("../../../ci/src/timeline/tests/server.json"),
    );
    let guest = write("guest", include_str!("../../../ci/src/timeline/tests/guest.txt"));
    let file: TimelineFile = dir.path().join("t.pftrace").to_str().unwrap().parse().unwrap();
    timeline::make(&file, &server, &guest).unwrap();
    let venv = Venv::new(dir.path(), &["perfetto", "protobuf"]).unwrap();
    let read = run(venv.program("python").args(["-c", PERFETTO]).arg(&file.path)).unwrap();
    let (tracks, slices, details): (Vec<(String, String)>, Vec<String>, Value) =
        serde_json::from_str(&read).unwrap();
    let probe = json!({ "cpu": 1, "dev": "20000000.watchdog", "driver": "sp805-wdt", "returned": -517 });
    assert_eq!(
        (&details["really_probe 20000000.watchdog"], &details["counter"]),
        (&json!([["probe"], probe]), &json!(1))
    );
    let track = |process: &str, name: &str| (process.to_owned(), name.to_owned());
    assert_eq!(
        tracks,
        [
            track("SMMU a", "global"),
            track("SMMU a", "interrupt bank 0"),
            track("guest", "insmod-216"),
            track("guest", "iommu_probe_device_lock"),
            track("guest", "kworker/u8:1-26"),
            track("guest", "steps"),
        ]
    );
    assert_eq!(
        slices,
        [
            "insmod-216",
            "iommu_device_register 31000000.iommu",
            "kworker/u8:1-26",
            "really_probe 20000000.watchdog",
            "waits for iommu_probe_device_lock",
        ]
    );
}
