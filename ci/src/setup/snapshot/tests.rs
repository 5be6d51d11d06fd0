// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

fn place() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn name(n: u8) -> String {
    format!("{n:0DIGITS$x}")
}

/// A snapshot that was last used at that second.
fn snapshot(directory: &Path, n: u8) -> PathBuf {
    let path = directory.join(name(n));
    let file = File::create(&path).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(n.into());
    file.set_modified(time).unwrap();
    path
}

#[test]
fn those_that_were_used_longest_ago_make_room_for_one_more() {
    let dir = place();
    let most = u8::try_from(KEPT).unwrap();
    let paths: Vec<PathBuf> = (1..=most + 3).map(|n| snapshot(dir.path(), n)).collect();
    let other = dir.path().join("lock");
    File::create(&other).unwrap();
    File::create(dir.path().join(format!("{UNFINISHED}{}", name(1)))).unwrap();
    // The second is in use, and the first was used just now.
    let held = hold(&paths[1], &name(2)).unwrap();
    File::open(&paths[1]).unwrap();
    let first = hold(&paths[0], &name(1)).unwrap();
    drop(first);
    tidy(dir.path());
    let there: Vec<bool> = paths.iter().map(|path| path.exists()).collect();
    let gone = there.iter().filter(|there| !**there).count();
    assert_eq!(gone, 4, "{there:?}");
    assert!(there[0] && there[1] && !there[2], "{there:?}");
    assert!(other.exists());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), KEPT - 1 + 1);
    assert_eq!(held.id().len(), 12);
}

#[test]
fn one_in_use_stays_however_old_it_is() {
    let dir = place();
    let most = u8::try_from(KEPT).unwrap();
    let paths: Vec<PathBuf> = (1..=most).map(|n| snapshot(dir.path(), n)).collect();
    let file = File::open(&paths[0]).unwrap();
    file.lock_shared().unwrap();
    tidy(dir.path());
    assert!(paths[0].exists());
    drop(file);
    tidy(dir.path());
    assert!(!paths[0].exists());
}

#[test]
fn places_of_files_are_not_in_the_key_and_their_contents_are() {
    let key_of = |directory: &str, image: &str, more: &str| {
        let (dir, sockets) = (place(), place());
        let at = dir.path().join(directory);
        fs::create_dir(&at).unwrap();
        let socket = format!("path={}/a.sock", sockets.path().display());
        let files = Files::of_contents(&at, [b"shim", b"tree", b"root"]);
        let kernel = at.join("Image");
        fs::write(&kernel, image).unwrap();
        let program = Program {
            path: "/proc/self/exe".into(),
            args: vec![
                "-kernel".into(),
                files.paths()[0].into(),
                kernel.clone().into(),
                socket.into(),
                more.into(),
            ],
            ..Program::default()
        };
        key(&program, sockets.path(), &files, &kernel).unwrap()
    };
    let one = key_of("a", "kernel", "-smp 2");
    assert_eq!(one.len(), DIGITS);
    assert_eq!(key_of("b", "kernel", "-smp 2"), one);
    assert_ne!(key_of("a", "Kernel", "-smp 2"), one);
    assert_ne!(key_of("a", "kernel", "-smp 4"), one);
}

#[test]
fn a_comma_in_the_caches_path_is_named() {
    let error = SnapshotError::Comma("/a,b".into()).to_string();
    assert!(error.contains("/a,b") && error.contains("--cache"), "{error}");
}
