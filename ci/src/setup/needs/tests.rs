// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

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
    let config = directory.path().join("config");
    std::fs::write(
        &config,
        "CONFIG_VIRTIO_MMIO=y\nCONFIG_REGULATOR_FIXED_VOLTAGE=y\n",
    )
    .unwrap();
    let image = directory.path().join("Image");
    std::fs::write(&image, "").unwrap();
    let kernel = Kernel {
        image,
        modules: None,
        release: "7.3.4".to_owned(),
        source: "<kernel>".to_owned(),
        evidence: Evidence {
            config: Some(config.clone()),
            ..Evidence::default()
        },
    };
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
}
