// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs;
use std::path::Path;

use super::*;
use crate::packages::testing::gz;
use crate::system::kernel::UNKNOWN;
use crate::system::modules::tests::{module, tree};

const NO_TEXT: &[u8] = b"an Image";

/// A kernel of these bytes, with this evidence.
fn kernel(directory: &Path, image: &[u8], evidence: Evidence) -> Kernel {
    let path = directory.join("Image");
    fs::write(&path, image).unwrap();
    Kernel {
        image: path,
        modules: None,
        release: "7.3.4-test".to_owned(),
        source: "test".to_owned(),
        evidence,
    }
}

fn write(directory: &Path, name: &str, text: &str) -> Option<PathBuf> {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    Some(path)
}

fn options(state: State) -> Vec<&'static str> {
    match state {
        State::Absent { options, .. } => options,
        other => panic!("{other:?}"),
    }
}

fn because(state: State) -> String {
    match state {
        State::Absent { because, .. } => because,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_config_tells() {
    let dir = tempfile::tempdir().unwrap();
    let text = "# Linux/arm64 7.3.4 Kernel Configuration\nCONFIG_VIRTIO_MENU=y\nCONFIG_VIRTIO_MMIO=y\n\
    CONFIG_WATCHDOG=y\n\
                # CONFIG_ARM_SP805_WATCHDOG is not set\nCONFIG_EXT4_FS=m\nCONFIG_ARM_SMMU=y\n\
                CONFIG_SERIAL_AMBA_PL011=m\n";
    let evidence = Evidence {
        config: write(dir.path(), ".config", text),
        ..Evidence::default()
    };
    let inventory = Inventory::of(&kernel(dir.path(), NO_TEXT, evidence)).unwrap();
    assert_eq!(inventory.state("virtio-mmio"), State::BuiltIn);
    assert_eq!(options(inventory.state("sp805_wdt")), ["ARM_SP805_WATCHDOG"]);
    assert_eq!(options(inventory.state("dwc3-of-simple")).len(), 4);
    let because = because(inventory.state("ext4"));
    assert!(
        because.contains("CONFIG_EXT4_FS=m, and no module ext4 was given"),
        "{because}"
    );
    assert!(!inventory.missing(Purpose::Boot).contains(&"ARM_SMMU"));
    // No recipe loads a module for it.
    assert!(inventory.missing(Purpose::Boot).contains(&"SERIAL_AMBA_PL011"));
    assert!(inventory.missing(Purpose::Boot).contains(&"DEVTMPFS"));
}

#[test]
fn the_image_is_believed_before_the_config_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let inside = gz(b"CONFIG_VIRTIO_MMIO=y\n");
    let image = [b"..IKCFG_ST".as_slice(), &inside, b"IKCFG_ED.."].concat();
    let evidence = Evidence {
        config: write(dir.path(), ".config", "# CONFIG_VIRTIO_MMIO is not set\n"),
        ..Evidence::default()
    };
    let inventory = Inventory::of(&kernel(dir.path(), &image, evidence)).unwrap();
    assert_eq!(inventory.state("virtio_mmio"), State::BuiltIn);
    assert_eq!(inventory.config_source(), Some("the Image's own configuration"));
}

#[test]
fn a_config_of_another_kernel_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |(release, text): (&str, &str)| {
        let evidence = Evidence {
            config: write(dir.path(), ".config", text),
            ..Evidence::default()
        };
        let kernel = Kernel {
            release: release.to_owned(),
            ..kernel(dir.path(), NO_TEXT, evidence)
        };
        let error = Inventory::of(&kernel).unwrap_err();
        let path = dir.path().to_str().unwrap();
        error.to_string().replace(path, "<dir>")
    };
    let of_7_3_4 = "# Linux/arm64 7.3.4 Kernel Configuration\nCONFIG_A=y\n";
    let report = [
        (
            "7.3.4-test",
            "# Linux/x86 7.3.4 Kernel Configuration\nCONFIG_A=y\n",
        ),
        ("6.1.2-test", of_7_3_4),
        ("7.3.40-test", of_7_3_4),
        ("7.3.4-test", "int main(void) { return 0; }\n"),
    ]
    .map(refused);
    insta::assert_snapshot!(report.join("\n"));
}

