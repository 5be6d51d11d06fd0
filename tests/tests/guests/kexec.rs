// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A kernel that starts another one: what the SMMU, its masters and the bus are then is what the first left of them. No
//! boot shim runs, and nothing is reset but by drivers.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use boot_stress::recipe::Recipe;
use boot_stress::setup::environment::Choice;
use sha2::{Digest, Sha256};
use vfio_server::config::Kind;

use crate::boot::{Boot, boot_and};
use crate::leak::{assert_no_leak, measure};

/// Bytes of a sector.
const SECTOR: u64 = 512;

/// The kernel's Image, as long as a disk can be.
fn copy_of_the_kernel(release: Option<&str>, to: &Path) {
    let choice = Choice {
        kernel: release.map(|release| format!("debian:{release}").into()),
        locked: true,
        ..Choice::default()
    };
    let environment = choice
        .resolve(Arc::from(guest_images::packages::progress::on_stderr()))
        .unwrap();
    let mut image = File::create(to).unwrap();
    let mut kernel = File::open(environment.guest.image).unwrap();
    let length = io::copy(&mut kernel, &mut image).unwrap();
    image.set_len(length.next_multiple_of(SECTOR)).unwrap();
}

fn two_kernels(release: Option<&str>) -> Boot {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("Image");
    copy_of_the_kernel(release, &image);
    let mut recipe = Recipe::parse(include_str!("kexec.toml"), "kexec.toml").unwrap();
    for master in recipe.smmus.iter_mut().flat_map(|smmu| &mut smmu.masters) {
        if let Kind::VirtioBlk(disk) = &mut master.kind {
            disk.image = image.clone();
        }
    }
    let name = format!("kexec-{}", release.unwrap_or("newest"));
    let mut has = Vec::new();
    let boot = boot_and(&name, &recipe, release, |now| {
        for (mark, answer) in [("ready", "measured"), ("back", "measured-back")] {
            now.wait_for_mark(mark)?;
            has.push(measure(now)?);
            now.raise_mark(answer)?;
        }
        Ok(())
    });
    println!(
        "{has:?}\n{:#?}, {} ms in all",
        boot.report.results, boot.report.total_ms
    );
    assert_no_leak(&has);

    let of = |name: &str| -> Vec<&str> {
        let results = boot.report.results.iter().filter(|result| result.name == name);
        results.map(|result| result.text.as_str()).collect()
    };
    let [first, second] = of("boot")[..] else {
        panic!("{:?}", of("boot"))
    };
    assert_ne!(first, second);
    let hex: String = Sha256::digest(fs::read(&image).unwrap())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let digest = format!("{hex}  -");
    assert_eq!(
        of("read"),
        [&digest, &digest],
        "by the first kernel, by the second"
    );

    // The firmware's way into the kernel is the boot shim's; the second kernel has none.
    assert_eq!(boot.lines("Booting Linux on physical CPU").len(), 2);
    assert_eq!(boot.lines("probing hardware configuration").len(), 2);
    assert_eq!(boot.lines("Adding to iommu group").len(), 2);
    assert_eq!(boot.lines("kexec_core: Starting new kernel").len(), 1);
    // What arm_smmu_device_shutdown says while banks are in use: before the second kernel, and at its end.
    assert_eq!(boot.lines("disabling translation").len(), 2);
    for words in ["context fault", "global fault", "late IOMMU probe", "timed out"] {
        assert_eq!(boot.lines(words), Vec::<&str>::new());
    }
    boot
}

#[test]
fn guest_that_starts_another_kernel() {
    two_kernels(None);
}

#[test]
#[ignore = "long: ci/guests"]
fn guest_of_6_16_that_starts_another_kernel() {
    two_kernels(Some("6.16.3+deb13-arm64"));
}

#[test]
#[ignore = "long: ci/guests"]
fn guest_with_pages_of_16_kib_that_starts_another_kernel() {
    two_kernels(Some("7.3.4+deb13-arm64-16k"));
}
