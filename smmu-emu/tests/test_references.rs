// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Agreement of the documents with the tests: `docs/behaviours.md` is written from the tests' comments (renewed by
//! `UPDATE_DOCS=1 cargo test -p smmu-emu --test test_references`), and each test that `docs/deviations.md` names
//! exists.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Behaviours that are easy to get wrong, by number from 1.
const BEHAVIOURS: [&str; 64] = [
    "probing an SMR's ID and MASK: implemented bits keep what is written, others read zero, VALID or not",
    "SMR bit 31 is VALID and no mask bit unless extended IDs are on",
    "EXIDENABLE gives the same stored words another meaning; S2CR may be written before SMR",
    "no reset value of SMR or S2CR is relied on, and groups that are live at reset stay",
    "S2CR type 3 faults as type 2 does; the bank number counts only in a translating group",
    "registers with several formats keep fields that their present type does not use",
    "CLIENTPD resets to 1, and nothing faults under it",
    "sCR0.SMCFCFG exists, and is fixed on MMU-500",
    "an unmatched stream faults or bypasses by USFCFG",
    "several matches fault or bypass by SMCFCFG",
    "checks of a bank's validity come in the architected order",
    "Nested is 1 also for type faults of a bank that nests nothing",
    "bank pages without a bank read zero and ignore writes, without a fault",
    "size of the register space and strides follow NUMPAGENDXB and PAGESIZE",
    "stage 2 banks are the lowest, and not more than there are banks",
    "with 49 bits upstream and SEP, bit 48 selects TTBR1",
    "ATOSNS is inverted: 1 takes the address translation operations away",
    "PTFS says which AArch32 formats exist",
    "CTTW says what the configuration does",
    "one interrupt per bank",
    "write-only registers read zero",
    "FSR is cleared by ones, except SS and FORMAT",
    "FORMAT follows the bank, is read-only and is no fault",
    "MULTI only under HUPCF; a second fault overwrites nothing",
    "a recorded fault without HUPCF ends what would have been translated",
    "a stall holds later transactions, or lets them pass under HUPCF",
    "CFCFG counts at the moment of the fault",
    "RESUME retries from the bank's start or terminates, and clears SS alone",
    "clearing FSR before or after RESUME decides what becomes of the retry",
    "the context interrupt is a level, computed anew at each cause",
    "so is the global interrupt; a configuration access fault has its own enable",
    "sGFSR records one fault; a second sets MULTI alone",
    "sGFSYNR0 and FSYNR0 have different layouts; global records are raw, context records after overrides",
    "PLVL is the level of the failing descriptor",
    "PTWF only for external aborts of a walk; S1PTWF is another bit",
    "FAR is the unmodified address; IPAFAR and NESTED tell of a nested fault of stage 2",
    "CFRE = 0 completes as RAZ/WI, CFRE = 1 aborts",
    "writing 0 to FSR does nothing",
    "64-bit registers take halves in either order",
    "the low half triggers an operation, the upper half does not; AArch32 banks see the low half",
    "bytes and halfwords change nothing",
    "VMID16EN takes the VMID from CBA2R",
    "a sync reads idle only when no stale entry can be used, and is started by any value",
    "TLB entries are tagged by VMID and ASID, not by bank; global entries have no ASID",
    "what each maintenance operation has to drop, and what may be kept at all",
    "no configuration is kept; maintenance works in a bank that is off",
    "a write of CBAR or SCTLR.M = 0 strands no stalled transaction",
    "T0SZ of AArch32: three bits in stage 1, signed four bits in stage 2",
    "TG0 and TG1 have different encodings; reserved ones do not panic",
    "A1 selects the ASID's TTBR; AS its width",
    "stage 2 start levels and concatenated tables",
    "AF, AFFD and AP[0] as the access flag; contiguous hints are ignored",
    "input and output checks of a bank with translation off",
    "memory types of both stages combine; CBAR has those of a bypassed stage 2",
    "PAR of a success and of a failure",
    "an operation whose stage 2 stalls stays active until RESUME",
    "sACR.CACHE_LOCK guards ACTLR; bits 8 and 10 stick",
    "all groups match up to the last one, 127 or Qualcomm's 243, and nothing is behind them",
    "after power loss nothing is retained; meanwhile the registers are not there",
    "STALLD makes faults terminate; CFCFG keeps its value",
    "a matched stream of type fault is an ICF, not a USF",
    "bypass truncates to the output size and touches no context register",
    "SCTLR.E makes table walks big-endian",
    "S2CR keeps fault and bypass as they were written",
];

/// A test, and the behaviours that its comments name.
struct Test {
    path: String,
    behaviours: BTreeSet<usize>,
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder of the package")
        .map(|entry| entry.expect("a directory entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("test_references.rs") {
            found.push(path);
        }
    }
}

