// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;
use crate::packages::lock::Lock;
use crate::packages::testing::{file as entry, gz, tar_of, xz};
use crate::system::kernel::KernelChoice;
use crate::system::kernel::tests::{good, image};

/// Release of [`good`].
const RELEASE: &str = "6.1.0-test+";

struct Case {
    directory: tempfile::TempDir,
    store: Store,
}

impl Case {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(Some(directory.path().join("cache")), None).unwrap();
        Self { directory, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str, contents: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    fn kernel(&self, name: &str) -> Result<Kernel, KernelError> {
        let choice = KernelChoice::parse(Some(self.path(name).as_os_str()), None)?;
        self.store.kernel(&Lock::new(Vec::new()), &choice)
    }

    /// A build directory with an Image.
    fn build(&self) -> &Self {
        self.file("b/include/config/auto.conf", b"");
        self.file(
            "b/include/config/kernel.release",
            format!("{RELEASE}\n").as_bytes(),
        );
        self.file("b/arch/arm64/boot/Image", &good());
        self.file("b/.config", b"CONFIG_ARM_SMMU=y\n");
        self
    }

    /// The error for a directory, without what depends on the test's place.
    fn refused(&self, name: &str) -> String {
        let error = self.kernel(name).unwrap_err().to_string();
        error.replace(self.directory.path().to_str().unwrap(), "<dir>")
    }
}

#[test]
fn a_build_directory() {
    let case = Case::new();
    case.build();
    let kernel = case.kernel("b").unwrap();
    assert_eq!(kernel.release, RELEASE);
    assert_eq!(kernel.image, case.path("b/arch/arm64/boot/Image"));
    assert_eq!(kernel.evidence.config, Some(case.path("b/.config")));
    // All is built in.
    assert_eq!(kernel.modules, None);
    case.file("b/modules.order", b"drivers/virtio/virtio_mmio.o\n");
    assert_eq!(case.kernel("b").unwrap().modules, Some(case.path("b")));
}

#[test]
fn installed_modules_with_an_image_beside_them() {
    for (modules, image) in [
        (
            format!("r/lib/modules/{RELEASE}"),
            format!("r/boot/vmlinuz-{RELEASE}"),
        ),
        (
            format!("r/usr/lib/modules/{RELEASE}"),
            format!("r/boot/Image-{RELEASE}"),
        ),
        (
            format!("r/usr/lib/modules/{RELEASE}"),
            format!("r/usr/lib/modules/{RELEASE}/vmlinuz"),
        ),
        (
            "r/anything".to_owned(),
            "r/anything/build/arch/arm64/boot/Image".to_owned(),
        ),
    ] {
        let case = Case::new();
        case.file(&format!("{modules}/modules.dep"), b"");
        case.file(&image, &gz(&good()));
        let kernel = case.kernel(&modules).unwrap();
        assert_eq!(kernel.release, RELEASE, "{image}");
        assert_eq!(kernel.modules, Some(case.path(&modules)));
    }
}

#[test]
fn an_output_of_tuxmake() {
    let case = Case::new();
    case.file("t/Image.gz", &gz(&good()));
    case.file("t/config", b"CONFIG_ARM_SMMU=y\n");
    case.file("t/metadata.json", b"{}");
    let place = format!("./lib/modules/{RELEASE}/modules.builtin");
    let link = format!("lib/modules/{RELEASE}/build");
    let modules = tar_of(&[
        entry(&place, "kernel/drivers/virtio/virtio_mmio.ko\n"),
        entry("etc/passwd", "not wanted"),
        crate::packages::testing::link(&link, tar::EntryType::Symlink, "/"),
    ]);
    case.file("t/modules.tar.xz", &xz(&modules));
    let kernel = case.kernel("t").unwrap();
    let directory = kernel.modules.clone().unwrap();
    assert!(directory.starts_with(case.store.cache()) && directory.ends_with(RELEASE));
    let files: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(files, ["modules.builtin"], "links are left out");
    assert_eq!(kernel.evidence.config, Some(case.path("t/config")));
    // Unpacked once.
    assert_eq!(case.kernel("t").unwrap(), kernel);
    // As a package's tree, it is looked at before it is used again.
    let builtin = directory.join("modules.builtin");
    fs::write(&builtin, "cut short").unwrap();
    let error = case.refused("t");
    assert!(
        error.contains("the cache is damaged") && error.contains("modules.builtin"),
        "{error}"
    );
    fs::remove_dir_all(directory.ancestors().nth(3).unwrap()).unwrap();
    assert_eq!(case.kernel("t").unwrap(), kernel);
    assert!(fs::read_to_string(builtin).unwrap().ends_with("virtio_mmio.ko\n"));
}

#[test]
fn several_forms_of_one_kernel_are_one_kernel() {
    let case = Case::new();
    case.file("d/Image", &good());
    case.file("d/Image.gz", &gz(&good()));
    assert_eq!(case.kernel("d").unwrap().image, case.path("d/Image"));
}

#[test]
fn directories_that_are_refused() {
    let mut report = Vec::new();
    let mut refused = |prepare: &dyn Fn(&Case), name: &str| {
        let case = Case::new();
        prepare(&case);
        report.push(case.refused(name));
    };
    refused(&|case| case.file("empty/README", b""), "empty");
    refused(&|case| case.file("b/include/config/auto.conf", b""), "b");
    refused(
        &|case| {
            case.file("b/include/config/auto.conf", b"");
            case.file("b/arch/x86/boot/bzImage", b"x");
        },
        "b",
    );
    refused(
        &|case| {
            case.file("s/Kbuild", b"");
            case.file("s/arch/arm64/Makefile", b"");
        },
        "s",
    );
    refused(
        &|case| case.build().file("b/include/config/kernel.release", b"6.2.0\n"),
        "b",
    );
    refused(
        &|case| {
            case.file("d/vmlinuz-6.1.0-test+", &good());
            case.file("d/vmlinuz-6.2.0", &gz(&image(8192, "Linux version 6.2.0 (a")));
        },
        "d",
    );
    refused(
        &|case| case.file("lib/modules/6.2.0/modules.dep", b""),
        "lib/modules/6.2.0",
    );
    refused(
        &|case| {
            case.file("lib/modules/6.2.0/modules.dep", b"");
            case.file("boot/vmlinuz-6.2.0", &good());
        },
        "lib/modules/6.2.0",
    );
    refused(
        &|case| {
            case.file("t/Image.gz", &gz(&good()));
            case.file("t/modules.tar.xz", &xz(b"no archive"));
        },
        "t",
    );
    refused(
        &|case| {
            case.file("t/Image.gz", &gz(&good()));
            let packed = xz(&tar_of(&[entry("lib/modules/6.2.0/modules.dep", "")]));
            case.file("t/modules.tar.xz", &packed);
        },
        "t",
    );
    refused(&|case| case.file("t/Image.gz", &gz(b"hello")), "t");
    refused(&|_| {}, "nothing");
    let report = report.join("\n");
    // Names of the cache are digests.
    let report = report
        .split("<dir>/cache/modules/")
        .enumerate()
        .map(|(n, part)| match n {
            0 => part.to_owned(),
            _ => format!("<cache>/{}", part.split_once('/').unwrap().1),
        });
    insta::assert_snapshot!(report.collect::<String>());
}

#[test]
fn an_entry_that_leaves_its_directory_is_refused() {
    let case = Case::new();
    let packed = xz(&tar_of(&[entry("lib/modules/../../../../outside", "x")]));
    case.file("t/Image.gz", &gz(&good()));
    case.file("t/modules.tar.xz", &packed);
    let error = case.refused("t");
    assert!(error.contains("refused entry"), "{error}");
    assert!(!case.path("outside").exists());
}
