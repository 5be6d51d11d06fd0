// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use serde_json::json;

use crate::control::commands::tests::{call, context};
use crate::trace::parse;

#[test]
fn a_file_is_made_and_no_other_touched() {
    let context = context();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.ndjson");
    let start = json!({ "smmu": "a", "path": path });
    assert_eq!(call(&context, "trace-start", start.clone()).unwrap(), json!([]));
    let status = call(&context, "trace-status", json!({})).unwrap();
    assert_eq!(
        (&status["smmus"], &status["files"][0]["path"]),
        (&json!(["a"]), &json!(path))
    );
    let write = json!({ "smmu": "a", "name": "sCR0", "value": 0 });
    call(&context, "register-write", write).unwrap();
    let expected = json!([{ "path": path, "records": 1, "lost": 0, "error": null }]);
    assert_eq!(
        call(&context, "trace-stop", json!({ "smmu": "a" })).unwrap(),
        expected
    );
    let text = std::fs::read_to_string(&path).unwrap();
    let lines = parse(&text).unwrap();
    let (_, register) = lines[1].access().unwrap();
    assert_eq!(register.register, "sCR0");
    assert_eq!(json!(register.changed), json!({ "clientpd": [true, false] }));
    for command in ["trace-start", "trace-save"] {
        let error = call(&context, command, start.clone()).unwrap_err();
        assert!(error.contains("exists"), "{command}: {error}");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(call(&context, "trace-save", json!({ "path": link })).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn the_last_events_are_saved_after_the_fact() {
    let context = context();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("all");
    call(&context, "trace-start", json!({ "records": "0x400" })).unwrap();
    for smmu in ["a", "b"] {
        let write = json!({ "smmu": smmu, "name": "sTLBGSYNC", "value": 0 });
        call(&context, "register-write", write).unwrap();
    }
    assert_eq!(call(&context, "trace-stop", json!({})).unwrap(), json!([]));
    let save = json!({ "path": path, "format": "chrome", "smmu": "b" });
    assert_eq!(
        call(&context, "trace-save", save).unwrap(),
        json!({ "records": 1, "lost": 0 })
    );
    let trace: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert!(
        trace["traceEvents"]
            .as_array()
            .unwrap()
            .iter()
            .any(|event| event["name"] == "W sTLBGSYNC")
    );
    let status = call(&context, "trace-status", json!({})).unwrap();
    assert_eq!(
        status,
        json!({ "smmus": [], "capacity": 1024, "kept": 2, "recorded": 2, "files": [] })
    );
}

#[test]
fn mistakes_are_named_and_change_nothing() {
    let context = context();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("no/file");
    for (arguments, expected) in [
        (json!({ "smmu": "c" }), "\"c\" is none of"),
        (json!({ "records": 7 }), "`records` has to be 1024 to 262144"),
        (json!({ "format": "chrome" }), "give `path` too"),
        (
            json!({ "path": "x", "format": "text" }),
            "a format is ndjson or chrome",
        ),
        (json!({ "path": path }), "cannot create"),
        (json!({ "path": "" }), "cannot create"),
        (json!({ "path": "a\0b" }), "cannot create"),
        (json!({ "file": "x" }), "unknown field `file`"),
    ] {
        let error = call(&context, "trace-start", arguments.clone()).unwrap_err();
        assert!(error.contains(expected), "{arguments}: {error}");
    }
    assert_eq!(
        call(&context, "trace-status", json!({})).unwrap()["smmus"],
        json!([])
    );
}
