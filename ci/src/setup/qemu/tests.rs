// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::{Gic, Qemu, Unfit, Version, version_in};

/// A program that answers like a QEMU.
fn fake(dir: &tempfile::TempDir, version: &str, devices: &str) -> PathBuf {
    let path = dir.path().join("qemu");
    let script = format!(
        "#!/bin/sh\ncase \"$1\" in --version) echo '{version}';; -device) echo '{devices}';; *) exit 1;; esac\n"
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

const DEVICE: &str = "name \"vfio-user-pci\", bus PCI, desc \"VFIO over socket PCI device assignment\"";

#[test]
fn versions_as_they_are_printed() {
    let parse = version_in;
    assert_eq!(
        parse("QEMU emulator version 11.1.3 (Debian 1:11.1.3+ds-1~bpo13+1)\nCopyright"),
        Some(Version(11, 1, 3))
    );
    assert_eq!(parse("QEMU emulator version 10.1.0-rc2"), Some(Version(10, 1, 0)));
    assert_eq!(parse("QEMU emulator version 9.2"), Some(Version(9, 2, 0)));
    assert_eq!(parse("something else"), None);
}

#[test]
fn a_fit_one_is_taken_and_others_say_why_not() {
    let dir = tempfile::tempdir().unwrap();
    let good = fake(&dir, "QEMU emulator version 10.1.1", DEVICE);
    assert_eq!(Qemu::examine(&good, Gic::V2, "test").unwrap().version, "10.1.1");
    assert!(matches!(
        Qemu::examine(&good, Gic::V3, "test"),
        Err(Unfit::NoGicv3 { .. })
    ));
    let old = fake(&dir, "QEMU emulator version 10.1.0", DEVICE);
    assert!(matches!(
        Qemu::examine(&old, Gic::V2, "test"),
        Err(Unfit::TooOld {
            version: Version(10, 1, 0),
            ..
        })
    ));
    let bare = fake(&dir, "QEMU emulator version 11.0.0", "name \"vfio-pci\", bus PCI");
    assert!(matches!(
        Qemu::examine(&bare, Gic::V2, "test"),
        Err(Unfit::NoDevice { .. })
    ));
    assert!(matches!(
        Qemu::examine(&dir.path().join("none"), Gic::V2, "test"),
        Err(Unfit::Broken { .. })
    ));
    assert!(matches!(
        Qemu::examine("/bin/false".as_ref(), Gic::V2, "test"),
        Err(Unfit::Broken { .. })
    ));
}
