// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Data on the disk: what is written is what is read.

use boot_stress::recipe::Recipe;
use sha2::{Digest, Sha256};
use smmu_emu::{Config, Preset};
use vfio_server::config::Kind;

use crate::boot::{Boot, boot, recipe};

/// Of the long run.
const LONG_MIB: u32 = 512;

/// SHA-256 of what the host has put on the data disk, as busybox prints it.
pub fn digest(recipe: &Recipe) -> String {
    let image = recipe
        .images
        .iter()
        .find(|image| image.name == "data.img")
        .unwrap();
    let mut hash = Sha256::new();
    image.contents().for_each(|piece| hash.update(piece));
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}  -")
}

fn with_data(mut recipe: Recipe, mib: u32) -> Recipe {
    let image = recipe.images.iter_mut().find(|image| image.name == "data.img");
    image.unwrap().size_mib = mib;
    recipe
}

fn round_trip(name: &str, recipe: &Recipe, kernel: Option<&str>) -> Boot {
    let boot = boot(name, recipe, kernel);
    let expected = digest(recipe);
    assert_eq!(
        boot.result("data"),
        expected,
        "what was read from the read-only disk"
    );
    assert_eq!(boot.result("file"), expected, "what was read back from the file");
    assert_eq!(boot.lines("Unhandled context fault"), Vec::<&str>::new());
    assert_eq!(boot.lines("global fault"), Vec::<&str>::new());
    println!(
        "{name}: {:#?}, {} ms in all",
        boot.report.results, boot.report.total_ms
    );
    boot
}

#[test]
fn guest_with_ext4_on_a_disk() {
    let boot = round_trip("ext4", &recipe("disk"), None);
    assert_eq!(boot.result("group-type"), "DMA", "strict, the kernel's default");
    assert_eq!(boot.result("page-size"), "4 kB");
    assert_eq!(
        boot.result("reserved-regions"),
        "0x0000000008000000 0x00000000080fffff msi;",
        "MSI_IOVA_BASE and MSI_IOVA_LENGTH of arm-smmu"
    );
    let added = boot.lines("virtio_mmio: Adding to iommu group");
    assert_eq!(added.len(), 2, "{added:?}");
    assert_eq!(
        boot.result("groups"),
        "0: 30810000.virtio_mmio; 1: 30811000.virtio_mmio;",
        "a group for each stream"
    );
    assert_eq!(boot.result("disk-group"), "0");
    assert_eq!(boot.lines("2/0/0 default/read/poll queues").len(), 1);
}

#[test]
fn guest_with_one_of_each_master() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("guest.log");
    let mut recipe = recipe("masters");
    for master in recipe.smmus.iter_mut().flat_map(|smmu| &mut smmu.masters) {
        if let Kind::VirtioConsole(console) = &mut master.kind {
            console.output = log.clone();
        }
    }
    let boot = boot("masters", &recipe, None);
    assert_eq!(boot.result("rng"), "virtio_rng.0");
    assert_eq!(boot.result("rng-bytes"), "65536 bytes, 256 different values");
    assert_eq!(boot.result("dma-driver"), "dma-pl330");
    assert_eq!(boot.result("dma-channels"), "8");
    assert!(
        boot.result("root").starts_with("/dev/vda / ext4 rw"),
        "{}",
        boot.result("root")
    );
    let log = String::from_utf8(std::fs::read(log).unwrap()).unwrap();
    for words in [
        "Booting Linux on physical CPU",
        "SMMUv2 with:",
        "@@boot-stress step 1 ",
    ] {
        assert!(
            log.contains(words),
            "no {words:?} in the log that left by the console"
        );
    }
    assert!(log.ends_with("end of the log\r\n"), "{:?}", log.lines().last());
    assert_eq!(boot.lines("Unhandled context fault"), Vec::<&str>::new());
}

/// Way of using the SMMU, and a kernel: a boot each.
macro_rules! long_runs {
    ($($way:ident: $run:expr;)*) => {$(
        mod $way {
            use super::*;

            #[test]
            #[ignore = "long: ci/guests"]
            fn guest_of_the_newest_kernel() {
                $run(stringify!($way), "7.3.4+deb13-arm64");
            }

            #[test]
            #[ignore = "long: ci/guests"]
            fn guest_of_6_16() {
                $run(stringify!($way), "6.16.3+deb13-arm64");
            }

            #[test]
            #[ignore = "long: ci/guests"]
            fn guest_with_pages_of_16_kib() {
                $run(stringify!($way), "7.3.4+deb13-arm64-16k");
            }
        }
    )*};
}

long_runs! {
    strict: |name, kernel| with_argument(name, kernel, None, "DMA");
    lazy: |name, kernel| with_argument(name, kernel, Some("iommu.strict=0"), "DMA-FQ");
    passthrough: |name, kernel| with_argument(name, kernel, Some("iommu.passthrough=1"), "identity");
    bypass: |name, kernel| with_argument(name, kernel, Some("arm-smmu.disable_bypass=0"), "DMA");
    stage_2_only: stage_2_only;
    granules_of_16_kib: granules_of_16_kib;
}

/// With an argument that changes how the SMMU is used, and the type of the group that comes of it.
fn with_argument(name: &str, kernel: &str, argument: Option<&str>, group: &str) {
    let mut recipe = with_data(recipe("disk"), LONG_MIB);
    recipe.cmdline.extend(argument.map(str::to_owned));
    let boot = round_trip(&format!("ext4-{name}-{kernel}"), &recipe, Some(kernel));
    assert_eq!(boot.result("group-type"), group, "{argument:?}");
    let pages = if kernel.ends_with("16k") { "16 kB" } else { "4 kB" };
    assert_eq!(boot.result("page-size"), pages);
}

/// An SMMU that only has stage 2: Linux uses that for its DMA domains.
fn stage_2_only(name: &str, kernel: &str) {
    let mut recipe = with_data(recipe("disk"), LONG_MIB);
    recipe.smmus[0].model.stage1 = Some(false);
    recipe.smmus[0].model.nested = Some(false);
    let boot = round_trip(&format!("ext4-{name}-{kernel}"), &recipe, Some(kernel));
    assert_eq!(boot.lines("stage 2 translation").len(), 1);
    assert_eq!(boot.lines("stage 1 translation"), Vec::<&str>::new());
}

/// An SMMU with granules of 16 KiB: a page of a kernel with such pages is then one of the SMMU.
fn granules_of_16_kib(name: &str, kernel: &str) {
    let mut recipe = with_data(recipe("disk"), LONG_MIB);
    let mut model = Config::from(Preset::Generic);
    model.coherent_walk = recipe.smmus[0].model.coherent_walk;
    recipe.smmus[0].model = model;
    let boot = round_trip(&format!("ext4-{name}-{kernel}"), &recipe, Some(kernel));
    let sizes = boot.lines("Supported page sizes");
    let [line] = sizes[..] else { panic!("{sizes:?}") };
    let sizes = line.rsplit_once("0x").expect("a number").1;
    let sizes = u64::from_str_radix(sizes, 16).expect("a number");
    assert_eq!(sizes & 0x4000, 0x4000, "{line}");
}
