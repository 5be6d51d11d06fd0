// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The register table of `docs/pl330.md` is written from the code, and each test that the section PL330 of
//! `docs/deviations.md` names exists. `UPDATE_DOCS=1 cargo test -p vfio-server --test pl330_documentation` renews the
//! table.

use std::fs;
use std::path::{Path, PathBuf};

use smmu_emu::regs::AccessRule;
use vfio_server::devices::pl330::spec::{ROWS, Row};

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn line(row: &Row) -> String {
    let access = match row.access {
        AccessRule::Ro => "RO",
        AccessRule::Rw => "RW",
        AccessRule::Wo => "WO",
        AccessRule::W1c | AccessRule::W1s | AccessRule::Raz => unreachable!("the controller has none"),
    };
    let array = match row.count {
        1 => String::new(),
        count => format!(" + {:#x}n, n < {count}", row.stride),
    };
    let write = match row.write {
        0 => String::from("–"),
        write => format!("`{write:08x}`"),
    };
    let Row {
        offset, name, doc, ..
    } = row;
    format!("| `{offset:03x}`{array} | {name} | {access} | {write} | {doc} |\n")
}

#[test]
fn the_register_table_is_current() {
    let path = package().join("../docs/pl330.md");
    let text = fs::read_to_string(&path).expect("docs/pl330.md");
    let head = text.split("\n| offset |").next().unwrap_or_default();
    let mut expected =
        format!("{head}\n| offset | name | access | writable | |\n| --- | --- | --- | --- | --- |\n");
    expected.extend(ROWS.iter().map(line));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).expect("docs/pl330.md can be written");
    }
    assert!(
        fs::read_to_string(&path).expect("docs/pl330.md") == expected,
        "docs/pl330.md is out of date: UPDATE_DOCS=1 cargo test -p vfio-server --test pl330_documentation"
    );
}

/// Path of the tests of a module.
fn file(module: &str) -> PathBuf {
    package()
        .join("src/devices/pl330")
        .join(module.replace("::", "/"))
        .with_extension("rs")
}

#[test]
fn every_deviation_names_a_test_that_exists() {
    let deviations = fs::read_to_string(package().join("../docs/deviations.md")).expect("docs/deviations.md");
    let section = deviations
        .split("\n## ")
        .find(|section| section.starts_with("PL330\n"));
    let rows = section
        .expect("a section PL330")
        .lines()
        .filter_map(|row| row.strip_suffix(" |"));
    let mut named = 0;
    for row in rows {
        let cell = row.rsplit("| ").next().unwrap_or_default();
        let Some(test) = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')) else {
            assert!(["test", "---", "same"].contains(&cell), "no test in: {row}");
            continue;
        };
        let (module, name) = test.rsplit_once("::").expect("module::name");
        let source = fs::read_to_string(file(module)).expect("a file of tests");
        assert!(source.contains(&format!("fn {name}(")), "no such test: {test}");
        named += 1;
    }
    assert!(named > 20, "the tables have another form");
}
