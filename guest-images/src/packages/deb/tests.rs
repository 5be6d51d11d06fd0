// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;
use tar::EntryType;

use super::*;
use crate::packages::testing::{Item, ar_member, deb, deb_of, file, gz, link, tar_of, xz};

fn everything(_: &str) -> bool {
    true
}

/// Unpacks into a directory within a directory, and checks that nothing appeared beside it.
fn unpack_here(package: &[u8]) -> (tempfile::TempDir, Result<(), DebError>) {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("root");
    fs::create_dir(&root).unwrap();
    let result = unpack(package, &root, &everything);
    let beside: Vec<_> = fs::read_dir(outer.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(beside, ["root"]);
    (outer, result)
}

fn refusal(items: &[Item<'_>]) -> String {
    unpack_here(&deb(items)).1.unwrap_err().to_string()
}

#[test]
fn files_links_and_modes() {
    let items = [
        Item {
            path: "./",
            kind: EntryType::Directory,
            mode: 0o755,
            contents: "",
        },
        file("./usr/lib/x/libx.so.1.2", "library"),
        link("./usr/lib/x/libx.so.1", EntryType::Symlink, "libx.so.1.2"),
        link("./usr/lib/x/hard", EntryType::Link, "./usr/lib/x/libx.so.1.2"),
        Item {
            path: "./usr/share/text",
            kind: EntryType::Regular,
            mode: 0o4640,
            contents: "text",
        },
    ];
    let (outer, result) = unpack_here(&deb(&items));
    result.unwrap();
    let root = outer.path().join("root");
    assert_eq!(fs::read(root.join("usr/lib/x/libx.so.1")).unwrap(), b"library");
    assert_eq!(fs::read(root.join("usr/lib/x/hard")).unwrap(), b"library");
    let mode = |path: &str| {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o7777
    };
    assert_eq!(mode("usr/lib/x/hard") & 0o111, 0o111 & mode("usr/lib/x/hard"));
    assert_eq!(
        mode("usr/share/text") & 0o6111,
        0,
        "neither special bits nor execution"
    );
}

#[test]
fn every_compression_of_debian_is_read() {
    let tar = tar_of(&[file("./a", "same")]);
    // A frame of raw blocks is a valid zstd stream.
    let mut zst = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    zst.extend(u32::try_from(tar.len()).unwrap().to_le_bytes());
    let header = (u32::try_from(tar.len()).unwrap() << 3) | 1;
    zst.extend(&header.to_le_bytes()[..3]);
    zst.extend(&tar);
    for (name, data) in [
        ("data.tar", tar.clone()),
        ("data.tar.gz", gz(&tar)),
        ("data.tar.xz", xz(&tar)),
        ("data.tar.zst", zst),
    ] {
        let (outer, result) = unpack_here(&deb_of(name, &data));
        result.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(fs::read(outer.path().join("root/a")).unwrap(), b"same", "{name}");
    }
    let unknown = unpack_here(&deb_of("data.tar.lz4", &tar))
        .1
        .unwrap_err()
        .to_string();
    assert!(unknown.contains("data.tar.lz4"), "{unknown}");
}

#[test]
fn paths_of_an_old_layout_land_below_usr() {
    let items = [
        file("./lib/x/ld.so.2", "loader"),
        link("./lib64/ld.so.2", EntryType::Symlink, "/lib/x/ld.so.2"),
        link("./usr/lib/here", EntryType::Symlink, "../../lib/x/ld.so.2"),
    ];
    let (outer, result) = unpack_here(&deb(&items));
    result.unwrap();
    let root = outer.path().join("root");
    assert!(!root.join("lib").exists());
    for path in ["usr/lib/x/ld.so.2", "usr/lib64/ld.so.2", "usr/lib/here"] {
        assert_eq!(fs::read(root.join(path)).unwrap(), b"loader", "{path}");
    }
    assert_eq!(
        fs::read_link(root.join("usr/lib64/ld.so.2")).unwrap(),
        Path::new("../../usr/lib/x/ld.so.2")
    );
}

#[test]
fn nothing_leaves_the_directory() {
    let cases: Vec<(&str, Vec<Item<'_>>)> = vec![
        ("absolute", vec![file("/etc/x", "")]),
        ("dot dot", vec![file("./usr/../../x", "")]),
        ("dot dot that stays", vec![file("./usr/../x", "")]),
        ("symlink out", vec![link("./a", EntryType::Symlink, "../x")]),
        (
            "symlink out by the root",
            vec![link("./a/b", EntryType::Symlink, "/../x")],
        ),
        ("hard link out", vec![link("./a", EntryType::Link, "../x")]),
        (
            "hard link to an absolute path",
            vec![link("./a", EntryType::Link, "/etc/passwd")],
        ),
        ("hard link to nothing", vec![link("./a", EntryType::Link, "./b")]),
        (
            "hard link through a symlink",
            vec![
                file("./d/f", "x"),
                link("./s", EntryType::Symlink, "d"),
                link("./a", EntryType::Link, "./s/f"),
            ],
        ),
        (
            "file through a symlink",
            vec![
                file("./d/f", ""),
                link("./s", EntryType::Symlink, "d"),
                file("./s/x", ""),
            ],
        ),
        ("file below a file", vec![file("./a", ""), file("./a/b", "")]),
        ("file over a directory", vec![file("./a/b", ""), file("./a", "")]),
        (
            "device",
            vec![Item {
                path: "./null",
                kind: EntryType::Char,
                mode: 0o666,
                contents: "",
            }],
        ),
        (
            "pipe",
            vec![Item {
                path: "./pipe",
                kind: EntryType::Fifo,
                mode: 0o666,
                contents: "",
            }],
        ),
    ];
    let report: Vec<String> = cases
        .iter()
        .map(|(name, items)| format!("{name}: {}", refusal(items)))
        .collect();
    insta::assert_snapshot!(report.join("\n"));
}

#[test]
fn a_file_replaces_a_link_and_not_what_it_points_to() {
    let items = [
        file("./precious", "precious"),
        link("./a", EntryType::Symlink, "precious"),
        file("./a", "new"),
    ];
    let (outer, result) = unpack_here(&deb(&items));
    result.unwrap();
    assert_eq!(fs::read(outer.path().join("root/precious")).unwrap(), b"precious");
    assert_eq!(fs::read(outer.path().join("root/a")).unwrap(), b"new");
}

#[test]
fn only_what_is_wanted_is_unpacked() {
    let root = tempfile::tempdir().unwrap();
    let package = deb(&[file("./usr/bin/a", ""), file("./usr/share/doc/a", "")]);
    unpack(package.as_slice(), root.path(), &|path| {
        path.starts_with("usr/bin/")
    })
    .unwrap();
    assert!(root.path().join("usr/bin/a").exists());
    assert!(!root.path().join("usr/share").exists());
}

#[test]
fn every_truncation_is_an_error() {
    let package = deb(&[file("./a", "some contents"), file("./b", "more")]);
    // The last member's padding is not missed.
    let needed = package.len() - 1;
    for length in (0..needed).rev().step_by(7).chain(0..200) {
        assert!(
            unpack_here(&package[..length]).1.is_err(),
            "{length} of {} bytes",
            package.len()
        );
    }
}

#[test]
fn damaged_containers_are_named() {
    let mut wrong_first = b"!<arch>\n".to_vec();
    wrong_first.extend(ar_member("data.tar.xz", b""));
    let mut many = b"!<arch>\n".to_vec();
    many.extend(ar_member("debian-binary", b"2.0\n"));
    for _ in 0..20 {
        many.extend(ar_member("_other", b"x"));
    }
    let mut huge = b"!<arch>\n".to_vec();
    huge.extend(ar_member("debian-binary", b"2.0\n"));
    huge.extend(ar_member("//", b""));
    let at = huge.len() - 12;
    huge[at..at + 10].copy_from_slice(b"9999999999");
    let cases = [
        ("empty", Vec::new()),
        ("other file", b"\x7fELF and so on".to_vec()),
        ("wrong first member", wrong_first),
        ("no data", many),
        ("huge member", huge),
    ];
    let report: Vec<String> = cases
        .iter()
        .map(|(name, deb)| format!("{name}: {}", unpack_here(deb).1.unwrap_err()))
        .collect();
    insta::assert_snapshot!(report.join("\n"));
}

fn any_item() -> impl Strategy<Value = (String, u8, String)> {
    let part = prop::sample::select(vec!["a", "b", "..", ".", "/", "lib", "usr", ""]);
    let path = prop::collection::vec(part, 1..5).prop_map(|parts| parts.join("/"));
    let target = path.clone();
    (path, prop::sample::select(b"012567LK".to_vec()), target)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever entries in whatever order: nothing outside, and every link inside leads inside.
    #[test]
    fn no_archive_escapes(items in prop::collection::vec(any_item(), 1..12)) {
        let items: Vec<Item<'_>> = items
            .iter()
            .map(|(path, kind, target)| {
                Item { path, kind: EntryType::new(*kind), mode: 0o777, contents: target }
            })
            .collect();
        let (outer, result) = unpack_here(&deb_of("data.tar", &tar_of(&items)));
        drop(result);
        let root = outer.path().join("root").canonicalize().unwrap();
        let mut open = vec![root.clone()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let entry = entry.unwrap();
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    open.push(entry.path());
                } else if let Ok(real) = entry.path().canonicalize() {
                    prop_assert!(real.starts_with(&root), "{:?} leads to {real:?}", entry.path());
                }
            }
        }
    }

    /// A damaged package is an error or unpacks; it never panics.
    #[test]
    fn any_bytes_are_survived(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut package = deb_of("data.tar", &tar_of(&[file("./a", "x"), link("./b", EntryType::Symlink, "a")]));
        let position = at.index(package.len());
        package[position] = byte;
        drop(unpack_here(&package));
        package.truncate(cut.index(package.len()));
        drop(unpack_here(&package));
    }
}
