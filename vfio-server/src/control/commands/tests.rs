// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use smmu_emu::{DelayRule, InjectionRule, MarkRule, Marks, Plan};

use super::rules::MAX_RULES;
use super::*;
use crate::client::device::Device;
use crate::function::Function;
use crate::host::{Host, Run};
use crate::sync::Mutex;

/// Two SMMUs and a mark, without sockets.
pub(in crate::control) fn context() -> Context {
    let mark: MarkRule = toml::from_str("name = \"go\"").unwrap();
    let run = Arc::new(Run::new(Marks::new(vec![mark], &["a", "b"]).unwrap()));
    let devices: Vec<Device> = ["a", "b"]
        .into_iter()
        .map(|name| {
            let host = Host::new(name.into(), Arc::clone(&run), 17);
            let function = Function::new(&smmu_emu::Config::default(), Plan::default(), host).unwrap();
            Device {
                name: name.into(),
                socket: name.into(),
                function: Arc::new(Mutex::new(function)),
            }
        })
        .collect();
    Context::new(&devices).unwrap()
}

pub(super) fn call(context: &Context, command: &str, arguments: Value) -> Result<Value, String> {
    let Value::Object(arguments) = arguments else {
        panic!("arguments are an object");
    };
    let command = find(command).unwrap();
    (command.run)(context, arguments).map_err(|error| error.desc)
}

#[test]
fn the_documentation_is_current() {
    const MARKER: &str =
        "<!-- Below: written by a test of vfio-server/src/control/commands; do not edit. -->\n\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/control.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, _) = text.split_once(MARKER).expect("the marker");
    let current = format!("{head}{MARKER}{}", document::reference());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, current).unwrap();
    } else {
        assert!(
            current == text,
            "run `UPDATE_DOCS=1 cargo test -p vfio-server control`"
        );
    }
}

