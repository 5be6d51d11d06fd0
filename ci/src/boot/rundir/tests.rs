// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::{PREFIX, RunDir, RunDirError};

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
    let directory = |name: &str, mode| {
        let path = base.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        fs::write(path.join("console.log"), "").unwrap();
        path
    };
    let left = directory(&format!("{PREFIX}left"), 0o700);
    let open = directory(&format!("{PREFIX}open"), 0o755);
    let foreign = base.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    let link = base.path().join(format!("{PREFIX}link"));
    symlink(&foreign, &link).unwrap();
    let _run = RunDir::create_in(base.path()).unwrap();
    assert!(neighbour.path().exists());
    assert!(foreign.exists() && link.exists());
    assert!(open.exists(), "no run makes a directory that others enter");
    assert!(!left.exists());
}

#[test]
fn a_cache_beside_the_runs_stays() {
    let base = tempfile::tempdir().unwrap();
    let cache = base.path().join("smmu-emu-cache");
    fs::create_dir(&cache).unwrap();
    fs::set_permissions(&cache, Permissions::from_mode(0o700)).unwrap();
    fs::write(cache.join("lock"), "").unwrap();
    let _run = RunDir::create_in(base.path()).unwrap();
    assert!(cache.join("lock").exists());
}

/// A run may be killed while it makes its directory, or removes it: an empty one remains.
#[test]
fn what_a_kill_left_half_made_goes() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join(format!("{PREFIX}empty"));
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
    let _run = RunDir::create_in(base.path()).unwrap();
    assert!(!dir.exists());
}

#[test]
fn a_pipe_of_that_name_blocks_no_run() {
    let base = tempfile::tempdir().unwrap();
    let pipe = base.path().join(format!("{PREFIX}trap"));
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let _run = RunDir::create_in(base.path()).unwrap();
    assert!(pipe.exists());
}

#[test]
fn runs_that_begin_together_leave_each_other_alone() {
    let base = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let run = RunDir::create_in(base.path()).unwrap();
                    assert!(run.path().exists());
                }
            });
        }
    });
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
