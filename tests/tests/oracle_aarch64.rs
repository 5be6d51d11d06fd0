// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! AArch64 table walks of the model, compared with those of QEMU's CPU.

use integration_tests::oracle::shape::{Granule, Shape, Stage1, Stage2};
use integration_tests::oracle::tables::Tables;
use integration_tests::oracle::{Oracle, guest64};

/// A CPU with all granules and 48 address bits, and without the extensions of the formats: 52-bit addresses, small
/// tables, block sizes by hint.
const CPU: &str = "neoverse-n1";

fn oracle() -> Oracle {
    let code = guest64::code().unwrap();
    Oracle::start(CPU, &code, 48).unwrap()
}

/// Outcomes of stage 1 with any granule.
const STAGE_1: &[&str] = &[
    "mapped",
    "Translation level 0 stage 1",
    "Translation level 1 stage 1",
    "Translation level 2 stage 1",
    "Translation level 3 stage 1",
    "AddressSize level 0 stage 1",
    "AddressSize level 2 stage 1",
    "AddressSize level 3 stage 1",
    "AccessFlag level 2 stage 1",
    "AccessFlag level 3 stage 1",
    "Permission level 2 stage 1",
    "Permission level 3 stage 1",
    "External level 1 stage ?",
    "External level 2 stage ?",
    "External level 3 stage ?",
];

/// Outcomes of blocks of 1 GiB, which only the 4 KiB granule has: an access flag and permissions are those of a block.
const GIBIBYTES: &[&str] = &["AccessFlag level 1 stage 1", "Permission level 1 stage 1"];

/// Outcomes that have to occur in stage 1 alone.
fn reached(granule: Granule) -> Vec<&'static str> {
    let gibibytes = if granule == Granule::Size4K {
        GIBIBYTES
    } else {
        &[]
    };
    [STAGE_1, gibibytes].concat()
}

/// Outcomes of stage 2 with any granule.
const STAGE_2: &[&str] = &[
    "mapped",
    "Translation level 0 stage 2",
    "Translation level 1 stage 2",
    "Translation level 2 stage 2",
    "Translation level 3 stage 2",
    "AddressSize level 0 stage 2",
    "AddressSize level 2 stage 2",
    "AddressSize level 3 stage 2",
    "AccessFlag level 2 stage 2",
    "AccessFlag level 3 stage 2",
    "Permission level 2 stage 2",
    "Permission level 3 stage 2",
    "External level 1 stage ?",
    "External level 2 stage ?",
    "External level 3 stage ?",
];

/// Outcomes of both.
const NESTED: &[&str] = &[
    "mapped",
    "Translation level 3 stage 1",
    "Translation level 3 stage 2",
    "AddressSize level 0 stage 1",
    "AddressSize level 3 stage 2",
    "AccessFlag level 3 stage 1",
    "AccessFlag level 3 stage 2",
    "Permission level 3 stage 1",
    "Permission level 3 stage 2",
    "External level 3 stage ?",
];

/// The tables hold contiguous sets as software makes them: aligned, alike, of consecutive addresses.
#[test]
fn contiguous_sets_are_real() {
    const CONTIGUOUS: u64 = 1 << 52;
    for (granule, set, page) in [
        (Granule::Size4K, 16, 0x1000),
        (Granule::Size16K, 128, 0x4000),
        (Granule::Size64K, 32, 0x1_0000),
    ] {
        let shape = Shape::v8(Some(Stage1::AArch64(granule)), None);
        let tables = Tables::random(&mut fastrand::Rng::with_seed(1), shape);
        let words: Vec<u64> = tables
            .pools()
            .0
            .as_chunks()
            .0
            .iter()
            .map(|word| u64::from_le_bytes(*word))
            .collect();
        let is_set = |entries: &&[u64]| {
            let first = entries[0];
            let aligned = first & (set * page - 1) & !0xfff == 0;
            let alike = (0..).zip(*entries).all(|(n, entry)| *entry == first + n * page);
            aligned && alike && first & CONTIGUOUS != 0 && first & 3 == 3
        };
        let size = usize::try_from(set).unwrap();
        let (all, sets) = (
            words.len() / size,
            words.chunks_exact(size).filter(is_set).count(),
        );
        // A quarter of the tables are of level 3, and a quarter of its entries in sets.
        assert!(sets > all / 20, "{granule:?}: {sets} of {all}");
    }
}

#[test]
fn stage_1() {
    let reached = Granule::ALL.map(reached);
    let shapes = Granule::ALL.map(|granule| Shape::v8(Some(Stage1::AArch64(granule)), None));
    let shapes: Vec<_> = shapes
        .into_iter()
        .zip(reached.iter().map(Vec::as_slice))
        .collect();
    oracle().check(&shapes).unwrap();
}

#[test]
fn stage_1_big_endian() {
    let shapes = Granule::ALL.map(|granule| {
        let shape = Shape::v8(Some(Stage1::AArch64(granule)), None);
        (shape.with_big_endian(), STAGE_1)
    });
    oracle().check_shares(3, &shapes).unwrap();
}

#[test]
fn stage_2() {
    let shapes = Granule::ALL.map(|granule| (Shape::v8(None, Some(Stage2::AArch64(granule))), STAGE_2));
    oracle().check(&shapes).unwrap();
}

/// Both stages, with every pair of granules: for each granule of stage 2 as many walks as without nesting.
#[test]
fn nested() {
    let pairs = Granule::ALL.map(|stage1| Granule::ALL.map(|stage2| (stage1, stage2)));
    let shapes: Vec<_> = pairs
        .as_flattened()
        .iter()
        .map(|&(stage1, stage2)| {
            let stage2 = Some(Stage2::AArch64(stage2));
            (Shape::v8(Some(Stage1::AArch64(stage1)), stage2), NESTED)
        })
        .collect();
    oracle().check_shares(3, &shapes).unwrap();
}
