// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The archive under `testdata` is signed with a key made for it alone, which exists no more.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::*;
use crate::packages::archive::listed;
use crate::packages::progress::Progress;
use crate::packages::testing::{Answer, TestMirror, locked, set_of};
use crate::system::kernel::KernelChoice;

fn read(path: &str) -> Vec<u8> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/packages/resolved/testdata");
    fs::read(data.join(path)).unwrap()
}

fn answer_release(server: &TestMirror, suite: &str, file: &str) {
    let release = read(&format!("dists/{suite}/{file}"));
    server.answer(&format!("dists/{suite}/InRelease"), Answer::Whole(release));
}

fn mirror() -> TestMirror {
    let server = TestMirror::start();
    for suite in ["current", "lts"] {
        answer_release(&server, suite, "InRelease");
        let text = String::from_utf8(read(&format!("dists/{suite}/InRelease"))).unwrap();
        for architecture in ["amd64", "arm64"] {
            let path = format!("main/binary-{architecture}");
            let (hash, _) = listed(&text, &format!("{path}/Packages.xz")).unwrap();
            let index = Answer::Whole(read(&format!("dists/{suite}/Packages-{architecture}.xz")));
            server.answer(&format!("dists/{suite}/{path}/by-hash/SHA256/{hash}"), index);
        }
    }
    let pool = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/packages/resolved/testdata/pool");
    for entry in fs::read_dir(pool).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let package = Answer::Whole(read(&format!("pool/{name}")));
        server.answer(&format!("pool/main/x/{name}"), package);
    }
    server
}

#[derive(Debug, Default)]
struct Notes(Mutex<Vec<String>>);

