// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::{Check, Finding, available_mib, bad, writable};

#[test]
fn available_memory_is_read() {
    let text = "MemTotal:       24659456 kB\nMemFree:         1234 kB\nMemAvailable:    2097152 kB\n";
    assert_eq!(available_mib(text), Some(2048));
    assert_eq!(available_mib("MemTotal: 1 kB\n"), None);
}

#[test]
fn a_directory_that_is_still_to_be_made_is_judged_by_the_one_above() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b/c");
    assert!(matches!(writable(&deep, 1, "x"), Finding::Well(_)));
    assert!(!deep.exists());
    assert!(matches!(
        writable(&deep, u64::MAX >> 30, "x"),
        Finding::Bad { .. }
    ));
    assert!(matches!(
        writable("/proc/a/b".as_ref(), 1, "x"),
        Finding::Bad { .. }
    ));
}

#[test]
fn what_is_bad_says_how_to_mend_it() {
    let check = Check {
        name: "cache",
        finding: bad("read-only", "name another"),
    };
    assert!(check.is_bad());
    assert_eq!(
        check.to_string(),
        "BAD   cache        read-only\n                   mend: name another"
    );
}
