// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;
use crate::packages::testing::gz;

const TEXT: &str = "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/arm64 7.3.4 Kernel Configuration\n#\n\
    CONFIG_ARM_SMMU=y\nCONFIG_VIRTIO_MMIO=m\n# CONFIG_USB is not set\nCONFIG_HZ=250\nCONFIG_LOCALVERSION=\"\"\n";

#[test]
fn a_config_is_read() {
    let config = Kconfig::parse(TEXT).unwrap();
    assert_eq!(config.head, Some(("arm64".to_owned(), "7.3.4".to_owned())));
    let values = ["ARM_SMMU", "VIRTIO_MMIO", "USB", "HZ", "NONE"].map(|option| config.value(option));
    let expected = [
        Value::BuiltIn,
        Value::Module,
        Value::Off,
        Value::BuiltIn,
        Value::Off,
    ];
    assert_eq!(values, expected);
    assert_eq!(config.value("HZ"), Value::BuiltIn);
}

#[test]
fn what_has_no_options_is_no_config() {
    assert_eq!(Kconfig::parse(""), None);
    assert_eq!(Kconfig::parse("# a comment\nname = \"value\"\n"), None);
}

#[test]
fn the_copy_in_an_image_is_found() {
    let mut image = vec![7; 5000];
    image.extend(BEGIN);
    image.extend(gz(TEXT.as_bytes()));
    image.extend(END);
    image.extend([7; 5000]);
    assert_eq!(Kconfig::in_image(&image), Kconfig::parse(TEXT));
}

#[test]
fn a_damaged_copy_is_none() {
    let packed = gz(TEXT.as_bytes());
    for inner in [&packed[..packed.len() / 2], b"no gzip"] {
        let image = [BEGIN, inner, END].concat();
        assert_eq!(Kconfig::in_image(&image), None);
    }
    assert_eq!(Kconfig::in_image(BEGIN), None);
    assert_eq!(Kconfig::in_image(&[BEGIN, packed.as_slice()].concat()), None);
}
