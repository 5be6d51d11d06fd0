// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs::{self, OpenOptions};
use std::io::Write;

use super::{Store, StoreError, read};
use crate::report::file_error::FileError;
use crate::report::results::{LOG, ResultsError};
use crate::stress::class::Class::{Clean, Hit, Infra};
use crate::stress::record::{Line, Session};
use crate::stress::samples::{boot, header};
use crate::stress::shard::Shard;

fn session() -> Session {
    Session {
        number: 0,
        time: 1,
        host_cpus: 2,
        jobs: None,
    }
}

#[test]
fn what_is_recorded_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let header = header(3, &["a", "b"]);
    let boots = [
        boot(&header, 0, 1, Hit),
        boot(&header, 1, 1, Clean),
        boot(&header, 0, 2, Infra),
    ];
    let mut store = Store::create(dir.path().to_owned(), &header).unwrap();
    store.begin(session()).unwrap();
    for boot in &boots {
        store.record(boot).unwrap();
    }
    let found = read(dir.path()).unwrap();
    assert_eq!(
        (&found.header, found.boots.as_slice(), found.damaged),
        (&header, &boots[..], 0)
    );
    drop(store);
    let (mut store, found) = Store::resume(dir.path().to_owned(), &header).unwrap();
    assert_eq!(found.boots, boots);
    store.begin(session()).unwrap();
    let numbers: Vec<u32> = read(dir.path())
        .unwrap()
        .sessions
        .iter()
        .map(|one| one.number)
        .collect();
    assert_eq!(numbers, [1, 2]);
}

/// The line of a boot may be cut at any byte: the boot did not count, and the next one is whole.
#[test]
fn a_results_file_that_was_cut_anywhere_is_resumed() {
    let header = header(3, &["a"]);
    let line = serde_json::to_vec(&Line::Boot(Box::new(boot(&header, 0, 2, Hit)))).unwrap();
    for length in 0..=line.len() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::create(dir.path().to_owned(), &header).unwrap();
        store.record(&boot(&header, 0, 1, Clean)).unwrap();
        drop(store);
        let mut file = OpenOptions::new()
            .append(true)
            .open(dir.path().join(LOG))
            .unwrap();
        file.write_all(&line[..length]).unwrap();
        let (mut store, found) = Store::resume(dir.path().to_owned(), &header).unwrap();
        assert_eq!((found.boots.len(), found.damaged), (1, 0), "{length}");
        store.record(&boot(&header, 0, 3, Clean)).unwrap();
        let numbers: Vec<u32> = read(dir.path())
            .unwrap()
            .boots
            .iter()
            .map(|one| one.boot)
            .collect();
        assert_eq!(numbers, [1, 3], "{length}");
    }
}

#[test]
fn damaged_lines_and_those_of_later_versions_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let header = header(3, &["a"]);
    let mut store = Store::create(dir.path().to_owned(), &header).unwrap();
    store.record(&boot(&header, 0, 1, Clean)).unwrap();
    let mut file = OpenOptions::new()
        .append(true)
        .open(dir.path().join(LOG))
        .unwrap();
    file.write_all(b"{\"type\":\"snapshot\",\"id\":1}\n{\"type\":\"boot\"}\n\0\0\0\nnonsense\n")
        .unwrap();
    store.record(&boot(&header, 0, 2, Clean)).unwrap();
    let found = read(dir.path()).unwrap();
    assert_eq!((found.boots.len(), found.damaged), (2, 3));
}

#[test]
fn results_of_another_run_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let own = header(3, &["a"]);
    drop(Store::create(dir.path().to_owned(), &own).unwrap());
    let mut others = vec![header(3, &["b"]), header(4, &["a"]), header(3, &["a", "b"])];
    others.extend([own.clone(), own.clone(), own.clone()]);
    others[3].cells[0].image_sha256 = "22".to_owned();
    others[4].shards = vec![Shard { index: 1, count: 2 }];
    others[5].matrix = "another".to_owned();
    let words = [
        "cells.0",
        "`boots` is 3 there and 4 here",
        "entries",
        "image_sha256",
        "shards",
        "the text of the matrix",
    ];
    for (other, word) in others.iter().zip(words) {
        let error = Store::resume(dir.path().to_owned(), other)
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "no {word:?} in {error}");
    }
    let mut later = own.clone();
    later.version = "9.9.9".to_owned();
    Store::resume(dir.path().to_owned(), &later).unwrap();
}

#[test]
fn a_directory_is_of_one_run_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let header = header(3, &["a"]);
    let store = Store::create(dir.path().to_owned(), &header).unwrap();
    let locked = |error: StoreError| matches!(error, StoreError::Results(ResultsError::Locked { .. }));
    assert!(locked(Store::create(dir.path().to_owned(), &header).unwrap_err()));
    assert!(locked(Store::resume(dir.path().to_owned(), &header).unwrap_err()));
    drop(store);
    let error = Store::create(dir.path().to_owned(), &header).unwrap_err();
    assert!(
        matches!(error, StoreError::Results(ResultsError::InUse { .. })),
        "{error}"
    );
    Store::resume(dir.path().to_owned(), &header).unwrap();
}

