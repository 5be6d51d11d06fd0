// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

#[test]
fn the_copy_of_a_console_has_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("console");
    let mut copy = Copy::create(&path).unwrap();
    copy.room = 10;
    for _ in 0..3 {
        copy.write(b"01234567").unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        text,
        "0123456701\n[the copy of the console ends here: it is full]\n"
    );
}

#[test]
fn messages_stand_between_lines_of_the_console() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("console");
    let mut copy = Copy::create(&path).unwrap();
    copy.message("m1").unwrap();
    copy.write(b"one\r\ntw").unwrap();
    copy.message("m2").unwrap();
    copy.write(b"").unwrap();
    copy.write(b"o\nthree\nfo").unwrap();
    copy.message("m3").unwrap();
    for _ in 0..WAITING {
        copy.message("a guest that ends no line does not make them grow")
            .unwrap();
    }
    assert!(copy.waiting.len() < WAITING + 100);
    copy.waiting.truncate(3);
    copy.finish().unwrap();
    copy.finish().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, "m1\none\r\ntwo\nm2\nthree\nfo\nm3\n");
}

/// A device on which every write fails as on a disk that is full, and none is ever kept.
const FULL: &str = "/dev/full";

#[test]
fn a_copy_that_cannot_be_written_is_an_error_with_its_path() {
    let refused = |result: Result<(), BootError>| match result {
        Err(BootError::Write { path, source }) => {
            assert_eq!(path, Path::new(FULL));
            assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
        }
        other => panic!("{other:?}"),
    };
    let copy = || Copy {
        path: FULL.into(),
        file: File::options().write(true).open(FULL).unwrap(),
        room: MOST,
        at_line_start: true,
        waiting: Vec::new(),
    };
    refused(copy().write(b"one\n"));
    refused(copy().message("m"));
    let mut last = copy();
    last.room = 2;
    refused(last.write(b"one\n"));
    let mut waiting = copy();
    waiting.at_line_start = false;
    waiting.message("m").unwrap();
    refused(waiting.finish());
}
