// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::path::Path;

use guest_images::system::inventory::Evidence;

use super::*;
use crate::recipe::{DEFAULT, SHIPPED, shipped};

fn recipe(name: &str) -> Recipe {
    shipped(name).unwrap().recipe().unwrap()
}

/// Devices that are held, by module, on a kernel with these modules built in.
fn held(name: &str, builtin: &[&str]) -> Vec<String> {
    let recipe = recipe(name);
    let builtin = builtin.iter().map(|module| (*module).to_owned()).collect();
    let held = HeldDevices::of(&recipe, &recipe.layout().unwrap(), &builtin);
    let files = held.files().into_iter();
    let text = |file: ExtraFile| format!("{}\n{}", file.path, String::from_utf8(file.contents).unwrap());
    files.map(text).collect()
}

#[test]
fn devices_wait_for_the_step_that_loads_their_driver() {
    let all = ["fixed", "virtio_mmio", "dwc3-of-simple", "sp805_wdt"];
    let report: Vec<String> = ["attach-lock", "few-smrs", "disk", "device-not-ready"]
        .into_iter()
        .map(|name| format!("{name}:\n{}", held(name, &all).join("")))
        .collect();
    insta::assert_snapshot!(report.join("\n"));
}

#[test]
fn nothing_is_held_for_modules() {
    assert_eq!(held("attach-lock", &[]), Vec::<String>::new());
    assert_eq!(held("attach-lock", &["fixed"]).len(), 1);
}

#[test]
fn a_child_whose_driver_is_loaded_before_its_bus_is_not_held() {
    let mut recipe = recipe("device-not-ready");
    recipe.steps.reverse();
    let builtin = ["virtio_mmio".to_owned()].into();
    let held = HeldDevices::of(&recipe, &recipe.layout().unwrap(), &builtin);
    assert_eq!(held.names(), Held::new());
}

#[test]
fn every_driver_of_the_shipped_recipes_is_in_the_table() {
    for shipped in SHIPPED {
        for module in shipped.recipe().unwrap().modules {
            assert!(
                drivers::of_module(&module).is_some(),
                "{}: {module}",
                shipped.name
            );
        }
    }
}

#[test]
fn what_a_recipe_needs_is_told_before_its_boot() {
    let directory = tempfile::tempdir().unwrap();
    let kernel = built_in(
        directory.path(),
        "CONFIG_VIRTIO_MMIO=y\nCONFIG_REGULATOR_FIXED_VOLTAGE=y\n",
    );
    let config = directory.path().join("config");
    let error = Needs::of(&recipe("attach-lock"))
        .check(&kernel, &Inventories::default())
        .unwrap_err();
    let error = error.to_string().replace(config.to_str().unwrap(), "<config>");
    insta::assert_snapshot!(error);
    let alone = Needs {
        modules: vec!["virtio_mmio".to_owned()],
        as_built_in: true,
        ..Needs::default()
    };
    let present = alone.check(&kernel, &Inventories::default()).unwrap();
    assert_eq!(present.builtin, ["virtio_mmio".to_owned()].into());
    assert_eq!(
        (present.in_kernel(), present.files()),
        (present.builtin.clone(), None)
    );
}

/// A kernel without modules whose configuration has these drivers on.
fn built_in(dir: &Path, config: &str) -> Kernel {
    let (config_file, image) = (dir.join("config"), dir.join("Image"));
    std::fs::write(&config_file, config).unwrap();
    std::fs::write(&image, "").unwrap();
    Kernel {
        image,
        modules: None,
        release: "7.3.4".to_owned(),
        source: "<kernel>".to_owned(),
        evidence: Evidence {
            config: Some(config_file),
            ..Evidence::default()
        },
    }
}

/// Regions that the pages of the kernel do not divide are told of first, with the kernel's name.
#[test]
fn a_region_of_half_a_page_is_refused_before_the_boot() {
    let dir = tempfile::tempdir().unwrap();
    let kernel = built_in(dir.path(), "");
    let mut header = [0; 64];
    header[24] = 3 << 1;
    header[56..60].copy_from_slice(b"ARM\x64");
    std::fs::write(&kernel.image, header).unwrap();
    let mut recipe = recipe("two-iommus");
    let region = recipe
        .board
        .clients
        .iter_mut()
        .find_map(|client| client.reserved_region.as_mut());
    let region = region.unwrap();
    (region.pages, region.size) = (None, Some(0x1000));
    let error = Needs::of(&recipe)
        .check(&kernel, &Inventories::default())
        .unwrap_err();
    assert!(error.is_of_kernel() && error.is_usage());
    insta::assert_snapshot!(error);
}

