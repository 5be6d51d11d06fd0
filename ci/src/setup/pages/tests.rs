// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::recipe::SHIPPED;

/// An Image that says that its kernel has pages of this size in KiB, or nothing.
fn image(dir: &Path, page_kib: Option<u32>) -> PathBuf {
    let mut header = vec![0; 64];
    header[24] = match page_kib {
        None => 0,
        Some(4) => 1 << 1,
        Some(16) => 2 << 1,
        Some(_) => 3 << 1,
    };
    header[56..60].copy_from_slice(b"ARM\x64");
    let image = dir.join("Image");
    fs::write(&image, header).unwrap();
    image
}

/// A recipe with one SMMU, and a client with a reserved region.
fn recipe(model: &str, region: &str) -> Recipe {
    Recipe::parse(&format!(
        "schema = 1\nname = \"r\"\nsummary = \"s\"\nwhy = \"w\"\nexpect = \"no-hit\"\nmodules = []\n[[board.smmu]]\n\
         name = \"a\"\n[[board.client]]\nname = \"panel\"\nkind = \"plain\"\n\
         iommus = [{{ smmu = \"a\", stream_ids = [1] }}]\nreserved_region = {{ {region} }}\n\
         [[smmu]]\nname = \"a\"\nmodel = {{ {model} }}\n[[step]]\nsleep_ms = 1\n"
    ), "r.toml")
    .unwrap()
}

/// The kernel's page, if the SMMU has it; else a smaller one, else a larger one.
#[test]
fn tables_have_the_pages_of_the_kernel_where_the_smmu_has_them() {
    let dir = tempfile::tempdir().unwrap();
    for (model, expected) in [
        ("preset = \"mmu-500\"", [4, 4, 4, 64]),
        ("preset = \"smmuv2-generic\"", [4, 4, 16, 64]),
        ("preset = \"smmuv2-generic\", granule_64k = false", [4, 4, 16, 16]),
        (
            "preset = \"smmuv2-generic\", granule_4k = false, aarch32_short = false, aarch32_long = false",
            [16, 16, 16, 64],
        ),
        ("preset = \"smmuv2-generic\", granule_4k = false", [4, 4, 16, 64]),
        ("preset = \"mmu-401\"", [4, 4, 4, 64]),
    ] {
        let tables = Tables::of(&recipe(model, "iova = 0x80000000, size = 0x100000"));
        let pages =
            [None, Some(4), Some(16), Some(64)].map(|page_kib| tables.pages(&image(dir.path(), page_kib)));
        assert_eq!(pages, expected.map(|kib| vec![kib << 10]), "{model}");
    }
}

#[test]
fn a_region_that_is_not_whole_pages_is_refused_before_the_boot() {
    let dir = tempfile::tempdir().unwrap();
    let check = |model: &str, region: &str, page_kib: u32| {
        Tables::of(&recipe(model, region)).check(&image(dir.path(), Some(page_kib)))
    };
    let odd_size = "iova = 0x80000000, size = 0x11000";
    let odd_start = "iova = 0x80008000, size = 0x10000";
    for (region, page_kib) in [
        (odd_size, 4),
        (odd_start, 4),
        (odd_start, 16),
        ("iova = 0x80000000, size = 0x20000", 64),
        ("iova = 0x80000000, pages = 3", 64),
    ] {
        check("preset = \"smmuv2-generic\"", region, page_kib).unwrap();
    }
    // The MMU-500 has no granule of 16 KiB, and its tables have pages of 4 KiB then.
    check("preset = \"mmu-500\"", odd_size, 16).unwrap();
    let refused = [(odd_size, 16), (odd_size, 64), (odd_start, 64)].map(|(region, page_kib)| {
        let error = check("preset = \"smmuv2-generic\"", region, page_kib).unwrap_err();
        error.to_string()
    });
    insta::assert_snapshot!(refused.join("\n"));
}

#[test]
fn the_shipped_recipes_run_with_pages_of_any_size() {
    let dir = tempfile::tempdir().unwrap();
    for page_kib in [4, 16, 64] {
        for shipped in SHIPPED {
            let tables = Tables::of(&shipped.recipe().unwrap());
            tables.check(&image(dir.path(), Some(page_kib))).unwrap();
        }
    }
}
