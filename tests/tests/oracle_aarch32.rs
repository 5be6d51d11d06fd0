// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! AArch32 table walks of the model, compared with those of QEMU's CPUs: ARMv7 by its CP15 operations, and the EL1 of an
//! ARMv8 CPU in AArch32.

use integration_tests::oracle::shape::{Granule, Shape, Stage1, Stage2};
use integration_tests::oracle::{Oracle, guest32, guest64};

fn armv7() -> Oracle {
    Oracle::start("cortex-a15", &guest32::code(), 40).unwrap()
}

fn armv8() -> Oracle {
    let code = guest64::code().unwrap();
    Oracle::start("cortex-a57", &code, 44).unwrap()
}

#[test]
fn armv7_long() {
    let mut oracle = armv7();
    for stage2 in [None, Some(Stage2::Long)] {
        let shape = Shape::v7(Some(Stage1::Long), stage2);
        oracle.compare(shape).unwrap().check(&["mapped"]);
    }
}

#[test]
fn armv7_short() {
    let mut oracle = armv7();
    for stage2 in [None, Some(Stage2::Long)] {
        let shape = Shape::v7(Some(Stage1::Short), stage2);
        oracle.compare(shape).unwrap().check(&["mapped"]);
    }
}

#[test]
fn armv7_stage_2() {
    let shape = Shape::v7(None, Some(Stage2::Long));
    armv7().compare(shape).unwrap().check(&["mapped"]);
}

#[test]
fn armv8_long() {
    let mut oracle = armv8();
    for stage2 in [None, Some(Stage2::AArch64(Granule::Size4K))] {
        let shape = Shape::v8(Some(Stage1::Long), stage2);
        oracle.compare(shape).unwrap().check(&["mapped"]);
    }
}

#[test]
fn armv8_short() {
    let mut oracle = armv8();
    for stage2 in [None, Some(Stage2::AArch64(Granule::Size64K))] {
        let shape = Shape::v8(Some(Stage1::Short), stage2);
        oracle.compare(shape).unwrap().check(&["mapped"]);
    }
}
