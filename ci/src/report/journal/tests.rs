// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::{Blank, Journal, JournalError};
use crate::report::file_error::FileError;

const NAME: &str = "work.ndjson";

fn open(dir: &Path) -> Result<Journal<String, u32>, JournalError> {
    Journal::open(dir, NAME)
}

fn begun(dir: &Path) -> Journal<String, u32> {
    Blank::create(dir, NAME)
        .unwrap()
        .begin("work".to_owned())
        .unwrap()
}

#[test]
fn lines_are_there_again_without_the_one_that_was_cut() {
    let dir = tempfile::tempdir().unwrap();
    begun(dir.path()).append(7).unwrap();
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(dir.path().join(NAME))
        .unwrap();
    file.write_all(b"12").unwrap();
    open(dir.path()).unwrap().append(8).unwrap();
    let journal = open(dir.path()).unwrap();
    assert_eq!(
        (journal.first.as_str(), &journal.lines[..]),
        ("work", &[7, 8][..])
    );
}

#[test]
fn a_directory_has_one_work_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let journal = begun(dir.path());
    for error in [open(dir.path()).err(), Blank::create(dir.path(), NAME).err()] {
        let error = error.unwrap().to_string();
        assert!(error.contains("in use by another run"), "{error}");
    }
    drop(journal);
    let error = Blank::create(dir.path(), NAME).unwrap_err().to_string();
    assert!(error.contains("results of an earlier run"), "{error}");
}

#[test]
fn damage_is_named() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        open(dir.path()),
        Err(JournalError::File(FileError::Read { .. }))
    ));
    for (text, problem) in [
        ("", "nothing was begun"),
        ("\"work", "nothing was begun"),
        ("1\n", "line 1: "),
        ("\"work\"\n1\n-2\n-3\n", "line 3: "),
    ] {
        fs::write(dir.path().join(NAME), text).unwrap();
        let error = open(dir.path()).unwrap_err().to_string();
        assert!(error.contains(NAME) && error.contains(problem), "{error}");
    }
}
