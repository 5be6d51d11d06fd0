// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

#[test]
fn images_that_cannot_be_used_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk");
    let error = |read_only| Image::open(&path, read_only).unwrap_err();
    assert!(error(true).contains("does not exist: make one"));
    File::create(&path).unwrap().set_len(1000).unwrap();
    assert!(error(true).contains("1000 bytes"));
    File::create(&path).unwrap();
    assert!(error(true).contains("0 bytes"));
    File::create(&path).unwrap().set_len(1024).unwrap();
    let first = Image::open(&path, true).unwrap();
    Image::open(&path, true).unwrap();
    assert!(error(false).contains("in use"));
    drop(first);
    let only = Image::open(&path, false).unwrap();
    assert!(error(true).contains("in use"));
    drop(only);
    assert!(
        Image::open(directory.path(), true)
            .unwrap_err()
            .contains("no regular file")
    );
}
