// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

/// The file that is shipped is what its tests are about: whatever they check, a bad entry cannot be released.
#[test]
fn the_shipped_lock_is_consistent_and_complete() {
    let lock = Lock::shipped().unwrap();
    for host in ["amd64", "arm64"] {
        let set = lock.find(SetKind::Qemu, &format!("qemu-{host}")).unwrap();
        let foreign = |p: &&Package| p.architecture != host && p.architecture != "all";
        assert_eq!(set.packages.iter().find(foreign), None);
        for needed in [QEMU_PACKAGE, "libc6", "libglib2.0-0t64"] {
            assert!(
                set.packages.iter().any(|p| p.package == needed),
                "{needed} for {host}"
            );
        }
        let version = version_key(Lock::qemu_version(set).unwrap());
        assert!(
            version >= vec![10, 1, 1],
            "the first vfio-user client that works: {version:?}"
        );
    }
    assert_eq!(lock.busybox().unwrap().packages.len(), 1);
    let kernels: Vec<&str> = lock.kernels().map(|set| set.name.as_str()).collect();
    let keys: Vec<Vec<u64>> = kernels.iter().map(|name| version_key(name)).collect();
    assert!(keys.is_sorted() && kernels.len() >= 3, "{kernels:?}");
    assert!(
        keys.iter().any(|k| k.starts_with(&[6, 16])),
        "the first kernels with the fix: {kernels:?}"
    );
    for set in lock.kernels() {
        assert!(
            set.packages
                .iter()
                .all(|p| p.architecture == "arm64" && p.package.ends_with(&set.name))
        );
        let has = |prefix: &str| set.packages.iter().any(|p| p.package.starts_with(prefix));
        assert!(
            has("linux-image-") || (has("linux-binary-") && has("linux-modules-")),
            "{}",
            set.name
        );
    }
    // Both of Debian's package layouts are covered.
    assert!(
        lock.kernels().any(|set| set.packages.len() == 1) && lock.kernels().any(|set| set.packages.len() > 1)
    );
    let texts = include_str!("../../../images.lock");
    assert_eq!(
        lock.to_toml().unwrap(),
        texts,
        "written as `guest-images lock` writes it"
    );
}

fn lock_with(change: &str, to: &str) -> String {
    let good = r#"
format = 1
[[set]]
kind = "busybox"
name = "busybox"
[[set.package]]
package = "busybox-static"
version = "1:1.37.0-6+b9"
architecture = "arm64"
suite = "trixie"
path = "pool/main/b/busybox/busybox-static_1.37.0-6+b9_arm64.deb"
size = 847552
sha256 = "0123456789012345678901234567890123456789012345678901234567890123"
"#;
    Lock::parse(good).unwrap();
    assert!(good.contains(change));
    Lock::parse(&good.replace(change, to)).unwrap_err().to_string()
}

#[test]
fn bad_entries_are_named() {
    let errors = [
        lock_with("format = 1", "format = 2"),
        lock_with("name = \"busybox\"", "name = \"../busybox\""),
        lock_with("name = \"busybox\"", "name = \".hidden\""),
        lock_with("pool/main/b", "pool/main/.."),
        lock_with("pool/main", "/pool/main"),
        lock_with("_arm64.deb", "_amd64.deb"),
        lock_with("1:1.37.0", "1:1.38.0"),
        lock_with("847552", "0"),
        lock_with("847552", "9000000000"),
        lock_with("sha256 = \"0", "sha256 = \"A"),
        lock_with("sha256 = \"0", "sha256 = \""),
        lock_with("suite = \"trixie\"", "suite = \"../x\""),
    ];
    insta::assert_snapshot!(errors.join("\n"));
    assert!(
        lock_with("size", "bytes").contains("line 12"),
        "unknown keys are errors with their line"
    );
}

#[test]
fn what_is_not_locked_says_what_is() {
    let lock = Lock::shipped().unwrap();
    let error = lock.kernel(Some("5.0.0")).unwrap_err().to_string();
    assert!(
        error.starts_with("images.lock has no kernel \"5.0.0\"; it has 6.16.3+deb13-arm64, "),
        "{error}"
    );
    let empty = Lock::new(Vec::new());
    assert_eq!(
        empty.kernel(None).unwrap_err().to_string(),
        "images.lock has no kernel \"kernel\"; it has none"
    );
}

#[test]
fn the_newest_kernel_is_not_the_last_in_the_alphabet() {
    let package = Lock::shipped().unwrap().busybox().unwrap().packages[0].clone();
    let kernel = |name: &str| Set {
        kind: SetKind::Kernel,
        name: name.into(),
        packages: vec![package.clone()],
    };
    let lock = Lock::new(vec![
        kernel("6.9.1+x"),
        kernel("6.16.3+x"),
        kernel("6.16.12+x"),
        kernel("6.16.12+x-16k"),
    ]);
    assert_eq!(lock.kernel(None).unwrap().name, "6.16.12+x");
    assert_eq!(lock.kernel(Some("6.16.12")).unwrap().name, "6.16.12+x");
    assert_eq!(lock.kernel(Some("6.16.3+x")).unwrap().name, "6.16.3+x");
    assert_eq!(lock.kernel(Some("6.9.1")).unwrap().name, "6.9.1+x");
    assert!(lock.kernel(Some("6.16")).is_err());
}

#[test]
fn a_tree_is_named_after_every_hash() {
    let lock = Lock::shipped().unwrap();
    let set = lock.qemu().unwrap();
    let mut other = set.clone();
    other.packages.last_mut().unwrap().sha256.replace_range(0..1, "f");
    assert!(set.tree_name() == set.clone().tree_name());
    if set.packages != other.packages {
        assert_ne!(set.tree_name(), other.tree_name());
    }
}
