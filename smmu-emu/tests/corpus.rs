// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The fuzz targets without a fuzzer: the inputs in `smmu-emu/fuzz/seeds`, and random ones.

#[path = "../fuzz/src/lib.rs"]
mod harness;

use std::fs;
use std::path::Path;

use proptest::prelude::*;

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