/// `vfio_server::function::tests` for `../vfio-server/src/function/tests.rs`, `translate::walk::tests::long` for
/// `src/translate/walk/tests/long.rs`, `stalls` for `tests/behaviour/stalls.rs`.
fn module(path: &Path) -> String {
    let path = path.strip_prefix(package()).expect("a file of the package");
    let text = path.with_extension("").to_string_lossy().replace('/', "::");
    let text = text.replace("..::vfio-server::src", "vfio_server");
    ["src::", "tests::behaviour::", "tests::"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(&text)
        .trim_end_matches("::mod")
        .to_owned()
}

/// The numbers behind each "Behaviour" of a comment: `11 (b) and 12`, `15, 17`, `44 to 46`.
fn numbers(comment: &str) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for text in comment.split("Behaviour").skip(1) {
        let mut range = false;
        let mut last = 0;
        for word in text.trim_start_matches('s').split_whitespace() {
            let number: Option<usize> = word.trim_end_matches([',', '.', ':', ';']).parse().ok();
            match number {
                Some(n) => {
                    found.extend(if range { last..=n } else { n..=n });
                    (range, last) = (false, n);
                    if word.ends_with(['.', ':', ';']) {
                        break;
                    }
                }
                None if word == "to" => range = true,
                None if word == "and" || word.starts_with('(') => {}
                None => break,
            }
        }
    }
    found
}

fn tests() -> Vec<Test> {
    let mut files = Vec::new();
    sources(&package().join("src"), &mut files);
    sources(&package().join("tests"), &mut files);
    sources(&package().join("../vfio-server/src"), &mut files);
    let mut tests: Vec<Test> = Vec::new();
    for file in files {
        let module = module(&file);
        let (mut pending, mut marked, mut inside) = (BTreeSet::new(), false, false);
        for line in fs::read_to_string(&file).expect("a source file").lines() {
            let line = line.trim();
            if let Some(doc) = line.strip_prefix("///") {
                pending.append(&mut numbers(doc));
            } else if line == "#[test]" {
                marked = true;
            } else if let Some(name) = line.strip_prefix("fn ").or(line.strip_prefix("pub fn ")) {
                let name = name.split(['(', '<']).next().unwrap_or(name);
                inside = marked;
                if marked {
                    tests.push(Test {
                        path: format!("{module}::{name}"),
                        behaviours: std::mem::take(&mut pending),
                    });
                }
                pending.clear();
                marked = false;
            } else if let (Some((_, comment)), true, Some(test)) =
                (line.split_once("// "), inside, tests.last_mut())
            {
                test.behaviours.append(&mut numbers(comment));
            }
        }
    }
    tests
}

#[test]
fn every_behaviour_has_a_test() {
    let tests = tests();
    let deviations = fs::read_to_string(package().join("../docs/deviations.md")).expect("docs/deviations.md");
    let mut text = String::from(
        "# Behaviours\n\n\
         Behaviours of an SMMUv2 that are easy to get wrong, and the tests that name them, of \
         `smmu-emu` unless they say \
         otherwise. Written by `smmu-emu/tests/test_references.rs`; do not edit.\n\n\
         | | what | tests |\n| --- | --- | --- |\n",
    );
    let mut missing = Vec::new();
    for (number, what) in (1..).zip(BEHAVIOURS) {
        let named: Vec<String> = tests
            .iter()
            .filter(|test| test.behaviours.contains(&number))
            .map(|test| format!("`{}`", test.path))
            .collect();
        if named.is_empty() && !deviations.contains(&format!("behaviour {number})")) {
            missing.push(number);
        }
        writeln!(text, "| {number} | {what} | {} |", named.join(", ")).expect("a string takes all");
    }
    assert!(missing.is_empty(), "no test names {missing:?}");
    let path = package().join("../docs/behaviours.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &text).expect("docs/behaviours.md can be written");
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == text,
        "docs/behaviours.md is out of date: UPDATE_DOCS=1 cargo test -p smmu-emu --test test_references"
    );
}

#[test]
fn every_deviation_names_a_test_that_exists() {
    let tests = tests();
    let deviations = fs::read_to_string(package().join("../docs/deviations.md")).expect("docs/deviations.md");
    let section = deviations.split("\n## ").find(|s| s.starts_with("smmu-emu"));
    let mut wrong = Vec::new();
    let mut rows = 0;
    for row in section.expect("a section of smmu-emu").lines() {
        let Some(cell) = row.strip_suffix(" |").and_then(|r| r.rsplit("| ").next()) else {
            continue;
        };
        if !row.starts_with("| ") || row.starts_with("| what ") || cell.trim_matches(['-', ' ']).is_empty() {
            continue;
        }
        rows += 1;
        let names: Vec<&str> = cell
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| !name.contains('/'))
            .collect();
        let exists = |name: &&str| {
            let tail = format!("::{name}");
            tests
                .iter()
                .filter(|test| !test.path.starts_with("vfio_server::"))
                .any(|test| test.path == *name || !name.contains("::") && test.path.ends_with(&tail))
        };
        if names.is_empty() && cell != "same" || !names.iter().all(exists) {
            wrong.push(row);
        }
    }
    assert!(rows > 50, "the tables have another form");
    assert!(wrong.is_empty(), "no such test: {wrong:#?}");
}
