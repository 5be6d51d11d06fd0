// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A stress run with real guests: a recipe and its control, killed and resumed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Time limit of the whole run on a busy machine.
const LIMIT: Duration = Duration::from_secs(600);

fn start(dir: &Path, option: &str) -> Child {
    let matrix = dir.join("matrix.toml");
    let text = "name = \"m\"\nkernels = [\"debian:7.3.4\"]\nrecipes = [\"few-smrs\", \"few-smrs-full\"]\n\
                start = [\"cold\", \"warm\"]\nboots = 2\n";
    fs::write(&matrix, text).unwrap();
    Command::new(env!("CARGO_BIN_EXE_boot-stress"))
        .arg("stress")
        .arg(matrix)
        .args(["-j", "2", "--json", option])
        .arg(dir.join("results"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Classes of the boots on disk, and how many lines each has.
fn boots(dir: &Path) -> BTreeMap<(String, u64), Vec<String>> {
    let text = fs::read_to_string(dir.join("results/results.ndjson")).unwrap_or_default();
    let mut boots: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for line in text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        if line["type"] == "boot" {
            let name = |key: &str| line[key].as_str().unwrap().to_owned();
            let key = (name("cell"), line["boot"].as_u64().unwrap());
            boots.entry(key).or_default().push(name("class"));
        }
    }
    boots
}

#[test]
fn guest_runs_that_are_killed_and_resumed_have_all_boots_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = start(dir.path(), "--results");
    let deadline = Instant::now() + LIMIT;
    while boots(dir.path()).is_empty() {
        assert!(first.try_wait().unwrap().is_none(), "ended without a boot");
        assert!(Instant::now() < deadline, "no boot");
        thread::sleep(Duration::from_millis(20));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let before = boots(dir.path());
    assert!(before.len() < 8, "nothing is left to be resumed");
    let output = start(dir.path(), "--resume").wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let cells = report["cells"].as_array().unwrap().iter();
    let counts = cells.map(|cell| {
        let of = |key: &str| cell[key].as_u64().unwrap();
        (of("hits"), of("clean"), of("infra_attempts"))
    });
    let (hits, none) = ((2, 0, 0), (0, 2, 0));
    assert_eq!(counts.collect::<Vec<_>>(), [hits, hits, none, none], "{report:#}");
    // A warm hit is made again warm.
    for (cell, warm) in [("0001", false), ("0002", true)] {
        let found = fs::read_dir(dir.path().join("results/boots")).unwrap();
        let mut cells = found.map(|entry| entry.unwrap().path());
        let found = cells.find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(cell))
        });
        let repro = fs::read_to_string(found.unwrap().join("000001.1/repro.sh")).unwrap();
        assert_eq!(
            repro.contains("'--start' 'warm'") || repro.contains("--start warm"),
            warm,
            "{repro}"
        );
    }
    assert_eq!(report["sessions"], 2);
    let after = boots(dir.path());
    assert!(
        after.len() == 8 && after.values().all(|lines| lines.len() == 1),
        "{after:?}"
    );
    assert!(before.iter().all(|(key, class)| after.get(key) == Some(class)));
}
