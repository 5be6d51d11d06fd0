// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::{Check, Finding, available_mib, bad, checks, writable};
use crate::setup::environment::Choice;

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

/// The doctor names whatever a run with the same options would refuse.
#[test]
fn the_users_choice_is_what_is_examined() {
    let cache = tempfile::tempdir().unwrap();
    let bad_checks = |choice: Choice| -> Vec<String> {
        let choice = Choice {
            cache: Some(cache.path().to_owned()),
            mirror: Some("http://mirror.invalid".to_owned()),
            locked: true,
            ..choice
        };
        let checks = checks(&choice);
        let bad = checks.into_iter().filter(Check::is_bad);
        bad.map(|check| check.to_string()).collect()
    };
    let busybox = Some(std::env::current_exe().unwrap());
    let nonsense = bad_checks(Choice {
        kernel: Some("debian:nonsense".into()),
        busybox: busybox.clone(),
        ..Choice::default()
    });
    assert!(
        nonsense.len() == 1 && nonsense[0].contains("kernel \"nonsense\""),
        "{nonsense:?}"
    );
    let no_kernel = bad_checks(Choice {
        kernel: busybox.as_ref().map(|path| path.as_os_str().to_owned()),
        busybox,
        ..Choice::default()
    });
    assert!(
        no_kernel.len() == 1 && no_kernel[0].contains("an ELF file"),
        "{no_kernel:?}"
    );
    let no_busybox = bad_checks(Choice {
        busybox: Some("/nonexistent".into()),
        ..Choice::default()
    });
    assert!(
        no_busybox.len() == 1 && no_busybox[0].contains("/nonexistent is no file"),
        "{no_busybox:?}"
    );
}
