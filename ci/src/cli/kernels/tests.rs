// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;
use crate::recipe::{DEFAULT, shipped};

fn offered(release: &str, complete: bool) -> Offered {
    Offered {
        release: release.to_owned(),
        version: "1".to_owned(),
        suite: "trixie-backports".to_owned(),
        complete,
    }
}

#[test]
fn a_row_for_each_version_and_a_column_for_each_flavour() {
    let mut rows = Rows::new();
    let locked = row(&mut rows, "7.3.4+deb13-arm64").unwrap();
    locked.0.states.insert(locked.1, "lock, cached");
    add_offered(
        &mut rows,
        &[
            offered("7.3.4+deb13-arm64", true),
            offered("7.3.4+deb13-rt-arm64", true),
            offered("6.12.117+deb13-arm64", true),
            offered("6.19.14+deb13-arm64", false),
            offered("6.19.14+deb13-arm64-16k", true),
            offered("6.19.14+deb13-cloud-arm64", true),
        ],
    );
    insta::assert_snapshot!(table(&rows));
    assert!(table(&Rows::new()).ends_with("\nnone\n"));
}

/// Only recipes that want to see the warning are refused, and only on kernels that do not have it.
#[test]
fn a_kernel_that_cannot_print_it_is_told_before_the_boot() {
    let recipe = |name: &str| shipped(name).unwrap().recipe().unwrap();
    let old = "6.12.117+deb13-arm64";
    insta::assert_snapshot!(cannot_print(&recipe(DEFAULT), old).unwrap());
    for (name, release) in [
        (DEFAULT, "6.16.3+deb13-arm64"),
        (DEFAULT, "unknown"),
        ("disk", old),
        ("boot", old),
        ("attach-lock-control", old),
    ] {
        assert_eq!(cannot_print(&recipe(name), release), None, "{name} on {release}");
    }
}
