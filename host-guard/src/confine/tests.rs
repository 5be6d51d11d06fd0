// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::io::{Read, Write};
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

/// A directory `in` that is allowed, and beside it a file `secret` and a directory `out`.
fn bench() -> (TempDir, Places) {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("in/sub")).unwrap();
    fs::create_dir(at("out")).unwrap();
    for name in ["in/file", "in/sub/file", "secret", "out/file"] {
        fs::write(at(name), name).unwrap();
    }
    let places = Places::new(vec![at("in")]);
    (dir, places)
}

fn refused(places: &Places, path: &Path) {
    for access in [Access::Read, Access::Write, Access::Append] {
        let error = places.open(path, access).expect_err("a file outside");
        assert_eq!(
            error.kind(),
            io::ErrorKind::PermissionDenied,
            "{}: {error}",
            path.display()
        );
    }
}

#[test]
fn files_of_the_place_are_opened() {
    let (dir, places) = bench();
    let mut text = String::new();
    let path = dir.path().join("in/sub/file");
    places
        .open(&path, Access::Read)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "in/sub/file");
    let new = dir.path().join("in/new");
    assert!(
        places.open(&new, Access::Write).is_err(),
        "an image has to be there"
    );
    for _ in 0..2 {
        places
            .open(&new, Access::Append)
            .unwrap()
            .write_all(b"x")
            .unwrap();
    }
    assert_eq!(fs::read(&new).unwrap(), b"xx");
    places.open(&new, Access::Write).unwrap().write_all(b"y").unwrap();
    assert_eq!(fs::read(&new).unwrap(), b"yx");
}

#[test]
fn other_paths_are_refused() {
    let (dir, places) = bench();
    let at = |name: &str| dir.path().join(name);
    for path in [
        "secret",
        "out/file",
        "in/../secret",
        "in/sub/../../secret",
        "inside",
        "in2/file",
    ] {
        refused(&places, &at(path));
    }
    refused(&places, "in/file".as_ref());
    refused(&places, "/etc/passwd".as_ref());
    refused(&Places::default(), &at("in/file"));
    assert_eq!(fs::read(at("secret")).unwrap(), b"secret");
}

#[test]
fn links_do_not_lead_out() {
    let (dir, places) = bench();
    let at = |name: &str| dir.path().join(name);
    symlink("../secret", at("in/relative")).unwrap();
    symlink(at("secret"), at("in/absolute")).unwrap();
    symlink("../out", at("in/directory")).unwrap();
    symlink("/proc/self/cwd", at("in/magic")).unwrap();
    symlink("sub/file", at("in/inside")).unwrap();
    symlink("../new", at("in/dangling")).unwrap();
    for path in [
        "in/relative",
        "in/absolute",
        "in/directory/file",
        "in/magic/x",
        "in/dangling",
    ] {
        refused(&places, &at(path));
    }
    assert!(!at("new").exists());
    assert!(places.open(&at("in/inside"), Access::Read).is_ok());
}

#[test]
fn a_file_that_is_named_is_allowed_and_nothing_beside_it() {
    let (dir, _) = bench();
    let at = |name: &str| dir.path().join(name);
    symlink("secret", at("link")).unwrap();
    let places = Places::new(vec![at("link")]);
    assert!(places.has(&at("link")) && !places.has(&at("secret")));
    assert!(places.open(&at("link"), Access::Read).is_ok());
    refused(&places, &at("secret"));
    // It is no directory.
    assert!(places.open(&at("link/x"), Access::Read).is_err());
}

#[test]
fn a_pipe_neither_blocks_nor_counts() {
    let (dir, places) = bench();
    let pipe = dir.path().join("in/pipe");
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let named = Places::new(vec![pipe.clone()]);
    for places in [places, named] {
        for access in [Access::Read, Access::Write, Access::Append] {
            let error = places.open(&pipe, access).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        }
    }
}

#[test]
fn every_file_may_be_allowed() {
    let (dir, _) = bench();
    let places = Places::anywhere();
    let path = dir.path().join("in/../secret");
    assert!(places.has(&path) && places.open(&path, Access::Read).is_ok());
    assert!(!Places::default().has(&path));
}