#[test]
fn initcalls_of_a_system_map_tell() {
    let dir = tempfile::tempdir().unwrap();
    let map = "ffff800080000000 T _text\n\
               ffff800081234560 d __initcall__kmod_virtio_mmio__214_839_virtio_mmio_init6\n\
               ffff800081234564 d __initcall__kmod_fixed__199_404_regulator_fixed_voltage_init4\n";
    let evidence = Evidence {
        symbols: write(dir.path(), "System.map", map),
        ..Evidence::default()
    };
    let inventory = Inventory::of(&kernel(dir.path(), NO_TEXT, evidence)).unwrap();
    assert_eq!(inventory.state("virtio_mmio"), State::BuiltIn);
    assert_eq!(inventory.state("fixed"), State::BuiltIn);
    assert_eq!(options(inventory.state("virtio_blk")).last(), Some(&"VIRTIO_BLK"));
    // Without a configuration nothing is said of options.
    assert!(inventory.missing(Purpose::Boot).is_empty());
}

#[test]
fn an_image_alone_has_the_names_of_its_drivers() {
    let dir = tempfile::tempdir().unwrap();
    let inventory = Inventory::of(&kernel(dir.path(), b"..virtio-mmio\0..", Evidence::default())).unwrap();
    assert_eq!(inventory.state("virtio_mmio"), State::BuiltIn);
    assert_eq!(
        options(inventory.state("fixed")),
        ["REGULATOR", "REGULATOR_FIXED_VOLTAGE"]
    );
    let because = because(inventory.state("e1000"));
    assert!(because.contains("does not say"), "{because}");
}

#[test]
fn modules_and_what_their_tree_says_is_built_in() {
    let (dir, tree) = (tempfile::tempdir().unwrap(), tree());
    let mut kernel = kernel(dir.path(), NO_TEXT, Evidence::default());
    kernel.modules = Some(tree.path().to_owned());
    kernel.release = UNKNOWN.to_owned();
    let inventory = Inventory::of(&kernel).unwrap();
    assert_eq!(inventory.state("top"), State::Module);
    assert_eq!(inventory.state("built-in"), State::BuiltIn);
    assert_eq!(
        because(inventory.state("fixed")),
        tree.path().display().to_string()
    );
}

#[test]
fn a_build_directory_lists_its_modules() {
    let dir = tempfile::tempdir().unwrap();
    let build = dir.path().join("build");
    fs::create_dir_all(build.join("include/config")).unwrap();
    fs::create_dir_all(build.join("drivers/a")).unwrap();
    fs::write(
        build.join("drivers/a/one.ko"),
        module(&["depends=", "vermagic=7.3.4-test SMP aarch64"]),
    )
    .unwrap();
    fs::write(
        build.join("modules.order"),
        "drivers/a/one.o\nkernel/drivers/a/two.ko\n../../outside.o\n",
    )
    .unwrap();
    fs::write(
        build.join("modules.builtin"),
        "kernel/drivers/virtio/virtio_mmio.ko\n",
    )
    .unwrap();
    let tree = ModuleTree::open(&build, Some("7.3.4-test")).unwrap();
    assert!(tree.has("one") && tree.has("two") && !tree.has("outside"));
    assert!(tree.is_builtin("virtio-mmio"));
    assert_eq!(tree.closure(&["one"]).unwrap().len(), 1);
    let error = tree.closure(&["two"]).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "drivers/a/two.ko: listed in modules.order, and not there: build the modules (make modules)"
        ),
        "{error}"
    );
}

#[test]
fn everything_that_is_missing_is_told_at_once() {
    let missing = Missing {
        modules: [
            (
                "fixed".to_owned(),
                (
                    vec!["REGULATOR", "REGULATOR_FIXED_VOLTAGE"],
                    "/b/.config".to_owned(),
                ),
            ),
            (
                "ext4".to_owned(),
                (vec![], "/b/.config has CONFIG_EXT4_FS=m".to_owned()),
            ),
        ]
        .into(),
        options: vec!["DEVTMPFS", "DEVMEM"],
        source: "/b/.config".to_owned(),
    };
    insta::assert_snapshot!(missing);
}
