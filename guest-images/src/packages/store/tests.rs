// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::sync::Mutex;
use std::sync::mpsc;

use super::*;
use crate::packages::testing::{Answer, TestMirror, deb, file, locked, set_of};

fn busybox(contents: &str) -> Vec<u8> {
    deb(&[
        file("./usr/bin/busybox", contents),
        file("./usr/share/doc/busybox/x", ""),
    ])
}

/// A mirror with one package, and the set of it.
fn mirror(contents: &[u8]) -> (TestMirror, Set) {
    let server = TestMirror::start();
    let package = locked("busybox", contents);
    server.answer(&package.path, Answer::Whole(contents.to_vec()));
    (server, set_of(SetKind::Busybox, "busybox", vec![package]))
}

fn store(cache: &Path, url: &str) -> Store {
    Store::open(Some(cache.to_owned()), Some(url.to_owned())).unwrap()
}

#[test]
fn a_warm_cache_needs_no_network() {
    let cache = tempfile::tempdir().unwrap();
    let (server, set) = mirror(&busybox("box"));
    let cold = store(cache.path(), &server.url);
    assert!(!cold.has(&set));
    let tree = cold.tree(&set).unwrap();
    assert_eq!(fs::read(tree.join("usr/bin/busybox")).unwrap(), b"box");
    assert!(!tree.join("usr/share").exists(), "documentation is not unpacked");
    assert_eq!(server.requests().len(), 1);
    // Not even an address is needed.
    let warm = store(cache.path(), "no address");
    assert!(warm.has(&set));
    assert_eq!(warm.tree(&set).unwrap(), tree);
}

#[test]
fn an_unpacked_tree_can_be_made_again_from_the_packages() {
    let cache = tempfile::tempdir().unwrap();
    let (server, set) = mirror(&busybox("box"));
    let tree = store(cache.path(), &server.url).tree(&set).unwrap();
    fs::remove_dir_all(&tree).unwrap();
    assert_eq!(store(cache.path(), &server.url).tree(&set).unwrap(), tree);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_tree_is_there_whole_or_not_at_all() {
    let cache = tempfile::tempdir().unwrap();
    let bad = deb(&[
        file("./usr/bin/busybox", "box"),
        file("/usr/bin/busybox", "escape"),
    ]);
    let (server, set) = mirror(&bad);
    let error = store(cache.path(), &server.url)
        .tree(&set)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "busybox 1:1.0+x~1-1 (amd64): refused entry \"/usr/bin/busybox\": an absolute path"
    );
    assert_eq!(fs::read_dir(cache.path().join("trees")).unwrap().count(), 0);
}

#[test]
fn leftovers_of_a_killed_process_are_removed() {
    let cache = tempfile::tempdir().unwrap();
    let left = cache.path().join("trees").join(format!("{LEFTOVER}abc"));
    fs::create_dir_all(left.join("usr")).unwrap();
    let (server, set) = mirror(&busybox("box"));
    store(cache.path(), &server.url).tree(&set).unwrap();
    assert!(!left.exists());
}

#[test]
fn a_file_is_replaced_under_the_lock_and_leaves_nothing_of_a_killed_process() {
    let cache = tempfile::tempdir().unwrap();
    let mut store = store(cache.path(), "no address");
    for name in ["index", "resolved", "images"] {
        let directory = store.subdirectory(name).unwrap();
        fs::write(directory.join(format!("{LEFTOVER}abc")), "").unwrap();
        for contents in ["one", "two"] {
            store
                .replace(&directory.join("file"), contents.as_bytes())
                .unwrap();
        }
        let names = fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["file"]);
        assert_eq!(fs::read_to_string(directory.join("file")).unwrap(), "two");
    }
    // Another process removes leftovers while it holds the lock, and this one's temporary file looks like one.
    let _held = store.lock().unwrap();
    store.patience = Duration::from_millis(1);
    let error = store
        .replace(&cache.path().join("index/file"), b"three")
        .unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
}

#[derive(Debug)]
struct Notes(Mutex<mpsc::Sender<String>>);

impl Progress for Notes {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn note(&self, line: &str) {
        self.0.lock().unwrap().send(line.to_owned()).unwrap();
    }
}

/// File locks are per open file, so two stores in one process exclude each other as two processes do.
#[test]
fn a_second_process_waits_and_then_finds_the_work_done() {
    let cache = tempfile::tempdir().unwrap();
    let (server, set) = mirror(&busybox("box"));
    let held = store(cache.path(), &server.url).lock().unwrap();
    let (sender, notes) = mpsc::channel();
    let second = store(cache.path(), &server.url).with_progress(Arc::new(Notes(Mutex::new(sender))));
    let tree = second.tree_path(&set);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| second.tree(&set).unwrap());
        let note = notes.recv().unwrap();
        assert!(note.starts_with("waiting for another process"), "{note}");
        // The first process finishes meanwhile.
        fs::create_dir_all(&tree).unwrap();
        drop(held);
        assert_eq!(waiting.join().unwrap(), tree);
    });
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn many_at_once_fetch_once() {
    let cache = tempfile::tempdir().unwrap();
    let (server, set) = mirror(&busybox("box"));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| store(cache.path(), &server.url).tree(&set).unwrap());
        }
    });
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_cache_that_cannot_be_used_is_named() {
    let place = tempfile::tempdir().unwrap();
    let in_the_way = place.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    let (server, set) = mirror(&busybox("box"));
    let error = store(&in_the_way, &server.url).tree(&set).unwrap_err();
    assert!(
        matches!(&error, Error::Cache { path, .. } if path.starts_with(&in_the_way)),
        "{error}"
    );
}

