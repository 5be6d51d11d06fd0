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
