// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

#[test]
fn the_fragment() {
    insta::assert_snapshot!(fragment());
}

#[test]
fn the_fragment_is_enough_for_itself() {
    let difference = compare(&Kconfig::parse(&fragment()).unwrap());
    assert_eq!(difference, Difference::default());
    assert!(difference.is_enough());
}

#[test]
fn what_a_config_lacks_is_told() {
    let text = fragment()
        .replace("CONFIG_ARM_SMMU=y", "CONFIG_ARM_SMMU=m")
        .replace("CONFIG_VIRTIO_MMIO=y", "CONFIG_VIRTIO_MMIO=m")
        .replace("CONFIG_WATCHDOG=y\n", "")
        .replace("CONFIG_IKCONFIG=y", "# CONFIG_IKCONFIG is not set");
    let difference = compare(&Kconfig::parse(&text).unwrap());
    assert!(!difference.is_enough());
    insta::assert_snapshot!(difference);
}
