// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Presets as a stock driver meets them: it binds, moves data, and prints a context fault and a global fault.

use std::fmt::Write as _;

use boot_stress::recipe::Recipe;

use crate::boot::{Boot, boot};
use crate::data::digest;

/// An SMMU of the board, with a disk behind it.
struct Case {
    name: &'static str,
    compatible: &'static str,
    /// Fields of the model.
    model: &'static str,
    /// Record of the fault of a write that finds no page: FSR, FSYNR0, and their fields as Linux prints them.
    fsr: (u32, &'static str),
    fsynr0: (u32, &'static str),
}

/// Version 2 reports FORMAT (AArch64) and TF; FSYNR0 has WNR and the level.
const VERSION_2: Case = Case {
    name: "mmu500",
    compatible: "arm,mmu-500",
    model: "preset = \"mmu-500\", context_banks = 4",
    fsr: (0x402, "[Format=2 TF]"),
    fsynr0: (0x13, "[S1CBNDX=0 WNR PLVL=3]"),
};

/// Version 1 has no FORMAT, and says that the stream is Non-secure.
const VERSION_1: Case = Case {
    name: "juno",
    compatible: "arm,mmu-401",
    model: "preset = \"mmu-401\"",
    fsr: (0x2, "[Format=0 TF]"),
    fsynr0: (0x193, "[S1CBNDX=0 NSATTR WNR PLVL=3]"),
};

const CASES: [Case; 7] = [
    VERSION_2,
    Case {
        name: "mmu500ats",
        model: "preset = \"mmu-500-ats\", context_banks = 4",
        ..VERSION_2
    },
    VERSION_1,
    Case {
        name: "assigned",
        model: "preset = \"mmu-401\", context_interrupts = 4",
        ..VERSION_1
    },
    Case {
        name: "generic",
        compatible: "arm,smmu-v2",
        model: "preset = \"smmuv2-generic\", context_banks = 4, conflict_faults = true",
        ..VERSION_2
    },
    Case {
        name: "qcom",
        model: "preset = \"qcom-x1e-adreno\", context_banks = 4",
        ..VERSION_2
    },
    Case {
        name: "tegra",
        compatible: "nvidia,smmu-500",
        model: "preset = \"tegra-mmu-500\", context_banks = 4",
        ..VERSION_2
    },
];

const HEAD: &str = r#"
schema = 1
name = "presets"
summary = "a disk behind an SMMU of every preset"
expect = "no-hit"
why = "A stock driver moves data through each preset, and prints its faults."
modules = ["virtio_mmio", "virtio_blk"]
quiet = true
settle_ms = 500
[board]
cpus = 2
[[mark]]
name = "context"
[[mark]]
name = "global"
[[mark]]
name = "none"
[[image]]
name = "data.img"
size_mib = 1
seed = 11
"#;

const DEVICE: &str = r#"
[[board.smmu]]
name = "NAME"
compatible = "COMPATIBLE"
[[board.client]]
name = "disk-NAME"
kind = "virtio-blk"
iommus = [{ smmu = "NAME", stream_ids = [5] }]
[[smmu]]
name = "NAME"
model = { MODEL }
[[smmu.master]]
name = "disk-NAME"
kind = "virtio-blk"
stream_id = 5
image = "data.img"
read_only = true
[[smmu.injection]]
kind = "unmapped"
access = "write"
after = "context"
times = 1
[[smmu.injection]]
kind = "stream-conflict"
access = "write"
after = "global"
times = 1
"#;

const BINDS: &str = r#"
[[step]]
load = "virtio_mmio"
[[step]]
load = "virtio_blk"
[[step]]
wait_path = "/sys/bus/platform/devices/${disk-tegra}/virtio*/block/vd*"
"#;

const FUNCTIONS: &str = "
whole() {
  disk=/dev/$(ls /sys/bus/platform/devices/$2/virtio*/block)
  result data-$1 \"$(dd if=$disk bs=64k iflag=direct 2>/dev/null | sha256sum)\"
}
page() {
  disk=/dev/$(ls /sys/bus/platform/devices/$3/virtio*/block)
  status=0
  dd if=$disk of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null || status=$?
  result $1-$2 $status
}
context() { page context $1 $2; }
global() { page global $1 $2; }
none() { page none $1 $2; }
";

/// A recipe with all of them: each disk is read as a whole, and once after each mark.
fn recipe() -> Recipe {
    let mut text = String::from(HEAD);
    let mut calls = String::new();
    for Case {
        name,
        compatible,
        model,
        ..
    } in &CASES
    {
        text.push_str(
            &DEVICE
                .replace("NAME", name)
                .replace("COMPATIBLE", compatible)
                .replace("MODEL", model),
        );
        writeln!(calls, "READ {name} ${{disk-{name}}}").unwrap();
    }
    text.push_str(BINDS);
    for function in ["whole", "context", "global", "none"] {
        let calls = calls.replace("READ", function);
        if function != "whole" {
            writeln!(text, "[[step]]\nraise_mark = \"{function}\"").unwrap();
        }
        write!(text, "[[step]]\nrun = \"\"\"\n{FUNCTIONS}{calls}\"\"\"\n").unwrap();
    }
    Recipe::parse(&text, "presets").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Lines of the driver about an SMMU, in their order.
fn printed<'a>(boot: &'a Boot, recipe: &Recipe, name: &str) -> Vec<&'a str> {
    let layout = recipe.layout().unwrap();
    let at = layout.smmus.iter().zip(&recipe.board.smmus);
    let (at, _) = at.into_iter().find(|(_, smmu)| smmu.name == name).unwrap();
    let device = format!("arm-smmu {:x}.iommu: ", at.registers);
    let lines = boot.console.lines();
    lines
        .filter_map(|line| Some(line.split_once(&device)?.1.trim()))
        .collect()
}

fn check(name: &str, kernel: Option<&str>) {
    let recipe = recipe();
    let boot = boot(name, &recipe, kernel);
    for case in &CASES {
        let Case {
            name, fsr, fsynr0, ..
        } = case;
        let printed = printed(&boot, &recipe, name);
        println!("{name}: {printed:#?}");
        assert_eq!(
            boot.result(&format!("data-{name}")),
            digest(&recipe),
            "{name}: what was read"
        );
        let reads = ["context", "global", "none"].map(|mark| boot.result(&format!("{mark}-{name}")));
        assert_eq!(reads, ["1", "1", "0"], "{name}: a fault each, and then none");
        let context = printed
            .iter()
            .find(|line| line.starts_with("Unhandled context fault"))
            .unwrap_or_else(|| panic!("{name}: no context fault"));
        let iova = context.split(", ").find_map(|field| field.strip_prefix("iova="));
        let expected = format!(
            "Unhandled context fault: fsr={:#x}, iova={}, fsynr={:#x}, cbfrsynra=0x5, cb=0",
            fsr.0,
            iova.unwrap(),
            fsynr0.0
        );
        assert_eq!(**context, expected, "{name}");
        for (register, (value, fields)) in [("FSR   ", fsr), ("FSYNR0", fsynr0)] {
            let line = format!("{register} = {value:08x} {fields}");
            assert!(
                printed.iter().any(|printed| printed.starts_with(&line)),
                "{name}: {line}"
            );
        }
        let global = "GFSR 0x00000004, GFSYNR0 0x00000002, GFSYNR1 0x00000005, GFSYNR2 0x00000000";
        assert!(printed.contains(&global), "{name}: {global}");
        assert!(
            !printed.iter().any(|line| line.contains("address space size")),
            "{name}"
        );
    }
}

#[test]
fn guest_with_every_preset() {
    check("presets", None);
}

#[test]
#[ignore = "long: ci/guests"]
fn guest_of_6_16_with_every_preset() {
    check("presets-6.16", Some("6.16.3+deb13-arm64"));
}
