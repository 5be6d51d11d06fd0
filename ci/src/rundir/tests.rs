// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;

use super::{LOCK, PREFIX, RunDir, RunDirError};

#[test]
fn only_the_owner_enters_and_nothing_stays() {
    let base = tempfile::tempdir().unwrap();
    let run = RunDir::create_in(base.path()).unwrap();
    fs::write(run.file("x"), "y").unwrap();
    assert_eq!(
        fs::metadata(run.path()).unwrap().permissions().mode() & 0o777,
        0o700
    );
    drop(run);
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
}

#[test]
fn leftovers_go_neighbours_stay() {
    let base = tempfile::tempdir().unwrap();
    let neighbour = RunDir::create_in(base.path()).unwrap();
    let left = base.path().join(format!("{PREFIX}left"));
    fs::create_dir(&left).unwrap();
    File::create(left.join(LOCK)).unwrap();
    let foreign = base.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    File::create(foreign.join(LOCK)).unwrap();
    let _run = RunDir::create_in(base.path()).unwrap();
    assert!(neighbour.path().exists());
    assert!(foreign.exists());
    assert!(!left.exists());
}

#[test]
fn a_socket_path_that_cannot_be_bound_is_refused() {
    let base = tempfile::tempdir().unwrap();
    let deep = base.path().join("d".repeat(90));
    fs::create_dir(&deep).unwrap();
    let run = RunDir::create_in(&deep).unwrap();
    let error = run.socket("a").unwrap_err();
    assert!(matches!(error, RunDirError::PathTooLong { .. }), "{error}");
    assert!(error.to_string().contains("XDG_RUNTIME_DIR"));
}

#[test]
fn a_base_that_cannot_be_written_says_what_to_set() {
    let error = RunDir::create_in("/proc/self".as_ref()).unwrap_err().to_string();
    assert!(
        error.contains("/proc/self") && error.contains("TMPDIR"),
        "{error}"
    );
}
