// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs;

use super::*;

const READ: &str = r#""smmu":"a","type":"interrupt","line":"global","level"#;

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn recorded(&self, name: &str, sha: Option<(&str, u64)>, console: &str, trace: &str) -> Recorded {
        let [log, events] = ["log", "ndjson"].map(|end| self.0.path().join(format!("{name}.{end}")));
        fs::write(&log, console).unwrap();
        fs::write(&events, trace).unwrap();
        Recorded {
            decided: sha.map(|(sha256, lines)| Console {
                sha256: sha256.to_owned(),
                lines,
            }),
            console: log,
            trace: events,
        }
    }
}

#[test]
fn times_of_the_host_and_messages_of_the_server_are_no_difference() {
    let files = Files::new();
    let a = files.recorded(
        "a",
        None,
        "[ 1.0] boots\n[    1.000500] vfio-server: WARN late\n[ 1.1] done\n",
        &format!("{{\"ns\":5,{READ}\":true}}\n"),
    );
    let b = files.recorded(
        "b",
        None,
        "[ 1.0] boots\n[ 1.1] done\n",
        &format!("{{\"ns\":9,{READ}\":true}}\n"),
    );
    assert_eq!(compare(&a, &b).unwrap(), None);
}

#[test]
fn the_first_difference_is_told() {
    let files = Files::new();
    let events = |second: bool| {
        format!("{{\"ns\":5,{READ}\":true}}\n{{\"ns\":6,{READ}\":{second}}}\n{{\"ns\":7,{READ}\":true}}\n")
    };
    let a = files.recorded("a", Some(("1", 1)), "x\n", &events(true));
    let b = files.recorded("b", Some(("1", 1)), "x\n", &events(false));
    let told = compare(&a, &b).unwrap().unwrap().to_string();
    assert!(told.starts_with("event 2 of the trace differs\n"), "{told}");
    assert!(told.contains("\"level\":false"), "{told}");
    let c = files.recorded("c", Some(("2", 2)), "x\ny\u{1b}[2J\n", &events(true));
    let told = compare(&a, &c).unwrap().unwrap().to_string();
    assert_eq!(
        told,
        "line 2 of the console differs\n  | (nothing)\n  | y\\u{1b}[2J\n"
    );
}

#[test]
fn the_end_of_qemu_resets_smmus_in_any_order() {
    let files = Files::new();
    let resets = |names: [&str; 2]| {
        names
            .map(|name| format!("{{\"ns\":5,\"smmu\":\"{name}\",\"type\":\"reset\"}}\n"))
            .concat()
    };
    let a = files.recorded("a", Some(("1", 1)), "x\n", &resets(["a", "b"]));
    let b = files.recorded("b", Some(("1", 1)), "x\n", &resets(["b", "a"]));
    assert_eq!(compare(&a, &b).unwrap(), None);
}

/// A guest that did not come to its end has no hash, and two such boots are not equal for that.
#[test]
fn boots_without_an_end_are_compared_by_what_they_printed() {
    let files = Files::new();
    let a = files.recorded("a", None, "x\n", "");
    let b = files.recorded("b", None, "x\nz\n", "");
    assert!(compare(&a, &b).unwrap().is_some());
    assert_eq!(compare(&a, &a).unwrap(), None);
}

/// The host chooses how much is seen after the line that decides a boot.
#[test]
fn texts_after_the_line_that_decides_are_no_difference() {
    let files = Files::new();
    let event = format!("{{\"ns\":5,{READ}\":true}}\n");
    let a = files.recorded("a", Some(("1", 1)), "x\n", &event);
    let b = files.recorded("b", Some(("1", 1)), "x\nmore\n", &event.repeat(2));
    assert_eq!(compare(&a, &b).unwrap(), None);
}
