// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs;

use super::*;
use crate::packages::lock::SetKind;
use crate::packages::testing::{locked, set_of};

fn tree(files: &[&str]) -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    for file in files {
        let path = tree.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    tree
}

#[test]
fn qemu_is_started_through_its_own_loader() {
    for (host, triplet, loader) in [
        ("amd64", "x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
        ("arm64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
    ] {
        let loader = format!("usr/lib/{triplet}/{loader}");
        let tree = tree(&["usr/bin/qemu-system-aarch64", &loader]);
        let mut package = locked("qemu-system-arm", b"");
        package.version = "1:11.1.3+ds-1~bpo13+1".into();
        let set = set_of(SetKind::Qemu, &format!("qemu-{host}"), vec![package]);
        let install = install(&set, tree.path()).unwrap();
        assert_eq!(install.program.path, tree.path().join(&loader));
        assert_eq!(install.version, "11.1.3");
        let command = install.program.command();
        let arguments: Vec<String> = command
            .get_args()
            .map(|a| {
                a.to_string_lossy()
                    .replace(tree.path().to_str().unwrap(), "<tree>")
            })
            .collect();
        let libraries = format!("<tree>/usr/lib/{triplet}");
        let expected = [
            "--inhibit-cache",
            "--library-path",
            &libraries,
            "--argv0",
            "qemu-system-aarch64",
            "<tree>/usr/bin/qemu-system-aarch64",
            "-L",
            "<tree>/usr/share/qemu",
        ];
        assert_eq!(arguments, expected);
        let removed = command
            .get_envs()
            .any(|(name, value)| name == "LD_PRELOAD" && value.is_none());
        assert!(removed, "the host's preloaded libraries are for another libc");
    }
}

#[test]
fn an_incomplete_tree_is_named() {
    let tree = tree(&["usr/bin/qemu-system-aarch64"]);
    let set = set_of(SetKind::Qemu, "qemu-amd64", vec![locked("x", b"")]);
    let error = install(&set, tree.path()).unwrap_err().to_string();
    assert!(
        error.starts_with("qemu-amd64: the packages have no usr/lib/x86_64-linux-gnu/ld-linux"),
        "{error}"
    );
}
