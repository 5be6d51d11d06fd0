// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

fn offered_of(all: &[(&str, &str, bool)]) -> Vec<Offered> {
    all.iter()
        .map(|(release, version, complete)| Offered {
            release: (*release).to_owned(),
            version: (*version).to_owned(),
            suite: "suite".to_owned(),
            complete: *complete,
        })
        .collect()
}

fn archive() -> Vec<Offered> {
    offered_of(&[
        ("6.1.0-47-arm64", "6.1.170-3", true),
        ("6.1.0-50-arm64", "6.1.176-1", true),
        ("6.12.90+deb12-arm64", "6.12.90-1~bpo12+1", true),
        ("6.12.90+deb12.1-arm64", "6.12.90-2~bpo12+1", true),
        ("6.19.13+deb13-arm64", "6.19.13-1~bpo13+1", false),
        ("6.19.14+deb13-arm64", "6.19.14-1~bpo13+1", false),
        ("7.0.0+deb13-arm64-16k", "7.0.0-1~bpo13+1", false),
        ("7.0.1+deb13-arm64", "7.0.1-1~bpo13+1", true),
        ("7.0.10+deb13-arm64", "7.0.10-1~bpo13+1", true),
        ("7.0.10+deb13-arm64-16k", "7.0.10-1~bpo13+1", true),
        ("7.0.10+deb13-cloud-arm64", "7.0.10-1~bpo13+1", true),
        ("7.0.10+deb13-rt-arm64", "7.0.10-1~bpo13+1", true),
        ("7.3.4+deb13-arm64", "7.3.4-1~bpo13+1", true),
    ])
}

#[test]
fn a_release_or_the_only_one_that_begins_so() {
    let archive = archive();
    let picked = |wanted: &str| pick(wanted, &archive).map(|one| one.release.as_str());
    for (wanted, release) in [
        ("7.0.10", "7.0.10+deb13-arm64"),
        ("7.0.1", "7.0.1+deb13-arm64"),
        ("7.0.10+deb13", "7.0.10+deb13-arm64"),
        ("7.0.10+deb13-arm64", "7.0.10+deb13-arm64"),
        ("7.0.10-16k", "7.0.10+deb13-arm64-16k"),
        ("7.0.10-arm64-16k", "7.0.10+deb13-arm64-16k"),
        ("7.0.10+deb13-arm64-16k", "7.0.10+deb13-arm64-16k"),
        ("7.0.10-cloud", "7.0.10+deb13-cloud-arm64"),
        ("7.0-rt", "7.0.10+deb13-rt-arm64"),
        // The other one cannot be had.
        ("7.0-16k", "7.0.10+deb13-arm64-16k"),
        ("7.3", "7.3.4+deb13-arm64"),
        ("6.1.176", "6.1.0-50-arm64"),
        ("6.1.0-47", "6.1.0-47-arm64"),
        ("6.12.90+deb12", "6.12.90+deb12-arm64"),
        ("6.12.90+deb12.1", "6.12.90+deb12.1-arm64"),
        ("6.12.90-2", "6.12.90+deb12.1-arm64"),
    ] {
        assert_eq!(picked(wanted), Ok(release), "{wanted}");
    }
}

#[test]
fn what_is_not_one_kernel_names_those_that_there_are() {
    let archive = archive();
    let told = |wanted: &str| pick(wanted, &archive).unwrap_err().to_string();
    let report = [
        "7.0", "6.1", "6.12.90", "6.19.14", "6.19", "5.4", "7.0.2", "7.3-rt", "", "linux",
    ]
    .map(told);
    insta::assert_snapshot!(report.join("\n"));
}

/// Of many, the newest are named.
#[test]
fn a_long_list_is_cut() {
    let many: Vec<(String, String)> = (0..60)
        .map(|n| (format!("7.0.{n}+x-arm64"), format!("7.0.{n}-1")))
        .collect();
    let many: Vec<(&str, &str, bool)> = many.iter().map(|(r, v)| (r.as_str(), v.as_str(), true)).collect();
    let error = pick("5.4", &offered_of(&many)).unwrap_err().to_string();
    assert!(
        error.contains("7.0.59") && !error.contains("7.0.19+") && error.contains(" and 20 older ones"),
        "{error}"
    );
}

#[test]
fn releases_in_their_order() {
    let mut releases = vec![
        "7.0.10+deb13-arm64",
        "7.0.9+deb13-arm64",
        "6.1.0-50-arm64",
        "6.1.0-6-arm64",
        "6.12.90+deb12.1-arm64",
        "6.12.90+deb12-arm64",
    ];
    releases.sort_by_key(|release| version_key(release));
    assert_eq!(
        releases,
        [
            "6.1.0-6-arm64",
            "6.1.0-50-arm64",
            "6.12.90+deb12-arm64",
            "6.12.90+deb12.1-arm64",
            "7.0.9+deb13-arm64",
            "7.0.10+deb13-arm64"
        ]
    );
    assert_eq!(version_key("11.1.3"), [11, 1, 3]);
}

#[test]
fn metapackages_are_no_kernels() {
    for release in [
        "arm64",
        "rt-arm64",
        "arm64-16k",
        "7.0.10",
        "7.0.10+x-amd64",
        "arm64-dbg",
        "7.0.10+x-arm64-dbg",
    ] {
        assert_eq!(Name::of(release), None, "{release}");
    }
    let name = Name::of("7.0.10+x-cloud-arm64").unwrap();
    assert_eq!((name.base, name.flavour), ("7.0.10+x", "cloud-arm64"));
}

#[test]
fn the_warning_came_with_6_15() {
    for (release, knows) in [
        ("5.10.0-32-arm64", Some(false)),
        ("6.12.117+deb13-arm64", Some(false)),
        ("6.14.0-rc7", Some(false)),
        ("6.15.0", Some(true)),
        ("6.16.3+deb13-arm64", Some(true)),
        ("7.0.10+deb13-arm64", Some(true)),
        ("unknown", None),
        ("6", None),
    ] {
        assert_eq!(knows_late_probe(release), knows, "{release}");
    }
}