#[test]
fn names_are_unique_and_unknown_arguments_refused() {
    let context = context();
    let mut names: Vec<_> = all().map(|command| command.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    for (old, new) in OLD_NAMES {
        assert!(names.contains(new) && !names.contains(old), "{old} and {new}");
        assert_eq!(find(old).unwrap().name, *new);
    }
    for command in all() {
        let error = call(&context, command.name, json!({ "no-such-argument": 1 })).unwrap_err();
        assert!(error.contains("no-such-argument"), "{}: {error}", command.name);
    }
}

#[test]
fn the_arguments_of_a_rule_are_its_fields() {
    const WHEN: &str = r#""after": "go", "before": "go", "times": 1, "interval": 1, "probability": 1,
        "space": 1, "verbose": 1, "nth": 1"#;
    const DELAY: &str = r#""site": "ats", "bank": 1, "register": "sCR0", "line": "global", "index": 1,
        "access": "read", "polls": 1, "time_us": 1, "until": "go", "at_most_us": 1"#;
    const FAULT: &str = r#""kind": "unmapped", "address": 1, "size": 1, "stream": 1, "bank": 1,
        "access": "read", "level": 1, "stage": 1, "descriptor": 1, "xor": 1, "value": 1, "mask": 1,
        "asid": 1, "vmid": 1, "register": "sCR0", "frame": "gr0", "line": "pmu", "index": 1"#;
    let delay: DelayRule = serde_json::from_str(&format!("{{{DELAY}, {WHEN}}}")).unwrap();
    let fault: InjectionRule = serde_json::from_str(&format!("{{{FAULT}, {WHEN}}}")).unwrap();
    let rules = [
        (serde_json::to_value(delay).unwrap(), delays::ADD),
        (serde_json::to_value(fault).unwrap(), injections::ADD),
    ];
    for (rule, arguments) in rules {
        let mut fields: Vec<&str> = rule.as_object().unwrap().keys().map(String::as_str).collect();
        fields.push("smmu");
        fields.sort_unstable();
        let mut documented: Vec<&str> = arguments.iter().map(|argument| argument.name).collect();
        documented.sort_unstable();
        assert_eq!(documented, fields);
    }
    for row in smmu_emu::plan::KINDS {
        let kinds = injections::ADD[1].about;
        assert!(kinds.contains(&format!("`{}`", row.name)), "{}", row.name);
        for field in row.takes.iter().chain(row.needs) {
            assert!(
                injections::ADD.iter().any(|argument| argument.name == *field),
                "{field}"
            );
        }
    }
}

#[test]
fn registers_by_name() {
    let context = context();
    let scr0 = call(&context, "register-read", json!({ "smmu": "a", "name": "sCR0" })).unwrap();
    assert_eq!(
        (&scr0["value"], &scr0["fields"]["clientpd"]),
        (&json!(0x20_0001), &json!(true))
    );
    let smr = json!({ "smmu": "a", "name": "SMRn", "index": 2, "value": "0x8001_0002" });
    assert_eq!(
        call(&context, "register-write", smr).unwrap()["value"],
        0x8001_0002_u32
    );
    let idr1 = json!({ "smmu": "a", "name": "IDR1", "value": 0 });
    assert_ne!(
        call(&context, "register-write", idr1).unwrap()["value"],
        0,
        "read-only"
    );
    let list = |frame: &str| call(&context, "registers-list", json!({ "smmu": "b", "frame": frame }));
    assert!(list("gr0").unwrap().as_array().unwrap().len() > 100);
    assert_eq!(list("gr1").unwrap()[1]["name"], "CBARn");
    assert_eq!(list("cb15").unwrap()[0]["index"], 15);
    for frame in ["cb16", "cb", "cb-1", "cb99999", "gr2", "", "pm", "secure"] {
        assert!(list(frame).unwrap_err().contains("`frame`"), "{frame}");
    }
    for (arguments, problem) in [
        (json!({ "name": "sCR0" }), "`smmu` is missing: one of a, b"),
        (
            json!({ "smmu": "c", "name": "sCR0" }),
            "`smmu`: \"c\" is none of: a, b",
        ),
        (json!({ "smmu": "a", "name": "x" }), "no register of the model"),
        (
            json!({ "smmu": "a", "name": "SMRn", "index": 4000 }),
            "no SMRn with the number 4000",
        ),
        (
            json!({ "smmu": "a", "name": "SMRn", "index": 1_u64 << 40 }),
            "is too large",
        ),
        (
            json!({ "smmu": "a", "name": "SMRn", "index": -1 }),
            "expected a number from 0",
        ),
        (json!({ "smmu": "a", "name": 1 }), "expected a string"),
    ] {
        let error = call(&context, "register-read", arguments).unwrap_err();
        assert!(error.contains(problem), "{error}");
    }
    let wide = json!({ "smmu": "a", "name": "sCR0", "value": 1_u64 << 32 });
    assert!(
        call(&context, "register-write", wide)
            .unwrap_err()
            .contains("32 bits")
    );
    let counters = call(&context, "counters", json!({ "smmu": "a" })).unwrap();
    assert_eq!(
        (&counters[0]["reads"], &counters[0]["writes"]),
        (&json!(0), &json!(2))
    );
}

#[test]
fn translations_record_nothing() {
    let context = context();
    let translate = |access: &str| {
        let arguments = json!({ "smmu": "a", "stream": 2, "address": "0x1234", "access": access });
        call(&context, "translate", arguments)
    };
    let bypassed = translate("read").unwrap();
    assert_eq!(
        (&bypassed["result"], &bypassed["address"]),
        (&json!("translated"), &json!(0x1234))
    );
    // CLIENTPD clear, USFCFG set: a stream that no group knows faults.
    let scr0 = json!({ "smmu": "a", "name": "sCR0", "value": 1 << 10 });
    call(&context, "register-write", scr0).unwrap();
    let fault = translate("write").unwrap();
    assert_eq!(
        (&fault["fault"], &fault["cause"]),
        (&json!("global"), &json!("UnidentifiedStream"))
    );
    let sgfsr = call(&context, "register-read", json!({ "smmu": "a", "name": "sGFSR" })).unwrap();
    assert_eq!(sgfsr["value"], 0);
    assert!(translate("jump").is_err());
    call(&context, "reset", json!({ "smmu": "a" })).unwrap();
    assert_eq!(translate("fetch").unwrap()["result"], "translated");
}

#[test]
fn plans_round_trip_and_mistakes_change_nothing() {
    let context = context();
    let add = |arguments| call(&context, "delay-add", arguments);
    let first =
        add(json!({ "smmu": "a", "site": "global-sync", "time_us": { "min": 1, "max": 2 }, "times": 3 }));
    assert_eq!(first.unwrap(), json!({ "smmu": "a", "delay": 1 }));
    add(json!({ "smmu": "b", "site": "context-sync", "bank": 1, "until": "go", "at_most_us": 5 })).unwrap();
    let text = call(&context, "plan-save", json!({})).unwrap()["text"].clone();
    for (mistake, problem) in [
        (
            json!({ "smmu": "a", "site": "global-sync" }),
            "exactly one of the three",
        ),
        (
            json!({ "smmu": "a", "site": "global-sync", "until": "x", "at_most_us": 5 }),
            "no mark of this run",
        ),
        (json!({ "smmu": "a", "site": "nowhere", "polls": 1 }), "nowhere"),
    ] {
        let error = add(mistake).unwrap_err();
        assert!(error.contains(problem), "{error}");
    }
    let load = |text: &Value| call(&context, "plan-load", json!({ "text": text }));
    let one = "[[smmu]]\nname = \"a\"\n";
    for mistake in [
        "x".to_owned(),
        format!("{one}{one}"),
        "[[smmu]]\nname = \"c\"".to_owned(),
        format!("{one}[[smmu.delay]]\nsite = \"ats\"\npolls = 0"),
        format!(
            "{one}{}",
            "[[smmu.delay]]\nsite = \"global-sync\"\npolls = 1\n".repeat(MAX_RULES + 1)
        ),
        format!("x = {}", "[".repeat(60_000)),
    ] {
        assert!(
            load(&json!(mistake)).is_err(),
            "{}",
            &mistake[..mistake.len().min(200)]
        );
    }
    assert_eq!(call(&context, "plan-save", json!({})).unwrap()["text"], text);
    assert_eq!(
        call(&context, "delay-remove", json!({ "smmu": "a", "delay": 1 })).unwrap(),
        json!({})
    );
    assert!(call(&context, "delay-remove", json!({ "smmu": "a", "delay": 1 })).is_err());
    assert_eq!(load(&text).unwrap()["delays"], 2);
    assert_eq!(call(&context, "plan-save", json!({})).unwrap()["text"], text);
    assert_eq!(load(&json!("")).unwrap()["delays"], 0);
    for _ in 0..MAX_RULES {
        add(json!({ "smmu": "a", "site": "global-sync", "polls": 1 })).unwrap();
    }
    assert!(
        add(json!({ "smmu": "a", "site": "global-sync", "polls": 1 }))
            .unwrap_err()
            .contains("already")
    );
}

/// As many rules as an SMMU may have, with long fields.
#[test]
fn a_full_plan_fits_into_a_message() {
    let context = context();
    let rule = |more: Value| {
        let mut rule = json!({
            "smmu": "a", "after": "go", "probability": 50, "times": 1_000_000, "space": 1_000_000,
            "interval": 1_000_000, "verbose": 0,
        });
        let Value::Object(more) = more else { panic!() };
        rule.as_object_mut().unwrap().extend(more);
        rule
    };
    for _ in 0..MAX_RULES {
        let delay = json!({
            "site": "register", "register": "CBn_TLBSTATUS", "index": 7, "access": "read",
            "time_us": { "min": 100_000, "max": 200_000 },
        });
        call(&context, "delay-add", rule(delay)).unwrap();
        let fault = json!({
            "kind": "permission", "address": "0xffff_ffff_ffff_0000", "size": "0xffff", "stream": 5, "access": "write",
        });
        call(&context, "fault-add", rule(fault)).unwrap();
    }
    let text = call(&context, "plan-save", json!({})).unwrap()["text"].clone();
    let load = json!({ "execute": "plan-load", "arguments": { "text": text }, "id": "x" });
    let size = load.to_string().len();
    assert!(size <= crate::control::framing::MAX_MESSAGE, "{size}");
    let loaded = call(&context, "plan-load", json!({ "text": text })).unwrap();
    assert_eq!(
        (&loaded["delays"], &loaded["faults"]),
        (&json!(MAX_RULES), &json!(MAX_RULES))
    );
}

#[test]
fn marks_are_raised_by_name() {
    let context = context();
    assert_eq!(
        call(&context, "marks-list", json!({})).unwrap(),
        json!([{ "mark": "go", "raised": false }])
    );
    call(&context, "mark-raise", json!({ "mark": "go" })).unwrap();
    assert_eq!(
        call(&context, "marks-list", json!({})).unwrap()[0]["raised"],
        true
    );
    assert!(call(&context, "mark-raise", json!({ "mark": "gone" })).is_err());
}

#[test]
fn marks_are_added_while_a_run_is_on() {
    let (context, other) = (context(), context());
    let add = |arguments| call(&context, "mark-add", arguments);
    let written = json!({
        "name": "written", "smmu": "b", "register": "sCR0", "access": "write", "nth": "0x2", "after": "go",
    });
    assert_eq!(add(written).unwrap(), json!({ "mark": 1 }));
    for (mistake, problem) in [
        (json!({ "name": "written" }), "already"),
        (json!({ "name": "x".repeat(129) }), "longer than 128"),
        (
            json!({ "name": "x", "register": "nowhere" }),
            "no register of the model",
        ),
        (
            json!({ "name": "x", "smmu": "c", "register": "sCR0" }),
            "none of: a, b",
        ),
        (
            json!({ "name": "x", "register": "SMRn", "index": 65536 }),
            "too large",
        ),
        (json!({ "name": "x", "after": "go" }), "needs `register`"),
    ] {
        let error = add(mistake).unwrap_err();
        assert!(error.contains(problem), "{error}");
    }
    let raised = || {
        let marks = call(&context, "marks-list", json!({})).unwrap();
        assert_eq!(marks[1]["mark"], "written");
        marks[1]["raised"].as_bool().unwrap()
    };
    let write = |smmu: &str| {
        let write = json!({ "smmu": smmu, "name": "sCR0", "value": 1 });
        call(&context, "register-write", write).unwrap();
    };
    write("b");
    call(&context, "mark-raise", json!({ "mark": "go" })).unwrap();
    for (smmu, expected) in [("b", false), ("a", false), ("b", true)] {
        write(smmu);
        assert_eq!(raised(), expected, "{smmu}");
    }
    let delay = json!({ "smmu": "a", "site": "global-sync", "until": "written", "at_most_us": 5 });
    call(&context, "delay-add", delay).unwrap();

    // A file is everything: it can be loaded where the mark is not known.
    let text = call(&context, "plan-save", json!({})).unwrap()["text"].clone();
    call(&other, "plan-load", json!({ "text": text })).unwrap();
    assert_eq!(call(&other, "plan-save", json!({})).unwrap()["text"], text);
    let conflicting = "[[mark]]\nname = \"written\"\n[[smmu]]\nname = \"a\"\n";
    let error = call(&other, "plan-load", json!({ "text": conflicting })).unwrap_err();
    assert!(error.contains("used twice"), "{error}");
    assert_eq!(call(&other, "plan-save", json!({})).unwrap()["text"], text);
}

#[test]
fn slow_commands_exist() {
    for name in SLOW {
        assert!(find(name).is_some(), "{name}");
    }
}