#[test]
fn a_gone_package_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let (_, set) = mirror(&busybox("box"));
    let empty = TestMirror::start();
    let error = store(cache.path(), &empty.url)
        .tree(&set)
        .unwrap_err()
        .to_string();
    for part in [
        "busybox 1:1.0+x~1-1 (amd64)",
        "pool/main/x/busybox_1.0",
        "guest-images lock",
        "--mirror",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn what_is_wanted_of_a_package() {
    let kernel = |path| wanted(SetKind::Kernel, path);
    assert!(kernel("boot/vmlinuz-6.16.3+deb13-arm64"));
    assert!(kernel("usr/lib/modules/7.3.4+deb13-arm64/vmlinuz"));
    assert!(kernel("usr/lib/modules/7.3.4+deb13-arm64/kernel/x.ko.xz"));
    assert!(!kernel("usr/lib/modules/7.3.4+deb13-arm64/dtb/x.dtb"));
    assert!(!kernel("boot/System.map-6.16.3+deb13-arm64"));
    let qemu = |path| wanted(SetKind::Qemu, path);
    assert!(qemu("usr/bin/qemu-system-aarch64") && !qemu("usr/bin/qemu-system-arm"));
    assert!(qemu("usr/lib/x86_64-linux-gnu/libc.so.6") && qemu("usr/lib/x86_64-linux-gnu/libpmem.so.1.0.0"));
    assert!(!qemu("usr/lib/x86_64-linux-gnu/gconv/gconv-modules"));
    let tools = |path| wanted(SetKind::Tools, path);
    assert!(tools("usr/sbin/mke2fs") && tools("etc/mke2fs.conf") && tools("usr/lib/ld-linux-aarch64.so.1"));
    assert!(tools("usr/lib/aarch64-linux-gnu/libc.so.6"));
    assert!(tools("usr/lib/systemd/systemd") && tools("usr/lib/systemd/system/basic.target"));
    assert!(tools("usr/lib/aarch64-linux-gnu/systemd/libsystemd-core-257.so"));
    assert!(!tools("usr/lib/systemd-boot/x.efi") && !tools("usr/share/systemd/language-fallback-map"));
    assert!(!tools("usr/lib/aarch64-linux-gnu/gconv/CP737.so") && !tools("usr/share/doc/libc6/copyright"));
}

#[test]
fn damage_of_a_tree_is_found_and_can_be_mended() {
    let cache = tempfile::tempdir().unwrap();
    let (server, set) = mirror(&busybox("box"));
    let store = store(cache.path(), &server.url);
    let tree = store.tree(&set).unwrap();
    assert!(store.verify(&set).unwrap());
    let program = tree.join("usr/bin/busybox");
    fs::write(&program, "bo").unwrap();
    let error = store.tree(&set).unwrap_err().to_string();
    for part in [
        program.to_str().unwrap(),
        "2 bytes instead of 3",
        "Remove the directory",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    // Of the same size: only a look at the bytes finds it.
    fs::write(&program, "bax").unwrap();
    assert!(store.tree(&set).is_ok());
    assert!(matches!(store.verify(&set), Err(Error::Damaged { .. })));
    fs::remove_dir_all(&tree).unwrap();
    assert_eq!(store.tree(&set).unwrap(), tree);
    assert!(store.verify(&set).unwrap());
    assert_eq!(server.requests().len(), 1, "the package is still there");
}

#[test]
fn a_tree_of_an_earlier_version_is_used_without_a_look() {
    let cache = tempfile::tempdir().unwrap();
    let (server, set) = mirror(&busybox("box"));
    let store = store(cache.path(), &server.url);
    let tree = store.tree(&set).unwrap();
    fs::remove_file(manifest_of(&tree)).unwrap();
    assert_eq!(store.tree(&set).unwrap(), tree);
    assert!(!store.verify(&set).unwrap());
}

#[test]
fn a_process_that_never_finishes_is_not_waited_for_without_end() {
    let cache = tempfile::tempdir().unwrap();
    let (server, set) = mirror(&busybox("box"));
    let _held = store(cache.path(), &server.url).lock().unwrap();
    let mut second = store(cache.path(), &server.url);
    second.patience = Duration::from_millis(1);
    let error = second.tree(&set).unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    assert!(error.to_string().contains("--cache"), "{error}");
}
