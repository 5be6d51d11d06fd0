// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The fuzz targets without a fuzzer: the inputs in `smmu-emu/fuzz/seeds`, and random ones.

#[path = "../fuzz/src/lib.rs"]
mod harness;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::Allowed;
use proptest::prelude::*;
use smmu_emu::Site;
use smmu_emu::plan::KINDS;

/// Runs every input of a target.
fn replay(target: &str, run: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let mut count = 0;
    for seed in fs::read_dir(seeds).expect("the seeds are part of the project") {
        let path = seed.expect("a readable directory").path();
        // Shown if the input fails.
        println!("{}", path.display());
        run(&fs::read(path).expect("a readable file"));
        count += 1;
    }
    assert!(count > 0, "no seeds");
}

#[test]
fn mmio_sequence() {
    replay("mmio_sequence", harness::mmio_sequence::run);
}

#[test]
fn walk() {
    replay("walk", harness::walk::run);
}

/// Behaviours 44 to 46.
#[test]
fn differential() {
    replay("differential", harness::differential::run);
}

/// Behaviours 44 to 46, for every format and kind of bank.
#[test]
fn formats() {
    replay("formats", harness::formats::run);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mmio_sequence_of_random_bytes(data in proptest::collection::vec(any::<u8>(), 0..2000)) {
        harness::mmio_sequence::run(&data);
    }

    #[test]
    fn walk_of_random_bytes(data in proptest::collection::vec(any::<u8>(), 0..800)) {
        harness::walk::run(&data);
    }

    /// Behaviours 44 to 46.
    #[test]
    fn differential_of_random_bytes(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        harness::differential::run(&data);
    }

    /// Behaviours 44 to 46.
    #[test]
    fn formats_of_random_bytes(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        harness::formats::run(&data);
    }
}

/// A target and how many random inputs it gets.
type Target = (&'static str, fn(&[u8]), u64);

const TARGETS: [Target; 4] = [
    ("mmio_sequence", harness::mmio_sequence::run, 600),
    ("walk", harness::walk::run, 300),
    ("differential", harness::differential::run, 50),
    ("formats", harness::formats::run, 40),
];

/// An input of random bytes with rules, by its number.
fn random_input(number: u64) -> Vec<u8> {
    let mut state = number;
    let mut next = || {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    };
    let length = usize::try_from(next() % 1500).expect("short");
    let mut bytes: Vec<u8> = (0..length)
        .flat_map(|_| next().to_le_bytes())
        .take(length)
        .collect();
    if let Some(first) = bytes.first_mut() {
        *first |= 0x80;
    }
    bytes
}

/// Names the input that fails.
struct Running(&'static str, u64);

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: input {} (random_input)", self.0, self.1);
        }
    }
}

/// Every kind of rule and every delay hits in the targets, and the table says how often. `FUZZ_SECONDS=300 cargo test
/// --release -p smmu-emu --test corpus every_rule -- --nocapture` is the long run: as many inputs for each target as
/// there is time for, from the number in `FUZZ_FIRST` on. With `FUZZ_CORPUS` the inputs are what a fuzzer has learnt
/// instead (`smmu-emu/fuzz/corpus`).
#[test]
fn every_rule_hits_in_the_targets() {
    let number = |name| {
        let text = std::env::var(name).ok();
        text.map(|text| text.parse::<u64>().expect(name))
    };
    let seconds = number("FUZZ_SECONDS").map(Duration::from_secs);
    let first = number("FUZZ_FIRST").unwrap_or(0);
    let corpus = std::env::var_os("FUZZ_CORPUS").is_some();
    // Some rules cannot hit in some targets: no target has every operation.
    let mut missing: BTreeSet<&str> = names().collect();
    let mut rows = Vec::new();
    for (target, run, count) in TARGETS {
        let began = Instant::now();
        let mut inputs = 0;
        if corpus {
            inputs = learnt(target, run);
        }
        while !corpus && seconds.map_or(inputs < count, |limit| began.elapsed() < limit) {
            let running = Running(target, first + inputs);
            run(&random_input(running.1));
            inputs += 1;
        }
        let hits = harness::coverage::hits();
        let hits = names().map(|name| hits.get(&(target, name)).copied().unwrap_or(0));
        let hits: Vec<u64> = hits.collect();
        for (name, _) in names().zip(&hits).filter(|(_, hits)| **hits > 0) {
            missing.remove(name);
        }
        rows.push((target, inputs, hits));
    }
    println!("{}", table(&rows));
    assert!(
        corpus || missing.is_empty(),
        "no rule of these kinds hit: {missing:?}"
    );
    let compared = harness::coverage::compared();
    for target in ["differential", "formats"] {
        for allowed in [Allowed::OfAnyTlb, Allowed::OfEqualTlbs] {
            let (steps, hits) = compared.get(&(target, allowed)).copied().unwrap_or_default();
            println!("{target}, {allowed:?}: {steps} steps compared, {hits} hits");
            assert!(steps > 0 && hits > 0, "{target}, {allowed:?}");
        }
    }
}

/// Kinds of rules, and sites of delays.
fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|row| row.name).chain(Site::ALL.map(Site::name))
}

/// Runs what a fuzzer has learnt of a target; the number of inputs.
fn learnt(target: &str, run: fn(&[u8])) -> u64 {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let files = fs::read_dir(corpus.join(target)).into_iter().flatten();
    let mut count = 0;
    for file in files {
        let path = file.expect("a readable directory").path();
        run(&fs::read(path).expect("a readable file"));
        count += 1;
    }
    count
}

/// Hits by name, a column for each target.
fn table(rows: &[(&str, u64, Vec<u64>)]) -> String {
    let line = |name: &str, cells: Vec<String>| format!("| {name} | {} |\n", cells.join(" | "));
    let mut text = line(
        "rule",
        rows.iter().map(|(target, ..)| format!("`{target}`")).collect(),
    );
    text += &line("---", vec!["--:".into(); rows.len()]);
    text += &line(
        "inputs",
        rows.iter().map(|(_, inputs, _)| inputs.to_string()).collect(),
    );
    for (n, name) in names().enumerate() {
        text += &line(name, rows.iter().map(|(.., hits)| hits[n].to_string()).collect());
    }
    text
}