impl Progress for Notes {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn note(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

/// A cache, and what it says.
struct Case {
    cache: tempfile::TempDir,
    notes: Arc<Notes>,
}

impl Case {
    fn new() -> Self {
        Self {
            cache: tempfile::tempdir().unwrap(),
            notes: Arc::default(),
        }
    }

    /// A store with no source but the lock file.
    fn locked(&self, mirror: &str) -> Store {
        let store = Store::open(Some(self.cache.path().to_owned()), Some(mirror.to_owned())).unwrap();
        store.with_progress(Arc::clone(&self.notes) as Arc<dyn Progress>)
    }

    fn store(&self, mirror: &str) -> Store {
        let wanted = "suites = [\"current\"]\nkernel_suites = [\"lts\"]\nkernels = []\nqemu_hosts = []\n\
                      qemu_without = []\n";
        let keyring =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("src/packages/resolved/testdata/keyring.gpg");
        self.locked(mirror)
            .with_archive(Archive::new(Wanted::parse(wanted).unwrap(), Some(keyring)))
    }

    /// The last notes.
    fn said(&self, last: usize) -> Vec<String> {
        let notes = self.notes.0.lock().unwrap();
        notes[notes.len() - last..].to_vec()
    }
}

/// A lock file of packages that the mirror does not have.
fn old_lock() -> Lock {
    let old = |name: &str| vec![locked(name, b"old")];
    Lock::new(vec![
        set_of(
            SetKind::Qemu,
            &format!("qemu-{}", crate::packages::lock::host_architecture()),
            old("qemu-system-arm"),
        ),
        set_of(SetKind::Kernel, "7.0.4+x-arm64", old("linux-image-7.0.4+x-arm64")),
        set_of(SetKind::Busybox, "busybox", old("busybox-static")),
        set_of(SetKind::Tools, "kexec-tools", old("kexec-tools")),
    ])
}

fn debian(release: &str) -> KernelChoice {
    KernelChoice::Debian(release.to_owned())
}

#[test]
fn a_kernel_that_is_not_locked_comes_from_the_archive_once() {
    let (case, server) = (Case::new(), mirror());
    let kernel = case
        .store(&server.url)
        .kernel(&old_lock(), &debian("7.0.10"))
        .unwrap();
    assert_eq!(kernel.release, "7.0.10+x-arm64");
    assert_eq!(
        kernel.source,
        "debian:7.0.10+x-arm64, version 7.0.10-1 of current"
    );
    assert!(kernel.modules.unwrap().join("kernel/a.ko").is_file());
    // The second run needs no network: not even an address.
    for again in ["7.0.10", "7.0.10+x", "7.0.10+x-arm64"] {
        let second = case
            .store("no address")
            .kernel(&old_lock(), &debian(again))
            .unwrap();
        assert_eq!(second.image, kernel.image);
    }
    let error = case
        .store("no address")
        .kernel(&old_lock(), &debian("7.0.12"))
        .unwrap_err();
    assert!(error.to_string().contains("no address"), "{error}");
}

/// A kernel in the cache does not decide what a name means that several kernels have.
#[test]
fn a_name_of_several_stays_one_of_several() {
    let (case, server) = (Case::new(), mirror());
    let wanted = |wanted: &str| case.store(&server.url).kernel_set(&old_lock(), Some(wanted));
    assert_eq!(wanted("6.12.90+x").unwrap().name, "6.12.90+x-arm64");
    let error = wanted("6.12.90").unwrap_err().to_string();
    assert!(error.contains("it may mean several"), "{error}");
}

/// The beginning of a release means the same kernel later, once it was used.
#[test]
fn a_short_name_is_kept_with_what_it_meant() {
    let (case, server) = (Case::new(), mirror());
    let kernel = case
        .store(&server.url)
        .kernel(&old_lock(), &debian("6.1.0-5"))
        .unwrap_err();
    assert!(
        kernel.to_string().contains("no suite has it"),
        "6.1.0-5 is no 6.1.0-50: {kernel}"
    );
    let kernel = case
        .store(&server.url)
        .kernel(&old_lock(), &debian("6.1.176-1"))
        .unwrap();
    let again = case
        .store("no address")
        .kernel(&old_lock(), &debian("6.1.176-1"))
        .unwrap();
    assert_eq!(again, kernel);
    assert_eq!(case.store("no address").resolved_kernels().len(), 1);
}

/// Packages of Debian 12 and before have modules in /lib, not in /usr/lib.
#[test]
fn modules_of_older_packages_are_found() {
    let (case, server) = (Case::new(), mirror());
    let kernel = case
        .store(&server.url)
        .kernel(&old_lock(), &debian("6.1.0-50"))
        .unwrap();
    let modules = kernel.modules.unwrap();
    assert!(
        modules.ends_with("usr/lib/modules/6.1.0-50-arm64") && modules.join("kernel/a.ko").is_file(),
        "{modules:?}"
    );
}

#[test]
fn a_kernel_that_there_is_not_names_those_that_there_are() {
    let (case, server) = (Case::new(), mirror());
    let told = |wanted: &str| {
        let error = case
            .store(&server.url)
            .kernel_set(&old_lock(), Some(wanted))
            .unwrap_err();
        assert!(
            matches!(&error, Error::Archive(inner) if matches!(**inner, ArchiveError::Kernel(_))),
            "{error:?}"
        );
        error.to_string()
    };
    insta::assert_snapshot!(["7.0.11", "7.0", "6.1", "6.19.14"].map(told).join("\n"));
    // Short forms of what is locked need no archive.
    for wanted in ["7.0.4", "7.0.4+x", "7.0.4-arm64"] {
        let set = case
            .locked("no address")
            .kernel_set(&old_lock(), Some(wanted))
            .unwrap();
        assert_eq!(set.name, "7.0.4+x-arm64");
    }
    // A store that is locked does not look, nor does one that is asked for nonsense.
    let requests = server.requests().len();
    for (store, wanted) in [
        (case.locked(&server.url), "7.0.10"),
        (case.store(&server.url), "newest"),
    ] {
        let error = store.kernel_set(&old_lock(), Some(wanted)).unwrap_err();
        assert!(matches!(error, Error::Lock(_)), "{error}");
    }
    assert_eq!(server.requests().len(), requests);
}

#[test]
fn kernels_of_the_archive_are_listed() {
    let (case, server) = (Case::new(), mirror());
    let offered = case.store(&server.url).offered_kernels().unwrap();
    let lines: Vec<String> = offered
        .iter()
        .map(|one| format!("{} {} {} {}", one.release, one.version, one.suite, one.complete))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
    // The large lists are kept: the second time only what is signed is fetched.
    let before = server.requests().len();
    case.store(&server.url).offered_kernels().unwrap();
    let paths: Vec<String> = server
        .requests()
        .split_off(before)
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert_eq!(paths, ["/dists/current/InRelease", "/dists/lts/InRelease"]);
}

#[test]
fn an_index_older_than_the_last_one_seen_is_refused() {
    let (case, server) = (Case::new(), mirror());
    let store = case.store(&server.url);
    answer_release(&server, "lts", "InRelease.older");
    store.kernel_set(&old_lock(), Some("7.0.10")).unwrap();
    answer_release(&server, "lts", "InRelease");
    store.kernel_set(&old_lock(), Some("7.0.12")).unwrap();
    answer_release(&server, "lts", "InRelease.older");
    let error = store
        .kernel_set(&old_lock(), Some("7.0.12-cloud"))
        .unwrap_err()
        .to_string();
    let error = error.replace(case.cache.path().to_str().unwrap(), "CACHE");
    insta::assert_snapshot!(error);
    fs::remove_file(case.cache.path().join("index/lts.Release")).unwrap();
    store.kernel_set(&old_lock(), Some("7.0.12-cloud")).unwrap();
}

#[test]
fn a_bad_signature_ends_the_search() {
    let (case, server) = (Case::new(), mirror());
    let mut release = read("dists/current/InRelease");
    let at = release.iter().position(|b| *b == b'9').unwrap();
    release[at] = b'8';
    server.answer("dists/current/InRelease", Answer::Whole(release));
    let error = case
        .store(&server.url)
        .kernel_set(&old_lock(), Some("7.0.10"))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("current: the signature of InRelease is not good"),
        "{error}"
    );
    // Nor does anything take the place of what is gone.
    let error = case
        .store(&server.url)
        .busybox(&old_lock())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(
            "busybox: the mirror no longer has what images.lock names, and it could not be resolved anew: current: \
             the signature"
        ),
        "{error}"
    );
}

