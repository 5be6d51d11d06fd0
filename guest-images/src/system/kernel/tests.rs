// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs;

use super::*;
use crate::packages::lock::SetKind;
use crate::packages::testing::{Answer, TestMirror, deb, gz, locked, set_of, xz};
use crate::system::modules::tests::module;

/// An Image with this `image_size` and banner.
pub(crate) fn image(size: u64, banner: &str) -> Vec<u8> {
    let mut image = vec![0; 4096];
    image[16..24].copy_from_slice(&size.to_le_bytes());
    image[56..60].copy_from_slice(b"ARM\x64");
    image[1000..1000 + banner.len()].copy_from_slice(banner.as_bytes());
    image
}

pub(crate) fn good() -> Vec<u8> {
    // The format string of the banner comes first in a real image.
    image(
        16 << 10,
        "Linux version %s (%s)\0Linux version 6.1.0-test+ (me@here) #1\0",
    )
}

fn big_endian() -> Vec<u8> {
    let mut image = good();
    image[24] |= 1;
    image
}

fn zboot(payload: &[u8]) -> Vec<u8> {
    let mut file = b"MZ\0\0zimg".to_vec();
    file.extend(64_u32.to_le_bytes());
    file.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
    file.resize(64, 0);
    file.extend(payload);
    file
}

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

    fn file(&self, contents: &[u8]) -> PathBuf {
        let path = self.directory.path().join("kernel");
        fs::write(&path, contents).unwrap();
        path
    }

    fn kernel(&self, contents: &[u8], modules: Option<PathBuf>) -> Result<Kernel, KernelError> {
        let choice = KernelChoice::Files {
            image: self.file(contents),
            modules,
        };
        self.store.kernel(&Lock::new(Vec::new()), &choice)
    }
}

#[test]
fn an_image_is_taken_as_it_is() {
    let case = Case::new();
    let kernel = case.kernel(&good(), None).unwrap();
    assert_eq!(kernel.image, case.directory.path().join("kernel"));
    assert_eq!((kernel.release.as_str(), kernel.modules), ("6.1.0-test+", None));
    assert!(!case.store.cache().exists(), "nothing is written for it");
}

#[test]
fn compressed_images_are_unpacked_into_the_cache() {
    for packed in [gz(&good()), xz(&good()), zboot(&gz(&good())), zboot(&xz(&good()))] {
        let case = Case::new();
        let kernel = case.kernel(&packed, None).unwrap();
        assert!(kernel.image.starts_with(case.store.cache()));
        assert!(fs::read(&kernel.image).unwrap() == good());
        assert_eq!(kernel.release, "6.1.0-test+");
        assert_eq!(case.kernel(&packed, None).unwrap(), kernel);
    }
}

#[test]
fn other_files_are_said_to_be_what_they_are() {
    let case = Case::new();
    let mut x86 = vec![0; 0x210];
    x86[0x202..0x206].copy_from_slice(b"HdrS");
    let mut x86_with_efi_stub = x86.clone();
    x86_with_efi_stub[..2].copy_from_slice(b"MZ");
    let report: Vec<String> = [
        Vec::new(),
        b"\x7fELF\x02\x01\x01".to_vec(),
        b"070701".to_vec(),
        b"MZ\x90\0\x03\0\0\0".to_vec(),
        x86,
        x86_with_efi_stub,
        b"hello world".to_vec(),
        gz(b"hello world"),
        gz(&good())[..50].to_vec(),
        zboot(b"nothing"),
        zboot(&gz(&good()))[..70].to_vec(),
        b"MZ\0\0zimg".to_vec(),
        image(200 << 20, ""),
        image(32 << 20, ""),
        big_endian(),
        b"\x27\x05\x19\x56uImage".to_vec(),
        b"\xd0\x0d\xfe\xedFIT".to_vec(),
        gz(&image(u64::MAX, "")),
    ]
    .iter()
    .map(|contents| case.kernel(contents, None).unwrap_err().to_string())
    .map(|e| e.replace(case.directory.path().to_str().unwrap(), "<dir>"))
    .map(|e| e.split("; what boots").next().unwrap().to_owned())
    .collect();
    insta::assert_snapshot!(report.join("\n"));
}

