// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! AArch64 table walks of the model, compared with those of QEMU's CPU.

use integration_tests::oracle::shape::{Granule, Shape, Stage1, Stage2};
use integration_tests::oracle::{Oracle, guest64};

/// A CPU with all granules and 48 address bits, and without the extensions of the formats: 52-bit addresses, small
/// tables, block sizes by hint.
const CPU: &str = "neoverse-n1";

fn oracle() -> Oracle {
    let code = guest64::code().unwrap();
    Oracle::start(CPU, &code, 48).unwrap()
}

#[test]
fn stage_1() {
    let mut oracle = oracle();
    for granule in Granule::ALL {
        let shape = Shape::v8(Some(Stage1::AArch64(granule)), None);
        oracle.compare(shape).unwrap().check(&["mapped"]);
    }
}

#[test]
fn stage_2() {
    let mut oracle = oracle();
    for granule in Granule::ALL {
        let shape = Shape::v8(None, Some(Stage2::AArch64(granule)));
        oracle.compare(shape).unwrap().check(&["mapped"]);
    }
}

#[test]
fn nested() {
    let mut oracle = oracle();
    for granule in Granule::ALL {
        for stage1 in Granule::ALL {
            let shape = Shape::v8(Some(Stage1::AArch64(stage1)), Some(Stage2::AArch64(granule)));
            oracle.compare(shape).unwrap().check(&["mapped"]);
        }
    }
}
