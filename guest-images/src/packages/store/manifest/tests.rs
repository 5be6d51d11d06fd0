// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::os::unix::fs::symlink;

use super::*;

fn tree() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let (tree, manifest) = (
        directory.path().join("tree"),
        directory.path().join("tree.manifest"),
    );
    fs::create_dir_all(tree.join("usr/lib")).unwrap();
    fs::write(tree.join("usr/lib/a b"), "0123456789").unwrap();
    fs::write(tree.join("usr/empty"), "").unwrap();
    symlink("lib/a b", tree.join("usr/link")).unwrap();
    fs::write(&manifest, of(&tree).unwrap()).unwrap();
    (directory, tree, manifest)
}

/// Damages a tree; how sizes and contents find it.
fn damaged(damage: impl FnOnce(&Path)) -> [Option<(String, String)>; 2] {
    let (_directory, tree, manifest) = tree();
    damage(&tree);
    [Depth::Sizes, Depth::Contents].map(|depth| match check(&tree, &manifest, depth) {
        Found::Damaged { path, problem } => {
            let path = path.strip_prefix(&tree).unwrap().display().to_string();
            Some((path, problem))
        }
        Found::Whole => None,
        Found::Unknown => panic!("there is a manifest"),
    })
}

#[test]
fn a_tree_as_it_was_unpacked_is_whole() {
    assert_eq!(damaged(|_| ()), [None, None]);
    let (_directory, tree, manifest) = tree();
    fs::remove_file(&manifest).unwrap();
    assert_eq!(check(&tree, &manifest, Depth::Contents), Found::Unknown);
}

#[test]
fn damage_is_found() {
    let found = |path: &str, problem: &str| Some((path.to_owned(), problem.to_owned()));
    let file = "usr/lib/a b";
    let shorter = found(file, "it has 5 bytes instead of 10");
    assert_eq!(
        damaged(|tree| fs::write(tree.join(file), "01234").unwrap()),
        [shorter.clone(), shorter]
    );
    assert_eq!(
        damaged(|tree| fs::write(tree.join(file), "012345678x").unwrap()),
        [None, found(file, "its contents have changed")]
    );
    let kind = found("usr/empty", "it is of another kind");
    let replaced = damaged(|tree| {
        fs::remove_file(tree.join("usr/empty")).unwrap();
        symlink("/dev/zero", tree.join("usr/empty")).unwrap();
    });
    assert_eq!(replaced, [kind.clone(), kind]);
    let relinked = damaged(|tree| {
        fs::remove_file(tree.join("usr/link")).unwrap();
        symlink("lib/x x", tree.join("usr/link")).unwrap();
    });
    assert_eq!(relinked, [None, found("usr/link", "its contents have changed")]);
    let gone = damaged(|tree| fs::remove_dir_all(tree.join("usr/lib")).unwrap());
    assert!(
        gone.iter()
            .all(|found| found.as_ref().is_some_and(|(path, _)| path == file)),
        "{gone:?}"
    );
}

#[test]
fn a_damaged_manifest_is_damage() {
    let (_directory, tree, manifest) = tree();
    for text in ["x 1 2 3\n", "f abc\n", "f abc x usr/empty\n", "\n"] {
        fs::write(&manifest, text).unwrap();
        let found = check(&tree, &manifest, Depth::Sizes);
        assert!(
            matches!(found, Found::Damaged { path, .. } if path == manifest),
            "{text:?}"
        );
    }
}