#[test]
fn modules_of_another_kernel_are_refused() {
    let case = Case::new();
    let modules = case.directory.path().join("lib/modules");
    for release in ["6.1.0-test+", "6.2.0"] {
        fs::create_dir_all(modules.join(release)).unwrap();
    }
    let kernel = case.kernel(&good(), Some(modules.join("6.1.0-test+"))).unwrap();
    assert_eq!(kernel.modules, Some(modules.join("6.1.0-test+")));
    let error = case
        .kernel(&good(), Some(modules.join("6.2.0")))
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("these are modules of another kernel; the image is 6.1.0-test+"),
        "{error}"
    );
    let error = case
        .kernel(&good(), Some(modules.join("none")))
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("no such directory"), "{error}");
    // The name of the directory says nothing here.
    let anonymous = case.directory.path().join("modules-of-mine");
    fs::create_dir(&anonymous).unwrap();
    fs::write(
        anonymous.join("x.ko"),
        module(&["depends=", "vermagic=6.2.0 SMP"]),
    )
    .unwrap();
    let error = case
        .kernel(&good(), Some(anonymous.clone()))
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("of another kernel, 6.2.0; the kernel is 6.1.0-test+"),
        "{error}"
    );
    fs::write(
        anonymous.join("x.ko"),
        module(&["depends=", "vermagic=6.1.0-test+ SMP"]),
    )
    .unwrap();
    assert!(case.kernel(&good(), Some(anonymous)).is_ok());
}

#[test]
fn a_damaged_image_of_the_cache_is_made_again() {
    let case = Case::new();
    let kernel = case.kernel(&gz(&good()), None).unwrap();
    let mut damaged = good();
    damaged[2000] ^= 1;
    fs::write(&kernel.image, damaged).unwrap();
    assert_eq!(case.kernel(&gz(&good()), None).unwrap(), kernel);
    assert!(fs::read(&kernel.image).unwrap() == good());
}

#[test]
fn a_file_of_four_gibibytes_is_no_kernel() {
    let case = Case::new();
    let path = case.file(&good());
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(4 << 30)
        .unwrap();
    let choice = KernelChoice::Files {
        image: path,
        modules: None,
    };
    let error = case.store.kernel(&Lock::new(Vec::new()), &choice).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("larger than 512 MiB, the most that is read"),
        "{error}"
    );
}

#[test]
fn the_command_line() {
    let case = Case::new();
    let file = case.file(b"");
    let parse = |kernel: Option<&str>, modules| KernelChoice::parse(kernel.map(OsStr::new), modules);
    assert_eq!(parse(None, None).unwrap(), KernelChoice::Newest);
    assert_eq!(
        parse(Some("debian:6.1"), None).unwrap(),
        KernelChoice::Debian("6.1".into())
    );
    let own = parse(file.to_str(), Some("m".into())).unwrap();
    assert_eq!(
        own,
        KernelChoice::Files {
            image: file.clone(),
            modules: Some("m".into())
        }
    );
    assert!(matches!(
        parse(Some("/nonexistent"), None),
        Err(KernelError::Choice(_))
    ));
    assert!(matches!(
        parse(None, Some("m".into())),
        Err(KernelError::Modules { .. })
    ));
    assert!(matches!(
        parse(Some("debian:6.1"), Some("m".into())),
        Err(KernelError::Modules { .. })
    ));
}

/// Both of Debian's layouts, fetched from a mirror.
#[test]
fn kernels_of_the_lock_file() {
    let text = String::from_utf8(good()).unwrap();
    for (image, release) in [
        ("./boot/vmlinuz-6.1.0-test+", "6.1.0-test+"),
        ("./usr/lib/modules/6.1.0-test+/vmlinuz", "6.1.0-test+"),
    ] {
        let module = format!("./usr/lib/modules/{release}/kernel/x.ko");
        let package = deb(&[
            crate::packages::testing::file(image, &text),
            crate::packages::testing::file(&module, ""),
        ]);
        let server = TestMirror::start();
        let locked = locked("linux", &package);
        server.answer(&locked.path, Answer::Whole(package));
        let lock = Lock::new(vec![set_of(SetKind::Kernel, release, vec![locked])]);
        let cache = tempfile::tempdir().unwrap();
        let store = Store::open(Some(cache.path().to_owned()), Some(server.url.clone())).unwrap();
        let kernel = store.kernel(&lock, &KernelChoice::Newest).unwrap();
        assert!(kernel.modules.unwrap().join("kernel/x.ko").is_file());
        assert_eq!(
            (kernel.release.as_str(), kernel.source.as_str()),
            (release, "debian:6.1.0-test+")
        );
        assert!(fs::read(kernel.image).unwrap() == good());
    }
}

#[test]
fn a_package_without_a_kernel_is_named() {
    let package = deb(&[crate::packages::testing::file("./boot/vmlinuz-other", "")]);
    let server = TestMirror::start();
    let locked = locked("linux", &package);
    server.answer(&locked.path, Answer::Whole(package));
    let lock = Lock::new(vec![set_of(SetKind::Kernel, "6.1.0", vec![locked])]);
    let cache = tempfile::tempdir().unwrap();
    let store = Store::open(Some(cache.path().to_owned()), Some(server.url.clone())).unwrap();
    let error = store
        .kernel(&lock, &KernelChoice::Newest)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("6.1.0: the packages have no kernel image"),
        "{error}"
    );
}
