// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::collections::BTreeSet;

use super::*;

#[test]
fn a_driver_is_found_under_either_spelling() {
    for (module, option) in [
        ("virtio_mmio", "VIRTIO_MMIO"),
        ("virtio-mmio", "VIRTIO_MMIO"),
        ("dwc3_of_simple", "USB_DWC3_OF_SIMPLE"),
        ("virtio_rng", "HW_RANDOM_VIRTIO"),
    ] {
        assert_eq!(of_module(module).unwrap().options.last(), Some(&option));
    }
    assert_eq!(of_module("e1000"), None);
}

#[test]
fn options_are_names_without_their_prefix() {
    let of_drivers = DRIVERS.iter().flat_map(|driver| driver.options);
    let of_purposes = Purpose::ALL.iter().flat_map(|purpose| purpose.options());
    let names: BTreeSet<&str> = of_drivers.chain(of_purposes).copied().collect();
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    for name in names {
        assert!(!name.starts_with("CONFIG_") && name.chars().all(plain), "{name}");
    }
}
