// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs;

use super::{FILE, KeptBoot, SCHEMA};
use crate::stress::class::Class;
use crate::stress::samples::{boot, header};

fn sample() -> KeptBoot {
    let header = header(1, &["r"]);
    KeptBoot {
        schema: SCHEMA.to_owned(),
        kernel: "debian:7.3.4+deb13-arm64".to_owned(),
        cell: header.cells[0].clone(),
        boot: boot(&header, 0, 1, Class::Hit),
    }
}

#[test]
fn a_description_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE), serde_json::to_string(&sample()).unwrap()).unwrap();
    assert_eq!(KeptBoot::read(dir.path()).unwrap(), sample());
}

#[test]
fn other_files_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let problem = || KeptBoot::read(dir.path()).unwrap_err().to_string();
    assert!(problem().contains(FILE), "{}", problem());
    let later = serde_json::to_string(&sample())
        .unwrap()
        .replace("boot/1", "boot/2");
    for (text, words) in [
        ("{}", "missing field"),
        (later.as_str(), "this version reads"),
        ("x", "line 1"),
    ] {
        fs::write(dir.path().join(FILE), text).unwrap();
        assert!(problem().contains(words), "{}", problem());
    }
}
