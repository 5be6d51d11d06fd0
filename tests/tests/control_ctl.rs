// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `vfio-server ctl` against a real server.

use std::path::Path;
use std::process::{Command, Output};

use integration_tests::served::Served;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_server-under-test");

/// Runs a case against a server of its own and looks at what is left.
fn controlled(case: impl FnOnce(&Served)) {
    let mut served = Served::controlled(Path::new(PROGRAM), &["a", "b"], "").unwrap();
    case(&served);
    served.check(&["a", "b"]).unwrap();
}

fn ctl(served: &Served, words: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command
        .arg("ctl")
        .arg("--socket")
        .arg(served.control())
        .args(words);
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_command_line_has_the_same_commands() {
    controlled(|served| {
        let text = said(&ctl(served, &["register-read", "smmu=a", "name=sCR0"]));
        assert!(
            text.contains("value   0x200001") && text.contains("clientpd=true"),
            "{text}"
        );
        let json = said(&ctl(
            served,
            &[
                "--json",
                "delay-add",
                r#"{"smmu": "a", "site": "global-sync"}"#,
                "time_us.min=1",
                "time_us.max=2",
            ],
        ));
        assert_eq!(
            serde_json::from_str::<Value>(&json).unwrap(),
            json!({ "smmu": "a", "delay": 1 })
        );
        let plan = said(&ctl(served, &["plan-save"]));
        let file = served.directory().join("plan.toml");
        std::fs::write(&file, &plan).unwrap();
        said(&ctl(served, &["delay-remove", "smmu=a", "delay=1"]));
        said(&ctl(served, &["plan-load", &format!("text=@{}", file.display())]));
        assert_eq!(said(&ctl(served, &["plan-save"])), plan);
        assert_eq!(
            said(&ctl(served, &["--complete", "ctl", "plan-", "x"])),
            "plan-save\nplan-load\n"
        );

        let status = |words: &[&str]| ctl(served, words).status.code();
        assert_eq!(status(&["register-read", "smmu=c", "name=sCR0"]), Some(1));
        assert_eq!(status(&["no-such-command"]), Some(2));
        assert_eq!(status(&["register-read", "word"]), Some(2));
        assert_eq!(status(&[]), Some(2));
    });
    let nowhere = Command::new(PROGRAM)
        .args(["ctl", "--socket", "/nonexistent", "query-status"])
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(3), "{nowhere:?}");
}
