// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

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
