// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::collections::BTreeSet;

use super::{cell_dir, seed};

/// Seeds are part of results: they must not change from version to version.
#[test]
fn a_boot_has_its_seed_by_run_cell_and_number_alone() {
    assert_eq!(
        seed(7, "few-smrs@debian:7.3.4,smp=2", 1),
        3_087_082_872_747_955_824
    );
    let mut seen = BTreeSet::new();
    for run in 0..5 {
        for cell in ["a", "b"] {
            for boot in 1..=50 {
                let seed = seed(run, cell, boot);
                assert!(i64::try_from(seed).is_ok() && seen.insert(seed));
            }
        }
    }
}

#[test]
fn directories_of_cells_are_plain_names() {
    assert_eq!(
        cell_dir(0, "few-smrs@debian:7.3.4,smp=2"),
        "0001-few-smrs@debian_7.3.4,smp=2"
    );
    assert_eq!(cell_dir(9999, "../../etc/\u{1b}ü"), "10000-.._.._etc___");
    assert!(cell_dir(0, &"x".repeat(1000)).len() < 110);
}