/// Drivers that are built in are taken from devices that wait for a `load`; `rmmod` of any other would fail.
#[test]
fn unloading_what_is_built_in_is_refused_before_the_boot() {
    let text = include_str!("../../../tests/recipes/built-in.toml");
    let unloads = |text: &str| Needs::of(&Recipe::parse(text, "r.toml").unwrap()).unloads;
    assert_eq!(unloads(text), Vec::<String>::new());
    // Nothing on the board is of that driver, and nothing is bound late if no step loads it.
    for (old, new) in [
        ("kind = \"virtio-mmio\"", "kind = \"plain\""),
        ("\nload = \"virtio_mmio\"", "\nsleep_ms = 1"),
    ] {
        assert_eq!(unloads(&text.replace(old, new)), ["virtio_mmio"], "{new}");
    }
    // The bus comes last, and its child is bound then.
    let child = text.replace("[[step]]\nload = \"fixed\"", "[[step]]\nload = \"virtio_mmio\"")
        + "\n[[step]]\nload = \"dwc3-of-simple\"\n";
    let child = child
        .replace("modules = [", "modules = [\"dwc3-of-simple\", ")
        .replace(
            "name = \"dog\"",
            "name = \"bus\"\nkind = \"bus\"\n\n[[board.client]]\nname = \"c1\"\nkind = \"virtio-mmio\"\n\
         parent = \"bus\"\niommus = [{ smmu = \"a\", stream_ids = [3] }]\n\n[[board.client]]\nname = \"dog\"",
        );
    assert_eq!(unloads(&child), ["fixed", "virtio_mmio"]);

    let dir = tempfile::tempdir().unwrap();
    let kernel = |state: &str| built_in(dir.path(), &format!("CONFIG_VIRTIO_MMIO={state}\n"));
    let needs = Needs {
        unloads: vec!["virtio_mmio".to_owned()],
        ..Needs::default()
    };
    let error = needs.check(&kernel("y"), &Inventories::default()).unwrap_err();
    assert!(error.is_of_kernel() && error.is_usage());
    insta::assert_snapshot!(error);
    needs.check(&kernel("m"), &Inventories::default()).unwrap();
}

/// Only recipes that want to see the warning are refused, and only on kernels that do not have it.
#[test]
fn a_kernel_that_cannot_print_it_is_refused() {
    let check = |name: &str, release: &str| Needs::of(&recipe(name)).check_release(release);
    let old = "6.12.117+deb13-arm64";
    insta::assert_snapshot!(check(DEFAULT, old).unwrap_err());
    for (name, release) in [
        (DEFAULT, "6.16.3+deb13-arm64"),
        (DEFAULT, "unknown"),
        ("disk", old),
        ("boot", old),
        ("attach-lock-control", old),
    ] {
        assert!(check(name, release).is_ok(), "{name} on {release}");
    }
}

#[test]
fn modules_may_be_taken_for_built_in() {
    let present = Present {
        builtin: ["fixed", "ext4"].map(str::to_owned).into(),
        early: ["fixed".to_owned()].into(),
    };
    assert_eq!(present.in_kernel(), ["ext4".to_owned()].into());
    assert_eq!(present.files().unwrap().contents, b"fixed\n");
}

#[test]
fn purposes_of_recipes() {
    let purposes = |name| Needs::of(&recipe(name)).purposes;
    assert_eq!(purposes("disk"), [Purpose::Boot]);
    assert_eq!(
        purposes("suspend-late-fault"),
        [Purpose::Boot, Purpose::Clock, Purpose::Suspend]
    );
    assert_eq!(purposes("kdump-bypass-window"), [Purpose::Boot, Purpose::Kexec]);
    assert_eq!(purposes("userland"), [Purpose::Boot, Purpose::Systemd]);
    assert_eq!(
        purposes("runtime-pm"),
        [Purpose::Boot, Purpose::Clock, Purpose::PowerDomain]
    );
}
