// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A trace that could not be written is told.

use crate::support::{Bench, run};

#[test]
fn a_trace_on_a_full_disk_is_a_line_of_the_verdict() {
    let bench = Bench::new("");
    let mut command = bench.reproduce(&bench.recipe(""));
    command.args(["--trace", "/dev/full"]);
    let ended = run(command);
    ended.says(
        0,
        &["Trace    /dev/full is incomplete: ", "No space left on device"],
    );
    assert!(
        ended.stderr.contains("vfio-server: "),
        "errors of the server are shown: {}",
        ended.stderr
    );
    let mut command = bench.command("reproduce");
    command
        .args(["--boots", "1", "--json", "--trace", "/dev/full", "--recipe"])
        .arg(bench.recipe(""));
    let verdict: serde_json::Value = serde_json::from_str(&run(command).stdout).unwrap();
    assert_eq!(verdict["trace"]["path"], "/dev/full");
    let reason = verdict["trace"]["incomplete"].as_str().unwrap();
    assert!(reason.contains("No space left"), "{reason}");
}

#[test]
fn a_whole_trace_is_a_line_of_the_verdict() {
    let bench = Bench::new("");
    let trace = bench.path("trace.ndjson");
    let mut command = bench.reproduce(&bench.recipe(""));
    command.arg("--trace").arg(&trace);
    let ended = run(command);
    ended.says(0, &[&format!("Trace    {}\n", trace.display())]);
    assert!(trace.exists());
}
