// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What a translation costs: `cargo bench -p smmu-emu --bench translation`. The results and what they were measured on:
//! docs/performance.md.
//!
//! Of many short runs the shortest and the median are shown: the mean says more about what else the machine does.
//!
//! Threads are pinned: the first to the first core that the process may use, the second to the last.

mod common;

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use common::{measure, pin};
use smmu_emu::sync::{Arc, Mutex};
use smmu_emu::{
    BusError, Config, Env, Intent, Line, Plan, Preset, Response, Smmu, Tbu, TlbMode, Transaction,
};

/// Tables of four levels that map every address to one page: each table's entries all lead to the next.
struct Memory {
    words: Vec<u64>,
}

const BASE: u64 = 0x4000_0000;
const PAGE: u64 = 0x8000_0000;
/// NUMPAGE is 16.
const CB0: u64 = 16 << 12;

impl Memory {
    fn new() -> Self {
        let entry = |n: u64| match n / 512 {
            // nG, AF, AP.
            3 => PAGE | 1 << 11 | 1 << 10 | 1 << 6 | 3,
            level => (BASE + (level + 1) * 0x1000) | 3,
        };
        Self {
            words: (0..4 * 512).map(entry).collect(),
        }
    }
}

impl Env for Memory {
    fn now(&self) -> u64 {
        0
    }
    fn read_memory(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        let at = address.checked_sub(BASE).ok_or(BusError)? / 8;
        let word = usize::try_from(at)
            .ok()
            .and_then(|at| self.words.get(at))
            .ok_or(BusError)?;
        data.copy_from_slice(&word.to_le_bytes());
        Ok(())
    }
    fn set_line(&mut self, _: Line, _: bool) {}
    fn random(&mut self) -> u64 {
        0
    }
}

fn w(smmu: &mut Smmu, env: &mut Memory, offset: u64, value: u32) {
    smmu.write(env, offset, &value.to_le_bytes());
}

/// Stream 0 goes to bank 0, with VMID 1 and ASID 7.
fn smmu(tlb: TlbMode) -> (Smmu, Memory) {
    let (mut env, config) = (
        Memory::new(),
        Config {
            preset: Preset::Generic,
            tlb: Some(tlb),
            ..Config::default()
        },
    );
    let mut smmu = Smmu::new(&config, Plan::default()).expect("a preset");
    for (offset, value) in [
        (0x1800, 1),
        (0x1000, 1 << 16 | 1),
        (CB0 + 0x10, 5),
        (CB0 + 0x30, 1 << 23 | 16),
        (CB0, 1),
        (0x800, 1 << 31),
        (0xc00, 0),
        (0x00, 0),
    ] {
        w(&mut smmu, &mut env, offset, value);
    }
    asid(&mut smmu, &mut env, 7);
    (smmu, env)
}

fn asid(smmu: &mut Smmu, env: &mut Memory, asid: u64) {
    smmu.write(env, CB0 + 0x20, &(BASE | asid << 48).to_le_bytes());
}

fn at(address: u64) -> Transaction {
    Transaction {
        stream_id: 0,
        address,
        intent: Intent::default(),
    }
}

fn one_thread() {
    pin(false);
    let (smmu, mut env) = smmu(TlbMode::Normal);
    let smmu = Arc::new(Mutex::new(smmu));
    let mut tbu = Tbu::new(&smmu);
    measure("hit/access", || {
        let _ = black_box(tbu.access(&mut env, black_box(&at(0x1234)), |to| to.address));
    });
    measure("hit/batch of 64", || {
        tbu.batch(|batch| {
            for n in 0..64 {
                let _ = black_box(batch.access(&mut env, black_box(&at(n << 12)), |to| to.address));
            }
        });
    });
    measure("hit/shared TLB, under the lock", || {
        let mut smmu = smmu.lock().expect("nobody panics");
        black_box(smmu.transact(&mut env, black_box(&at(0x1234))));
    });
}

fn misses() {
    pin(false);
    let (mut off, mut env) = smmu(TlbMode::Off);
    measure("miss/4 levels, no TLB", || {
        black_box(off.transact(&mut env, black_box(&at(0x1234))));
    });
    let (mut normal, mut env) = smmu(TlbMode::Normal);
    let mut address = 0;
    measure("miss/4 levels, tables kept, TLB full", || {
        address = (address + 0x1000) & 0x1fff_ffff;
        black_box(normal.transact(&mut env, black_box(&at(address))));
    });
}

/// Invalidation of a whole address space by the number of entries that it has.
fn invalidations() {
    pin(false);
    for (name, offset) in [("TLBIASID", CB0 + 0x610), ("TLBIVMID", 0x64)] {
        for entries in [0_u64, 1_000, 16_000, 64_000] {
            let (mut smmu, mut env) = smmu(TlbMode::StrictStale);
            // Entries of another address space, which the operations leave: so all are there every time.
            asid(&mut smmu, &mut env, 8);
            for page in 0..entries {
                let response = smmu.transact(&mut env, &at(page << 12));
                assert!(matches!(response, Response::Proceed(_)));
            }
            let value = if offset == 0x64 { 9 } else { 7_u32 };
            measure(&format!("{name}/{entries} entries"), || {
                w(&mut smmu, &mut env, offset, black_box(value));
            });
        }
    }
}

/// Hits per second of as many threads, each with a unit of its own.
fn rate(threads: usize) -> f64 {
    const HITS: u32 = 5_000_000;
    let (smmu, _) = smmu(TlbMode::Normal);
    let smmu = Arc::new(Mutex::new(smmu));
    let start = Barrier::new(threads);
    let longest = thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|n| {
                let (smmu, start) = (&smmu, &start);
                scope.spawn(move || {
                    pin(n > 0);
                    let (mut tbu, mut env) = (Tbu::new(smmu), Memory::new());
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

/// In turns, since the clock of a core changes from second to second.
fn two_threads() {
    let mut pairs: Vec<(f64, f64)> = (0..15).map(|_| (rate(1), rate(2))).collect();
    pairs.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
    let (one, two) = pairs.get(pairs.len() / 2).copied().unwrap_or((1.0, 0.0));
    let ratio = |pair: Option<&(f64, f64)>| pair.map_or(0.0, |(one, two)| two / one);
    println!(
        "threads: one {:.1} M/s, two {:.1} M/s, ratio {:.2} (median of 15 pairs, {:.2} to {:.2})",
        one / 1e6,
        two / 1e6,
        two / one,
        ratio(pairs.first()),
        ratio(pairs.last()),
    );
}

fn main() {
    one_thread();
    misses();
    invalidations();
    two_threads();
}
