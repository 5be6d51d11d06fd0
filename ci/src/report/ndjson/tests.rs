// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs;

use super::{LINE_MAX, Lines, Log, read};
use crate::report::results::ResultsError;

fn lines(text: &[u8]) -> (Vec<(u64, String)>, Lines) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    fs::write(&path, text).unwrap();
    let mut seen = Vec::new();
    let found = read(&path, |number, line| seen.push((number, line.to_owned()))).unwrap();
    (seen, found)
}

#[test]
fn a_line_that_is_cut_does_not_count() {
    let whole = b"{\"a\":1}\n{\"a\":2}\n".to_vec();
    for cut in 0..=7 {
        let mut text = whole.clone();
        text.extend_from_slice(&b"{\"a\":3}"[..cut]);
        let (seen, found) = lines(&text);
        assert_eq!(seen.len(), 2);
        assert_eq!((found.length, found.is_cut), (16, cut > 0));
    }
}

#[test]
fn lines_that_cannot_be_read_are_counted_and_passed_over() {
    let mut text = b"{}\n\xff\xfe\n".to_vec();
    text.extend(vec![b'x'; usize::try_from(LINE_MAX).unwrap() * 2 + 5]);
    text.extend_from_slice(b"\n{\"last\":1}\n");
    let (seen, found) = lines(&text);
    assert_eq!(seen, [(1, "{}".to_owned()), (4, "{\"last\":1}".to_owned())]);
    assert_eq!((found.length, found.unreadable), (text.len() as u64, 2));
}

#[test]
fn one_process_writes_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = Log::open(dir.path(), "log").unwrap();
    first.lock().unwrap();
    let second = Log::open(dir.path(), "log").unwrap();
    assert!(matches!(second.lock(), Err(ResultsError::Locked { .. })));
    drop(first);
    second.lock().unwrap();
}

#[test]
fn appending_to_a_file_that_was_removed_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::open(dir.path(), "log").unwrap();
    log.append(&1).unwrap();
    fs::remove_file(dir.path().join("log")).unwrap();
    assert!(matches!(log.append(&2), Err(ResultsError::Removed { .. })));
}
