// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The archive under `testdata` is signed with a key made for it alone, which exists no more.

use std::sync::Arc;

use std::path::PathBuf;

use super::*;
use crate::packages::archive::listed;
use crate::packages::progress::Silent;
use crate::packages::testing::{Answer, TestMirror};

const WANTED: &str = r#"
suites = ["stable", "newer"]
kernels = ["6.18.15+x-arm64", "newest"]
qemu_hosts = ["amd64"]
qemu_without = ["gcc-14-base", "seabios", "qemu-system-common"]
"#;

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/packages/renew/testdata")
        .join(path)
}

fn read(path: &str) -> Vec<u8> {
    std::fs::read(data(path)).unwrap()
}

fn archive() -> TestMirror {
    let server = TestMirror::start();
    for suite in ["stable", "newer"] {
        let release = read(&format!("dists/{suite}/InRelease"));
        let text = String::from_utf8(release.clone()).unwrap();
        server.answer(&format!("dists/{suite}/InRelease"), Answer::Whole(release));
        for architecture in ["amd64", "arm64"] {
            let path = format!("main/binary-{architecture}");
            let (hash, _) = listed(&text, &format!("{path}/Packages.xz")).unwrap();
            let index = Answer::Whole(read(&format!("dists/{suite}/Packages-{architecture}.xz")));
            // One with by-hash directories and one without.
            let place = match suite {
                "stable" => format!("dists/{suite}/{path}/by-hash/SHA256/{hash}"),
                _ => format!("dists/{suite}/{path}/Packages.xz"),
            };
            server.answer(&place, index);
        }
    }
    server
}

fn run(server: &TestMirror, wanted: &str, keyring: &Path) -> Result<Lock, ArchiveError> {
    let cache = tempfile::tempdir().unwrap();
    let store = Store::open(Some(cache.path().to_owned()), Some(server.url.clone())).unwrap();
    renew(
        &store.with_progress(Arc::new(Silent)),
        &Wanted::parse(wanted).unwrap(),
        Some(keyring),
    )
}

fn failure(server: &TestMirror, wanted: &str) -> String {
    let error = run(server, wanted, &data("keyring.gpg")).unwrap_err();
    error.to_string().replace(&server.url, "http://mirror.invalid")
}

#[test]
fn from_the_signature_to_the_lock_file() {
    let lock = run(&archive(), WANTED, &data("keyring.gpg")).unwrap();
    let text = lock.to_toml().unwrap();
    assert_eq!(Lock::parse(&text).unwrap(), lock);
    insta::assert_snapshot!(text);
}

#[test]
fn a_changed_release_is_refused() {
    let server = archive();
    let mut release = read("dists/newer/InRelease");
    let digit = release.iter().position(|b| *b == b'4').unwrap();
    release[digit] = b'5';
    server.answer("dists/newer/InRelease", Answer::Whole(release));
    let error = failure(&server, WANTED);
    assert!(
        error.starts_with("newer: the signature of InRelease is not good"),
        "{error}"
    );
}

#[test]
fn a_release_signed_by_somebody_else_is_refused() {
    let other = tempfile::NamedTempFile::new().unwrap();
    let error = run(&archive(), WANTED, other.path()).unwrap_err();
    assert!(matches!(error, ArchiveError::Signature { .. }), "{error}");
}

#[test]
fn text_outside_the_signature_does_not_count() {
    let server = archive();
    let mut release = b"SHA256:\n 00 1 main/binary-amd64/Packages.xz\n\n".to_vec();
    release.extend(read("dists/stable/InRelease"));
    server.answer("dists/stable/InRelease", Answer::Whole(release));
    // Either gpgv refuses it, or only what was signed is read.
    match run(&server, WANTED, &data("keyring.gpg")) {
        Ok(lock) => assert_eq!(lock, run(&archive(), WANTED, &data("keyring.gpg")).unwrap()),
        Err(error) => assert!(matches!(error, ArchiveError::Signature { .. }), "{error}"),
    }
}

#[test]
fn another_suite_is_not_taken_for_the_one_asked_for() {
    let server = archive();
    server.answer(
        "dists/stable/InRelease",
        Answer::Whole(read("dists/newer/InRelease")),
    );
    assert_eq!(
        failure(&server, WANTED),
        "stable: the signed InRelease is that of another suite"
    );
}

#[test]
fn a_changed_index_is_refused() {
    let server = archive();
    let other = Answer::Whole(read("dists/newer/Packages-arm64.xz"));
    server.answer("dists/newer/main/binary-amd64/Packages.xz", other);
    let error = failure(&server, WANTED);
    assert!(
        error.starts_with("newer: main/binary-amd64/Packages.xz is not the one"),
        "{error}"
    );
}

#[test]
fn what_the_archive_lacks_is_named() {
    let lacks = |from: &str, to: &str| {
        assert!(WANTED.contains(from));
        failure(&archive(), &WANTED.replace(from, to))
    };
    let report = [
        lacks("\"newer\"", "\"gone\""),
        lacks("\"6.18.15+x-arm64\"", "\"5.0.0-arm64\""),
        lacks("\"6.18.15+x-arm64\"", "\"6.19.14+x-arm64\""),
        lacks("\"gcc-14-base\", \"seabios\"", "\"gcc-14-base\""),
        lacks("[\"amd64\"]", "[\"riscv64\"]"),
    ];
    insta::assert_snapshot!(report.join("\n"));
}

#[test]
fn unknown_keys_of_the_list_are_errors() {
    let error = ArchiveError::from(Wanted::parse("suits = []").unwrap_err()).to_string();
    assert!(
        error.starts_with("images.toml: ") && error.contains("suits"),
        "{error}"
    );
}

/// The list that belongs to the shipped lock file.
#[test]
fn the_shipped_list_and_lock_agree() {
    let wanted = Wanted::parse(include_str!("../../../images.toml")).unwrap();
    let lock = Lock::shipped().unwrap();
    for host in &wanted.qemu_hosts {
        let set = lock
            .sets
            .iter()
            .find(|set| set.name == format!("qemu-{host}"))
            .unwrap();
        assert!(
            set.packages
                .iter()
                .all(|p| !wanted.qemu_without.contains(&p.package))
        );
    }
    for release in wanted
        .kernels
        .iter()
        .filter(|release| !release.starts_with("newest"))
    {
        lock.kernel(Some(release)).unwrap();
    }
    for package in lock.sets.iter().flat_map(|set| &set.packages) {
        assert!(wanted.suites.contains(&package.suite), "{}", package.describe());
    }
}
