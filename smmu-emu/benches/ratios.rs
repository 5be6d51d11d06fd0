// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Ratios, which criterion does not measure: two things in turns, so that what else the machine does, and the clock of
//! a core that changes from second to second, meet both alike. `cargo bench -p smmu-emu --bench ratios`.
//!
//! Threads are pinned: the first to the first core that the process may use, the second to the last.

mod common;

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use common::{READS, at, at_page, machine, pin};
use smmu_emu::{Intent, Tbu, View};
use vm_memory::{Bytes, GuestAddress};

/// Runs of each read, and how long one takes at least.
const RUNS: usize = 400;
const RUN: Duration = Duration::from_micros(200);
/// Pairs of one thread and two, and how many hits a thread has.
const PAIRS: usize = 15;
const HITS: u32 = 5_000_000;

fn smallest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Nanoseconds of one operation, of `count`.
fn run(count: u32, operation: &mut impl FnMut()) -> f64 {
    let began = Instant::now();
    for _ in 0..count {
        operation();
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

fn compare(name: &str, mut plain: impl FnMut(), mut view: impl FnMut()) {
    let mut count = 1;
    while run(count, &mut plain) * f64::from(count) < RUN.as_secs_f64() * 1e9 && count < 1 << 20 {
        count *= 2;
    }
    let (plain, view): (Vec<_>, Vec<_>) = (0..RUNS)
        .map(|_| (run(count, &mut plain), run(count, &mut view)))
        .unzip();
    let ratios = plain.iter().zip(&view).map(|(plain, view)| view / plain);
    let of_medians = median(ratios.collect());
    println!(
        "{name:24} plain {:7.1} ns ({:7.1}), view {:7.1} ns ({:7.1}): ratio {:.2} (median of ratios {of_medians:.2})",
        smallest(&plain),
        median(plain.clone()),
        smallest(&view),
        median(view.clone()),
        smallest(&view) / smallest(&plain),
    );
}

/// Reads through a view against the same reads of plain guest memory: the shortest run of each, and the median.
fn views() {
    pin(false);
    let (smmu, host) = machine();
    let (memory, mut env) = (host.memory.0.clone(), host);
    let mut tbu = Tbu::new(&smmu);
    for (name, address, length) in READS {
        let (mut into, mut other) = (vec![0; length], vec![0; length]);
        let view = View::new(&mut tbu, &mut env, &memory, 0, Intent::default());
        let plain = GuestAddress(at_page(0) + address);
        compare(
            name,
            || {
                memory
                    .read_slice(black_box(&mut into), black_box(plain))
                    .expect("memory");
            },
            || {
                view.read_slice(black_box(&mut other), black_box(GuestAddress(address)))
                    .expect("mapped");
            },
        );
    }
}

/// Hits per second of as many threads, each with a unit of its own.
fn rate(threads: usize) -> f64 {
    let (smmu, host) = machine();
    let start = Barrier::new(threads);
    let longest = thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|n| {
                let (smmu, start, mut env) = (&smmu, &start, host.clone());
                scope.spawn(move || {
                    pin(n > 0);
                    let mut tbu = Tbu::new(smmu);
                    start.wait();
                    let began = Instant::now();
                    for _ in 0..HITS {
                        let _ = black_box(tbu.access(&mut env, black_box(&at(0x1234)), |to| to.address));
                    }
                    began.elapsed()
                })
            })
            .collect();
        all.into_iter()
            .filter_map(|thread| thread.join().ok())
            .max()
            .unwrap_or(Duration::MAX)
    });
    f64::from(HITS) * threads as f64 / longest.as_secs_f64()
}

/// Hits of two threads against those of one.
fn threads() {
    let mut pairs: Vec<(f64, f64)> = (0..PAIRS).map(|_| (rate(1), rate(2))).collect();
    pairs.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
    let (one, two) = pairs.get(pairs.len() / 2).copied().unwrap_or((1.0, 0.0));
    let ratio = |pair: Option<&(f64, f64)>| pair.map_or(0.0, |(one, two)| two / one);
    println!(
        "threads: one {:.1} M/s, two {:.1} M/s, ratio {:.2} (median of {PAIRS} pairs, {:.2} to {:.2})",
        one / 1e6,
        two / 1e6,
        two / one,
        ratio(pairs.first()),
        ratio(pairs.last()),
    );
}

fn main() {
    // `cargo test --benches` asks whether it runs at all.
    if std::env::args().any(|argument| argument == "--bench") {
        views();
        threads();
    }
}
