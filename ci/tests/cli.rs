// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The command line from outside, as far as no guest is needed.

use std::fs;
use std::process::{Command, Output, Stdio};

fn boot_stress(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_boot-stress"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn recipes_are_listed_and_shown() {
    let output = boot_stress(&["recipes"]);
    assert_eq!(output.status.code(), Some(0));
    let list = text(&output.stdout);
    assert!(
        list.lines().any(|line| line.starts_with("attach-lock ")),
        "{list}"
    );
    let output = boot_stress(&["recipes", "boot"]);
    assert!(text(&output.stdout).contains("name = \"boot\""));
    assert_eq!(boot_stress(&["recipes", "none"]).status.code(), Some(2));
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let pipeline = format!(
        "'{}' recipes boot | true; exit ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_boot-stress")
    );
    for _ in 0..20 {
        let output = Command::new("bash").args(["-c", &pipeline]).output().unwrap();
        assert_eq!(
            (output.status.code(), text(&output.stderr).as_str()),
            (Some(0), "")
        );
    }
}

#[test]
fn a_recipe_with_a_mistake_is_a_usage_error_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    fs::write(
        &file,
        "name = \"mine\"\nsummary = \"s\"\nexpect = \"hit\"\n\n[bord]\n",
    )
    .unwrap();
    let output = boot_stress(&["reproduce", "--recipe", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(error.contains("mine.toml:5:2: unknown field `bord`"), "{error}");
    assert!(error.contains("`board`"), "{error}");
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn a_child_whose_parent_is_gone_does_not_start() {
    let marker = tempfile::tempdir().unwrap();
    let file = marker.path().join("started");
    // Process 1 is the parent of no process here.
    let output = boot_stress(&["exec", "1", "touch", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(!file.exists());
    let own = std::process::id().to_string();
    assert_eq!(
        boot_stress(&["exec", &own, "touch", file.to_str().unwrap()])
            .status
            .code(),
        Some(0)
    );
    assert!(file.exists());
}

#[test]
fn the_hidden_server_is_the_server() {
    let output = boot_stress(&["vfio-server", "--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("--exit-with-stdin"));
}

#[test]
fn doctor_says_what_is_wrong_and_how_to_mend_it() {
    let output = boot_stress(&[
        "doctor",
        "--cache",
        "/proc/none",
        "--mirror",
        "nonsense",
        "--qemu",
        "/none/qemu",
    ]);
    assert_eq!(output.status.code(), Some(3));
    let report = text(&output.stdout);
    for point in ["QEMU", "cache", "mirror"] {
        let bad = report
            .lines()
            .any(|line| line.starts_with("BAD") && line.contains(point));
        assert!(bad, "{point} is not bad in:\n{report}");
    }
    let told = |start: &str| {
        report
            .lines()
            .filter(|line| line.trim_start().starts_with(start))
            .count()
    };
    assert_eq!(told("BAD"), told("mend:"), "{report}");
}
