// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use object::write::{Object as Elf, StandardSegment};
use object::{Architecture, BinaryFormat, Endianness, SectionKind};

use super::*;
use crate::packages::testing::{gz, xz};

/// A module: an ELF file with this `.modinfo`.
pub(crate) fn module(modinfo: &[&str]) -> Vec<u8> {
    let mut elf = Elf::new(BinaryFormat::Elf, Architecture::Aarch64, Endianness::Little);
    let segment = elf.segment_name(StandardSegment::Data).to_vec();
    let section = elf.add_section(segment, b".modinfo".to_vec(), SectionKind::ReadOnlyData);
    elf.append_section_data(section, format!("{}\0", modinfo.join("\0")).as_bytes(), 1);
    elf.write().unwrap()
}

/// A tree with modules `top` (needs `mid-a`, `mid_b`), these two (need `base`), a cycle, and a built-in one.
pub(crate) fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let drivers = root.path().join("kernel/drivers/x");
    fs::create_dir_all(&drivers).unwrap();
    let write = |name: &str, contents: &[u8]| fs::write(drivers.join(name), contents).unwrap();
    let magic = "vermagic=6.1.0-test SMP mod_unload aarch64";
    write(
        "top.ko",
        &module(&["license=GPL", "depends=mid-a,mid_b,core", magic]),
    );
    write("mid-a.ko.xz", &xz(&module(&["depends=base", magic])));
    write("mid_b.ko.gz", &gz(&module(&["depends=base", magic])));
    write("base.ko", &module(&["depends=", magic]));
    write("one.ko", &module(&["depends=two"]));
    write("two.ko", &module(&["depends=one"]));
    write("orphan.ko", &module(&["depends=nobody"]));
    write("text.ko", b"not a module");
    write(
        "bare.ko",
        &Elf::new(BinaryFormat::Elf, Architecture::Aarch64, Endianness::Little)
            .write()
            .unwrap(),
    );
    write("broken.ko.xz", b"not xz");
    write("notes.txt", b"");
    fs::write(
        root.path().join("modules.builtin"),
        "kernel/lib/core.ko\nkernel/y/built-in.ko\n",
    )
    .unwrap();
    root
}

fn names(modules: &[Module]) -> Vec<&str> {
    modules.iter().map(|m| m.name.as_str()).collect()
}

#[test]
fn dependencies_come_first_and_once() {
    let root = tree();
    let tree = ModuleTree::open(root.path(), None).unwrap();
    let modules = tree.closure(&["top", "mid-b", "base"]).unwrap();
    assert_eq!(names(&modules), ["base", "mid_a", "mid_b", "top"]);
    assert!(
        modules.iter().all(|m| m.contents.starts_with(b"\x7fELF")),
        "decompressed"
    );
    assert_eq!(modules[0].release.as_deref(), Some("6.1.0-test"));
}

/// ext4 of Linux 6.1 mounts nothing without crc32c, which it does not name in `depends=`.
#[test]
fn soft_dependencies_come_first_if_there_are_any() {
    let root = tree();
    let drivers = root.path().join("kernel/drivers/x");
    for (name, modinfo) in [
        (
            "fs.ko",
            ["softdep=pre: crypto-crc32c absent post: base", "depends=mid-a"],
        ),
        ("crc32c_generic.ko", ["softdep=pre: fs", "depends="]),
        ("broken-soft.ko", ["softdep=pre: orphan", "depends=base"]),
    ] {
        fs::write(drivers.join(name), module(&modinfo)).unwrap();
    }
    let tree = ModuleTree::open(root.path(), None).unwrap();
    let closure = tree.closure(&["fs"]).unwrap();
    assert_eq!(names(&closure), ["crc32c_generic", "base", "mid_a", "fs"]);
    // Neither a cycle nor a module that cannot be had is an error.
    let closure = tree.closure(&["broken-soft"]).unwrap();
    assert_eq!(names(&closure), ["base", "broken_soft"]);
}

#[test]
fn built_in_modules_are_left_out() {
    let root = tree();
    let tree = ModuleTree::open(root.path(), None).unwrap();
    assert!(tree.is_builtin("built_in") && tree.is_builtin("built-in") && !tree.is_builtin("top"));
    assert_eq!(names(&tree.closure(&["built-in"]).unwrap()), [""; 0]);
}

#[test]
fn links_are_not_followed() {
    let root = tree();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("outside.ko"), module(&[])).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), root.path().join("build")).unwrap();
    let tree = ModuleTree::open(root.path(), None).unwrap();
    assert!(matches!(
        tree.closure(&["outside"]),
        Err(ModulesError::Unknown { .. })
    ));
}

#[test]
fn what_is_wrong_is_named() {
    let root = tree();
    let tree = ModuleTree::open(root.path(), None).unwrap();
    let report: Vec<String> = ["absent", "orphan", "one", "text", "bare", "broken"]
        .iter()
        .map(|name| tree.closure(&[name]).unwrap_err().to_string())
        .map(|e| e.replace(root.path().to_str().unwrap(), "<tree>"))
        .collect();
    insta::assert_snapshot!(report.join("\n"));
    let missing = ModuleTree::open(Path::new("/nonexistent/modules"), None)
        .unwrap_err()
        .to_string();
    assert!(
        missing.starts_with("/nonexistent/modules: No such file"),
        "{missing}"
    );
}

/// The kernel would only say "Exec format error", in the middle of a boot.
#[test]
fn modules_of_another_kernel_are_refused_when_they_are_read() {
    let root = tree();
    let own = ModuleTree::open(root.path(), Some("6.1.0-test")).unwrap();
    assert_eq!(own.closure(&["top"]).unwrap().len(), 4);
    assert!(own.check_one().is_ok());
    let other = ModuleTree::open(root.path(), Some("6.1.0-other")).unwrap();
    for error in [
        other.closure(&["top"]).unwrap_err(),
        other.check_one().unwrap_err(),
    ] {
        assert!(matches!(error, ModulesError::Foreign { .. }), "{error}");
        assert!(
            error
                .to_string()
                .ends_with("a module of another kernel, 6.1.0-test; the kernel is 6.1.0-other"),
            "{error}"
        );
    }
}

#[test]
fn a_list_of_modules_without_end_is_refused() {
    let root = tree();
    let list = root.path().join("modules.builtin");
    fs::remove_file(&list).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &list).unwrap();
    let error = ModuleTree::open(root.path(), None).unwrap_err().to_string();
    assert!(
        error.ends_with("modules.builtin: a device, and no regular file"),
        "{error}"
    );
}
