// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `docs/faults.md` is written from the table in `src/arch/fault.rs`.
//! `UPDATE_DOCS=1 cargo test -p smmu-emu --test fault_documentation` renews it.

use std::path::Path;

const SOURCE: &str = include_str!("../src/arch/fault.rs");
const TESTS: [&str; 4] = [
    include_str!("behaviour/ats.rs"),
    include_str!("behaviour/faults.rs"),
    include_str!("behaviour/stalls.rs"),
    include_str!("behaviour/streams.rs"),
];
/// Test of each fault, the last column of the document.
const TEST_OF: [(&str, &str); 11] = [
    ("GlobalCause::UnidentifiedStream", "vector_2_unidentified_stream"),
    (
        "GlobalCause::StreamMatchConflict",
        "vector_1_conflict_then_another_fault",
    ),
    (
        "GlobalCause::UnimplementedBank",
        "bank_validity_is_checked_in_order",
    ),
    ("GlobalCause::InvalidContext", "unusable_banks_show_as_nested"),
    (
        "ContextCause::Translation",
        "vector_3_translation_fault_in_a_bank",
    ),
    ("ContextCause::AddressSize", "output_size"),
    ("ContextCause::AccessFlag", "access_flag"),
    ("ContextCause::Permission", "permissions"),
    (
        "ContextCause::ExternalOnWalk",
        "walks_that_memory_does_not_answer",
    ),
    ("Fault::Blocked", "a_recorded_fault_blocks_the_bank"),
    ("Fault::Waiting", "clear_then_retry"),
];
const HEAD: &str = "# Faults

Written from the table in `smmu-emu/src/arch/fault.rs` by a test (`smmu-emu/tests/fault_documentation.rs`); do not edit.

Global faults are recorded in sGFSR, sGFAR, sGFSYNR0 and sGFSYNR1, with the access as it arrived; context faults in \
the bank's
FSR, FAR, FSYNR0 and CBFRSYNRA, after S2CR's overrides. A fault of stage 2 of a nested translation is recorded in the \
stage 2
bank, with FSYNR0.NESTED, S1CBNDX, S1PTWF and IPAFAR. The end of a stall stands in `smmu-emu/src/device/bank_state.rs`.

";

fn table() -> impl Iterator<Item = &'static str> {
    SOURCE
        .lines()
        .filter_map(|line| line.strip_prefix("//! "))
        .filter(|line| line.starts_with('|'))
}

/// Test of the fault of a row.
fn test_of(row: &str) -> &'static str {
    let of_row = |fault: &str| row.starts_with(&format!("| [`{fault}`] |"));
    let found = TEST_OF.iter().find(|(fault, _)| of_row(fault));
    found.unwrap_or_else(|| panic!("no test for {row}")).1
}

#[test]
fn fault_documentation_is_current() {
    let mut text = String::from(HEAD);
    for (number, line) in table().enumerate() {
        let test = match number {
            0 => String::from("test"),
            1 => String::from("---"),
            _ => format!("`{}`", test_of(line)),
        };
        let line = line.replace("[`", "`").replace("`]", "`");
        for part in [line.as_str(), " ", test.as_str(), " |\n"] {
            text.push_str(part);
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/faults.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).expect("docs/faults.md can be written");
    }
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        file == text,
        "docs/faults.md is out of date: UPDATE_DOCS=1 cargo test -p smmu-emu --test fault_documentation"
    );
}

/// Every variant of the enums has a row, and every row a test that exists.
#[test]
fn every_fault_has_a_row_and_a_test() {
    for (name, wrappers) in [
        ("GlobalCause", &[][..]),
        ("ContextCause", &[]),
        ("Fault", &["Global", "Context"]),
    ] {
        let (_, rest) = SOURCE
            .split_once(&format!("pub enum {name} {{\n"))
            .expect("the enum");
        let (body, _) = rest.split_once("\n}\n").expect("its end");
        let mut variants = body.lines().filter_map(|line| {
            let line = line.strip_prefix("    ")?;
            let end = line.find(|c: char| !c.is_alphanumeric())?;
            line.starts_with(char::is_uppercase).then(|| &line[..end])
        });
        assert!(variants.clone().count() > 1, "{name} has variants");
        if let Some(missing) = variants.find(|variant| {
            let row = format!("| [`{name}::{variant}`] |");
            !wrappers.contains(variant) && !table().any(|line| line.starts_with(&row))
        }) {
            panic!("{name}::{missing} has no row");
        }
    }
    for row in table().skip(2) {
        let test = test_of(row);
        let function = format!("\nfn {test}() {{");
        assert!(
            TESTS.iter().any(|tests| tests.contains(&function)),
            "{test} of {row}"
        );
    }
}
