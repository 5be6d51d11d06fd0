// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::system::modules;

static NONE: BTreeSet<String> = BTreeSet::new();

fn spec<'a>(busybox: &'a Path, kernel: Option<&'a Path>, modules: &'a [String]) -> InitramfsSpec<'a> {
    InitramfsSpec {
        busybox,
        init: "#!/bin/sh\n",
        kernel_modules: kernel,
        release: None,
        modules,
        builtin: &NONE,
        tools: &[],
        files: &[],
    }
}

fn busybox() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), b"busybox").unwrap();
    file
}

/// Name, mode, device and contents.
type Listed = (String, u32, (u32, u32), Vec<u8>);

/// The entries, in order.
fn list(archive: &[u8]) -> Vec<Listed> {
    let mut entries = Vec::new();
    let mut rest = archive;
    loop {
        let mut reader = cpio::newc::Reader::new(rest).unwrap();
        let entry = reader.entry();
        if entry.is_trailer() {
            return entries;
        }
        assert_eq!((entry.uid(), entry.gid(), entry.mtime()), (0, 0, 0));
        let (name, mode) = (entry.name().to_owned(), entry.mode());
        let device = (entry.rdev_major(), entry.rdev_minor());
        let mut contents = Vec::new();
        io::Read::read_to_end(&mut reader, &mut contents).unwrap();
        rest = reader.finish().unwrap();
        entries.push((name, mode, device, contents));
    }
}

#[test]
fn the_archive_is_what_linux_expects() {
    let (busybox, tree) = (busybox(), modules::tests::tree());
    let wanted = ["top".to_owned(), "built-in".to_owned()];
    let archive = build(&spec(busybox.path(), Some(tree.path()), &wanted)).unwrap();
    let entries = list(&archive);
    let mut seen = vec![String::new()];
    for (name, mode, ..) in &entries {
        let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
        assert!(
            seen.iter().any(|n| n == parent),
            "{name} comes after its directory"
        );
        if mode & 0o170_000 == 0o040_000 {
            seen.push(name.clone());
        }
    }
    let by_name: BTreeMap<&str, _> = entries.iter().map(|e| (e.0.as_str(), e)).collect();
    assert_eq!(
        (by_name["init"].1, &by_name["init"].3[..]),
        (0o100_755, &b"#!/bin/sh\n"[..])
    );
    assert_eq!(
        (by_name["bin/sh"].1, &by_name["bin/sh"].3[..]),
        (0o120_777, &b"busybox"[..])
    );
    assert_eq!(
        (by_name["dev/console"].1, by_name["dev/console"].2),
        (0o020_600, (5, 1))
    );
    assert_eq!(by_name["lib/modules/load/top"].3, b"base\nmid_a\nmid_b\ntop\n");
    assert_eq!(by_name["lib/modules/load/built-in"].3, b"");
    assert!(by_name.contains_key("lib/modules/load/built_in"));
    let modules: Vec<&&str> = by_name.keys().filter(|n| n.ends_with(".ko")).collect();
    let expected = ["base", "mid_a", "mid_b", "top"].map(|n| format!("lib/modules/{n}.ko"));
    assert_eq!(modules, expected.iter().collect::<Vec<_>>());
}

#[test]
fn a_kernel_without_modules_has_its_drivers_built_in() {
    let (busybox, wanted) = (busybox(), ["fixed".to_owned(), "virtio-mmio".to_owned()]);
    let builtin = ["fixed", "virtio_mmio"].map(str::to_owned).into();
    let spec = InitramfsSpec {
        builtin: &builtin,
        ..spec(busybox.path(), None, &wanted)
    };
    let entries = list(&build(&spec).unwrap());
    for name in ["fixed", "virtio-mmio", "virtio_mmio"] {
        let path = format!("lib/modules/load/{name}");
        assert!(
            entries
                .iter()
                .any(|(entry, _, _, contents)| *entry == path && contents.is_empty()),
            "{path}"
        );
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let (busybox, tree) = (busybox(), modules::tests::tree());
    let archive = |files: &[ExtraFile], wanted: &[&str]| {
        let wanted: Vec<String> = wanted.iter().map(|w| (*w).to_owned()).collect();
        let spec = InitramfsSpec {
            files,
            ..spec(busybox.path(), Some(tree.path()), &wanted)
        };
        build(&spec).unwrap()
    };
    let file = |path: &str| ExtraFile {
        path: path.into(),
        mode: 0o644,
        contents: b"x".to_vec(),
    };
    let one = archive(&[file("etc/a"), file("/etc/b/c")], &["top", "base"]);
    let other = archive(&[file("etc/b/c"), file("etc/a")], &["base", "top"]);
    assert!(one == other, "the order of the input shows");
    assert!(
        list(&one)
            .iter()
            .any(|(name, mode, ..)| name == "etc/b" && *mode == 0o040_755)
    );
}

#[test]
fn what_cannot_be_had_is_named() {
    let busybox = busybox();
    let wanted = ["fixed".to_owned(), "virtio_mmio".to_owned()];
    let error = build(&spec(busybox.path(), None, &wanted))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "the run needs kernel modules (fixed, virtio_mmio), and the kernel was given without a modules directory"
    );
    let error = build(&spec(Path::new("/nonexistent/busybox"), None, &[]))
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("/nonexistent/busybox: "), "{error}");
    for path in ["", "/", "../etc/x", "a//b", "a/./b", "a/..", "a\0b"] {
        let file = ExtraFile {
            path: path.into(),
            mode: 0o644,
            contents: Vec::new(),
        };
        let spec = InitramfsSpec {
            tools: &[],
            files: &[file],
            ..spec(busybox.path(), None, &[])
        };
        assert!(
            matches!(build(&spec), Err(InitramfsError::Path { .. })),
            "{path:?}"
        );
    }
}

#[test]
fn tools_lie_where_their_loader_looks() {
    let tree = tempfile::tempdir().unwrap();
    let library = tree.path().join("usr/lib/aarch64-linux-gnu");
    fs::create_dir_all(&library).unwrap();
    fs::create_dir_all(tree.path().join("usr/sbin")).unwrap();
    fs::write(tree.path().join("usr/sbin/mke2fs"), "program").unwrap();
    fs::write(library.join("ld.so"), "loader").unwrap();
    symlink(
        "../../usr/lib/aarch64-linux-gnu/ld.so",
        tree.path().join("usr/lib/ld.so"),
    )
    .unwrap();
    let mut nodes = BTreeMap::new();
    add_tree(tree.path(), "", &mut nodes).unwrap();
    let names: Vec<&str> = nodes.keys().map(String::as_str).collect();
    let expected = [
        "lib/ld.so",
        "usr/lib/aarch64-linux-gnu/ld.so",
        "usr/lib/ld.so",
        "usr/sbin/mke2fs",
    ];
    assert_eq!(names, expected);
    assert!(matches!(&nodes["lib/ld.so"], Node::Link { target } if target == "../usr/lib/ld.so"));
    assert!(matches!(
        &nodes["usr/sbin/mke2fs"],
        Node::File { mode: 0o755, .. }
    ));
}
