// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

#[test]
fn images_that_cannot_be_used_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk");
    let error = |read_only| Image::open(&path, read_only, &Places::anywhere()).unwrap_err();
    assert!(error(true).contains("does not exist: make one"));
    File::create(&path).unwrap().set_len(1000).unwrap();
    assert!(error(true).contains("1000 bytes"));
    File::create(&path).unwrap();
    assert!(error(true).contains("0 bytes"));
    File::create(&path).unwrap().set_len(1024).unwrap();
    let first = Image::open(&path, true, &Places::anywhere()).unwrap();
    Image::open(&path, true, &Places::anywhere()).unwrap();
    assert!(error(false).contains("in use"));
    drop(first);
    let only = Image::open(&path, false, &Places::anywhere()).unwrap();
    assert!(error(true).contains("in use"));
    drop(only);
    assert!(
        Image::open(directory.path(), true, &Places::anywhere())
            .unwrap_err()
            .contains("no regular file")
    );
}

#[test]
fn an_image_elsewhere_is_out_of_reach() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk");
    File::create(&path).unwrap().set_len(1024).unwrap();
    for read_only in [true, false] {
        let error = Image::open(&path, read_only, &Places::default()).unwrap_err();
        assert!(
            error.contains("outside of the files and directories that are allowed"),
            "{error}"
        );
    }
    assert!(Image::open(&path, false, &Places::new(vec![directory.path().to_owned()])).is_ok());
}
