// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! AArch32 table walks of the model, compared with those of QEMU's CPUs: ARMv7 by its CP15 operations, and the EL1 of
//! an ARMv8 CPU in AArch32.

use integration_tests::oracle::shape::{Granule, Shape, Stage1, Stage2};
use integration_tests::oracle::{Oracle, guest32, guest64};

fn armv7() -> Oracle {
    Oracle::start("cortex-a15", &guest32::code(), 40).unwrap()
}

fn armv8() -> Oracle {
    let code = guest64::code().unwrap();
    Oracle::start("cortex-a57", &code, 44).unwrap()
}

/// Outcomes of long descriptors of stage 1.
const LONG: &[&str] = &[
    "mapped",
    "Translation level 1 stage 1",
    "Translation level 2 stage 1",
    "Translation level 3 stage 1",
    "AccessFlag level 1 stage 1",
    "AccessFlag level 2 stage 1",
    "AccessFlag level 3 stage 1",
    "Permission level 1 stage 1",
    "Permission level 2 stage 1",
    "Permission level 3 stage 1",
    "External level 1 stage ?",
    "External level 2 stage ?",
    "External level 3 stage ?",
];

/// Outcomes of short descriptors.
const SHORT: &[&str] = &[
    "mapped",
    "Translation level 1 stage 1",
    "Translation level 2 stage 1",
    "AccessFlag level 1 stage 1",
    "AccessFlag level 2 stage 1",
    "Permission level 1 stage 1",
    "Permission level 2 stage 1",
];

/// Outcomes of stage 2 alone.
const STAGE_2: &[&str] = &[
    "mapped",
    "Translation level 0 stage 2",
    "Translation level 2 stage 2",
    "Translation level 3 stage 2",
    "AccessFlag level 2 stage 2",
    "AccessFlag level 3 stage 2",
    "Permission level 2 stage 2",
    "Permission level 3 stage 2",
    "External level 2 stage ?",
    "External level 3 stage ?",
];

/// Outcomes of both stages.
const NESTED: &[&str] = &[
    "mapped",
    "Translation level 2 stage 1",
    "Translation level 3 stage 2",
    "AccessFlag level 2 stage 1",
    "AccessFlag level 3 stage 2",
    "Permission level 2 stage 1",
    "Permission level 3 stage 2",
    "External level 2 stage ?",
];

const LONG_STAGE_2: Option<Stage2> = Some(Stage2::Long);

#[test]
fn armv7_long() {
    let alone = (Shape::v7(Some(Stage1::Long), None), LONG);
    let nested = (Shape::v7(Some(Stage1::Long), LONG_STAGE_2), NESTED);
    armv7().check(&[alone, nested]).unwrap();
}

#[test]
fn armv7_short() {
    let alone = (Shape::v7(Some(Stage1::Short), None), SHORT);
    let nested = (Shape::v7(Some(Stage1::Short), LONG_STAGE_2), NESTED);
    armv7().check(&[alone, nested]).unwrap();
}

#[test]
fn armv7_stage_2() {
    armv7()
        .check(&[(Shape::v7(None, LONG_STAGE_2), STAGE_2)])
        .unwrap();
}

#[test]
fn armv8_long() {
    let stage2 = Some(Stage2::AArch64(Granule::Size4K));
    let alone = (Shape::v8(Some(Stage1::Long), None), LONG);
    let nested = (Shape::v8(Some(Stage1::Long), stage2), NESTED);
    armv8().check(&[alone, nested]).unwrap();
}

#[test]
fn armv8_short() {
    let stage2 = Some(Stage2::AArch64(Granule::Size64K));
    let alone = (Shape::v8(Some(Stage1::Short), None), SHORT);
    let nested = (Shape::v8(Some(Stage1::Short), stage2), NESTED);
    armv8().check(&[alone, nested]).unwrap();
}

#[test]
fn big_endian_tables() {
    let short = Shape::v8(Some(Stage1::Short), None).with_big_endian();
    let long = Shape::v8(Some(Stage1::Long), None).with_big_endian();
    armv8().check_shares(2, &[(short, SHORT), (long, LONG)]).unwrap();
}