/// A mirror from which the locked versions were removed.
#[test]
fn what_the_mirror_has_dropped_is_resolved_anew() {
    let (case, server) = (Case::new(), mirror());
    let lock = old_lock();
    let store = case.store(&server.url);
    let busybox = store.busybox(&lock).unwrap();
    assert_eq!(fs::read(&busybox).unwrap(), b"new box");
    insta::assert_snapshot!(case.said(2).join("\n"));
    // The locked kernel is 7.0.4; 7.0.12 is the newest of its series, and its packages are gone too.
    let error = store
        .kernel(&lock, &KernelChoice::Newest)
        .unwrap_err()
        .to_string();
    assert!(error.contains("-7.0.12+x-arm64"), "{error}");
    let (tools, tree) = store.obtain(lock.tools("kexec-tools").unwrap()).unwrap();
    assert!(tree.join("usr/sbin/kexec").is_file());
    assert_eq!(tools.packages[0].version, "1:2.0.30-1");
    // Later runs take the same, and need no network.
    let later = case.store("no address");
    assert_eq!(later.busybox(&lock).unwrap(), busybox);
    assert_eq!(
        later.instead_of_locked(),
        ["busybox-static 1:1.38.0-1 (arm64) of current, in the place of busybox-static 1:1.0+x~1-1 (amd64)"]
    );
}

#[test]
fn a_locked_run_fails_where_packages_are_gone() {
    let (case, server) = (Case::new(), mirror());
    let lock = old_lock();
    let error = case.locked(&server.url).busybox(&lock).unwrap_err();
    assert!(matches!(error, Error::Fetch(FetchError::Gone { .. })), "{error}");
    // Also where something has taken their place before.
    case.store(&server.url).busybox(&lock).unwrap();
    let error = case.locked(&server.url).busybox(&lock).unwrap_err();
    assert!(matches!(error, Error::Fetch(FetchError::Gone { .. })), "{error}");
}

#[test]
fn a_set_that_is_in_the_cache_stays() {
    let (case, server) = (Case::new(), mirror());
    let contents =
        crate::packages::testing::deb(&[crate::packages::testing::file("./usr/bin/busybox", "old box")]);
    let package = locked("busybox-static", &contents);
    server.answer(&package.path, Answer::Whole(contents));
    let lock = Lock::new(vec![set_of(SetKind::Busybox, "busybox", vec![package.clone()])]);
    case.store(&server.url).busybox(&lock).unwrap();
    server.answer(&package.path, Answer::Status(404));
    let store = case.store(&server.url);
    assert_eq!(fs::read(store.busybox(&lock).unwrap()).unwrap(), b"old box");
    assert_eq!(store.instead_of_locked(), Vec::<String>::new());
}

#[test]
fn a_record_that_is_damaged_is_resolved_anew() {
    let (case, server) = (Case::new(), mirror());
    let set = case
        .store(&server.url)
        .kernel_set(&old_lock(), Some("7.0.10"))
        .unwrap();
    let path = case.cache.path().join("resolved/kernel-7.0.10+x-arm64.toml");
    let text = fs::read_to_string(&path).unwrap();
    for damaged in [
        text.replace("pool/", "../"),
        text[..text.len() / 2].to_owned(),
        String::new(),
    ] {
        fs::write(&path, damaged).unwrap();
        assert_eq!(
            case.store(&server.url)
                .kernel_set(&old_lock(), Some("7.0.10"))
                .unwrap(),
            set
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

/// Of QEMU, nothing older than what works takes the place of what is gone.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_qemu_takes_the_place_of_another_if_it_is_new_enough() {
    let (case, server) = (Case::new(), mirror());
    let lock = old_lock();
    let qemu = case.store(&server.url).qemu(&lock).unwrap();
    assert_eq!((qemu.version.as_str(), qemu.is_locked), ("11.2.0", false));
    let case = Case::new();
    let store = case.store(&server.url);
    let mut archive = store.archive().unwrap().clone();
    archive.wanted.suites = vec!["lts".to_owned()];
    let error = store.with_archive(archive).qemu(&lock).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "its QEMU is of version 10.0.13, and nothing before 11.1.0 takes the place of a locked one; name one of \
             yours with `boot-stress --qemu`"
        ),
        "{error}"
    );
}

/// Old suites leave the mirrors one day; the others remain.
#[test]
fn a_further_suite_that_is_gone_is_left_out() {
    let (case, server) = (Case::new(), mirror());
    server.answer("dists/lts/InRelease", Answer::Status(404));
    let offered = case.store(&server.url).offered_kernels().unwrap();
    assert!(offered.iter().all(|one| one.suite == "current"), "{offered:?}");
    let left = "lts: the mirror has no dists/lts/InRelease; leaving it out".to_owned();
    assert!(case.notes.0.lock().unwrap().contains(&left));
    server.answer("dists/current/InRelease", Answer::Status(404));
    let error = case.store(&server.url).offered_kernels().unwrap_err().to_string();
    assert_eq!(error, "current: the mirror has no dists/current/InRelease");
}