#[test]
fn what_is_no_stress_run_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(LOG);
    assert!(matches!(
        read(dir.path()),
        Err(StoreError::File(FileError::Read { .. }))
    ));
    assert!(matches!(
        Store::resume(dir.path().to_owned(), &header(1, &["a"])),
        Err(StoreError::File(FileError::Read { .. }))
    ));
    assert!(!path.exists());
    let mut no_shard = header(3, &["a"]);
    no_shard.shards = vec![Shard { index: 3, count: 2 }];
    let no_shard = serde_json::to_string(&Line::Header(Box::new(no_shard))).unwrap() + "\n";
    for (text, word) in [
        ("", "no whole line"),
        ("{\"boot\":1,\"seed\":2}\n", "not the header"),
        (
            "{\"type\":\"header\",\"schema\":\"boot-stress/stress/9\"}\n",
            "boot-stress/stress/9",
        ),
        (no_shard.as_str(), "shards that cannot be"),
    ] {
        fs::write(&path, text).unwrap();
        let error = read(dir.path()).unwrap_err().to_string();
        assert!(error.contains(word), "no {word:?} in {error}");
    }
}

/// Directories of boots without a line are removed, and no others, whatever the file says.
#[test]
fn what_unfinished_boots_left_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let header = header(3, &["a"]);
    let mut store = Store::create(dir.path().to_owned(), &header).unwrap();
    let mut kept = boot(&header, 0, 1, Hit);
    kept.dir = Some("boots/a/000001.1".to_owned());
    store.record(&kept).unwrap();
    let mut outside = boot(&header, 0, 2, Hit);
    outside.dir = Some("boots/../../outside".to_owned());
    store.record(&outside).unwrap();
    drop(store);
    for name in ["boots/a/000001.1", "boots/a/000002.1", "boots/b/000001.1", "mine"] {
        fs::create_dir_all(dir.path().join(name)).unwrap();
    }
    let (_store, found) = Store::resume(dir.path().to_owned(), &header).unwrap();
    assert_eq!(found.boots[1].dir, None);
    for (name, there) in [
        ("boots/a/000001.1", true),
        ("boots/a/000002.1", false),
        ("boots/b/000001.1", false),
        ("mine", true),
    ] {
        assert_eq!(dir.path().join(name).exists(), there, "{name}");
    }
}

/// A file from elsewhere may say anything.
#[test]
fn headers_that_compare_have_two_cells_of_one_shard() {
    let test = |alpha| Some(crate::stress::pairs::PairTest { alpha });
    let mut two = header(3, &["a", "b"]);
    two.stop.pairs = test(0.05);
    assert_eq!(super::check(&two), Ok(()));
    for (alpha, cells, count) in [(0.5, 2, 1), (0.05, 1, 1), (0.05, 2, 2)] {
        let mut header = two.clone();
        header.stop.pairs = test(alpha);
        header.cells.truncate(cells);
        header.shards = vec![Shard { index: 1, count }];
        assert!(super::check(&header).is_err(), "{alpha} {cells} {count}");
    }
}

/// docs/schemas/stress.schema.json describes the lines that are written.
#[test]
fn lines_fit_the_published_schema() {
    let schema = include_str!("../../../../docs/schemas/stress.schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut header = header(3, &["a", "b-control"]);
    header.stop.sprt = Some(crate::stats::sprt::Sprt {
        p0: 0.1,
        p1: 0.2,
        alpha: 0.05,
        beta: 0.05,
    });
    header.stop.pairs = Some(crate::stress::pairs::PairTest { alpha: 0.05 });
    header.boot_seed = Some(9);
    header.skipped = vec![crate::stress::record::Skipped {
        key: "c".to_owned(),
        reason: "old".to_owned(),
    }];
    let boots =
        crate::stress::class::Class::ALL.map(|class| Line::Boot(Box::new(boot(&header, 0, 1, class))));
    let mut lines = vec![Line::Header(Box::new(header.clone())), Line::Session(session())];
    lines.extend(boots);
    for line in lines {
        let line = serde_json::to_value(line).unwrap();
        let problems: Vec<String> = validator
            .iter_errors(&line)
            .map(|error| error.to_string())
            .collect();
        assert!(problems.is_empty(), "{line}: {problems:?}");
        // Each field that must be there is checked.
        for key in line
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| !OPTIONAL.contains(&key.as_str()))
        {
            let mut without = line.clone();
            without.as_object_mut().unwrap().remove(key);
            assert!(!validator.is_valid(&without), "`{key}` may be absent from {line}");
        }
    }
}

/// Fields that are left out when there is nothing to say.
const OPTIONAL: [&str; 7] = [
    "skipped",
    "boot_seed",
    "jobs",
    "reason",
    "titles",
    "boot_ms",
    "dir",
];
