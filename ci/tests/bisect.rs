// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `git bisect run` over commits that select stock kernels, with real guests.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn shell(dir: &Path, script: &str) -> Output {
    Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", script])
        .env("BOOT_STRESS", env!("CARGO_BIN_EXE_boot-stress"))
        .current_dir(dir)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap()
}

/// "driver core: Don't let a device probe until it's ready" is in 7.3.4 and not in 6.16.3; the tree goes back with its
/// fourth commit of six.
#[test]
fn guest_git_bisect_finds_the_commit_that_brings_a_bug() {
    let dir = tempfile::tempdir().unwrap();
    let made = shell(
        dir.path(),
        "git init -q tree; cd tree; git config user.email x@x; git config user.name x\n\
         for commit in 1 2 3 4 5 6; do\n\
         [ $commit -lt 4 ] && kernel=debian:7.3.4 || kernel=debian:6.16.3\n\
         echo $kernel >kernel; echo $commit >number; git add .; git commit -qm \"commit $commit\"; done\n\
         \"$BOOT_STRESS\" bisect calibrate --state ../bisection --commits $(git rev-list --count HEAD~5..HEAD) \
         --kernel-file kernel --recipe device-not-ready --start warm --boots 8 -j 2",
    );
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let found = shell(
        dir.path(),
        "cd tree; git bisect start HEAD HEAD~5\n\
         git bisect run \"$BOOT_STRESS\" bisect step --state ../bisection -j 2",
    );
    let said = String::from_utf8_lossy(&found.stdout).into_owned();
    assert_eq!(found.status.code(), Some(0), "{said}");
    assert!(
        said.contains("is the first bad commit") && said.contains("commit 4"),
        "{said}"
    );
}
