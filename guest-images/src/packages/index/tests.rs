// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::*;

fn stanza(name: &str, version: &str, fields: &str) -> String {
    format!("Package: {name}\nVersion: {version}\nArchitecture: all\nSize: 1\nFilename: pool/x\n{fields}\n")
}

fn index(suites: &[&[String]]) -> Index {
    let mut index = Index::default();
    for (number, stanzas) in suites.iter().enumerate() {
        index
            .add_suite(&format!("s{number}"), &stanzas.join("\n"))
            .unwrap();
    }
    index
}

fn names(packages: Result<Vec<Package>, String>) -> Vec<String> {
    packages
        .unwrap()
        .into_iter()
        .map(|p| format!("{} {} {}", p.package, p.version, p.suite))
        .collect()
}

#[test]
fn dependency_fields() {
    let one = |name: &str, version: Option<&str>| (name.to_owned(), version.map(str::to_owned));
    assert_eq!(
        dependencies("a, b (>= 1:2~) | c:any (= 3-1) [amd64 !arm64], d (<< 5) <!nocheck>,, e"),
        vec![
            vec![one("a", None)],
            vec![one("b", None), one("c", Some("3-1"))],
            vec![one("d", None)],
            vec![one("e", None)],
        ]
    );
    assert_eq!(dependencies(""), Vec::<Dependency>::new());
}

#[test]
fn cycles_and_alternatives_and_virtual_packages() {
    let index = index(&[&[
        stanza("top", "1", "Depends: gone | a, virtual"),
        stanza("a", "1", "Pre-Depends: b\nDepends: top"),
        stanza("b", "1", "Depends: a"),
        stanza("real", "1", "Provides: other, virtual (= 2)"),
    ]]);
    assert_eq!(
        names(index.closure("top", &[])),
        ["a 1 s0", "b 1 s0", "real 1 s0", "top 1 s0"]
    );
}

#[test]
fn the_start_is_new_and_libraries_are_stable() {
    let old = [
        stanza("top", "1", ""),
        stanza("lib", "1", ""),
        stanza("part", "1", ""),
    ];
    let new = [
        stanza("top", "2", "Depends: lib (>= 1), part (= 2)"),
        stanza("lib", "2", ""),
        stanza("part", "2", ""),
    ];
    let index = index(&[&old, &new]);
    assert_eq!(
        names(index.closure("top", &[])),
        ["lib 1 s0", "part 2 s1", "top 2 s1"]
    );
    assert_eq!(
        names(index.closure("top", &["lib".into()])),
        ["part 2 s1", "top 2 s1"]
    );
}

#[test]
fn entries_without_a_size_are_passed_over() {
    let index = index(&[&["Package: a\nVersion: 1\n".to_owned(), stanza("b", "1", "")]]);
    assert!(index.latest("a").is_none() && index.latest("b").is_some());
}

proptest! {
    #[test]
    fn any_text_is_survived(text in ".{0,200}", fields in "[a-zA-Z:, \n(=)|]{0,200}") {
        let mut index = Index::default();
        drop(index.add_suite("s", &text));
        drop(index.add_suite("s", &stanza("a", "1", &format!("Depends: {}", fields.replace('\n', " ")))));
        drop(index.closure("a", &[]));
        drop(dependencies(&fields));
    }
}
