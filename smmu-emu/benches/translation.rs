// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Cost of a translation: `cargo bench -p smmu-emu --bench translation`. The results and what they were measured on:
//! docs/performance.md. The thread is pinned to the first core that the process may use.

mod common;

use std::hint::black_box;

use common::{TABLES, asid, at, pin, smmu};
use criterion::{BenchmarkId, Criterion, Throughput};
use smmu_emu::testing::{Host, Locate, Reads};
use smmu_emu::{BusError, Memory, Response, SmmuHandle, Tbu, TlbMode};

const PAGE: u64 = 0x8000_0000;

/// A host with tables of four levels that map every address to one page: each table's entries all lead to the next.
fn host() -> Host<impl Memory> {
    let entry = |n: u64| match n / 512 {
        // nG, AF, AP.
        3 => PAGE | 1 << 11 | 1 << 10 | 1 << 6 | 3,
        level => (TABLES + (level + 1) * 0x1000) | 3,
    };
    let words: Vec<u64> = (0..4 * 512).map(entry).collect();
    Host::quiet(Reads(move |address: u64, data: &mut [u8]| {
        let at = address.checked_sub(TABLES).ok_or(BusError)? / 8;
        let word = usize::try_from(at)
            .ok()
            .and_then(|at| words.get(at))
            .ok_or(BusError)?;
        data.copy_from_slice(&word.to_le_bytes());
        Ok(())
    }))
}

fn hits(criterion: &mut Criterion) {
    let mut env = host();
    let smmu = SmmuHandle::new(smmu(TlbMode::Normal, &mut env));
    let mut tbu = Tbu::new(&smmu);
    let mut group = criterion.benchmark_group("hit");
    group.bench_function("access", |bencher| {
        bencher.iter(|| tbu.access(&mut env, black_box(&at(0x1234)), |to| to.address));
    });
    group.throughput(Throughput::Elements(64));
    group.bench_function("batch of 64", |bencher| {
        bencher.iter(|| {
            tbu.batch(|batch| {
                for n in 0..64 {
                    let _ = black_box(batch.access(&mut env, black_box(&at(n << 12)), |to| to.address));
                }
            });
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("shared TLB, under the lock", |bencher| {
        bencher.iter(|| {
            let mut smmu = smmu.lock();
            smmu.transact(&mut env, black_box(&at(0x1234)))
        });
    });
    group.finish();
}

fn misses(criterion: &mut Criterion) {
    let mut env = host();
    let mut group = criterion.benchmark_group("miss");
    let mut off = smmu(TlbMode::Off, &mut env);
    group.bench_function("4 levels, no TLB", |bencher| {
        bencher.iter(|| off.transact(&mut env, black_box(&at(0x1234))));
    });
    let mut normal = smmu(TlbMode::Normal, &mut env);
    let mut address = 0;
    group.bench_function("tables kept, TLB full", |bencher| {
        bencher.iter(|| {
            address = (address + 0x1000) & 0x1fff_ffff;
            normal.transact(&mut env, black_box(&at(address)))
        });
    });
    group.finish();
}

/// Invalidation of a whole address space by the number of entries that the TLB has.
fn invalidations(criterion: &mut Criterion) {
    for (register, value) in [("CBn_TLBIASID", 7_u32), ("TLBIVMID", 9)] {
        let mut group = criterion.benchmark_group(register.trim_start_matches("CBn_"));
        for entries in [0_u64, 1_000, 16_000, 64_000] {
            let mut env = host();
            let mut smmu = smmu(TlbMode::StrictStale, &mut env);
            // Entries of another address space, which the operations leave: so all are there every time.
            asid(&mut smmu, &mut env, 8);
            for page in 0..entries {
                let response = smmu.transact(&mut env, &at(page << 12));
                assert!(matches!(response, Response::Proceed(_)));
            }
            let offset = (register, 0).locate(smmu.geometry());
            group.bench_function(BenchmarkId::new("entries", entries), |bencher| {
                bencher.iter(|| smmu.write(&mut env, offset, &black_box(value).to_le_bytes()));
            });
        }
        group.finish();
    }
}

fn main() {
    pin(false);
    let mut criterion = Criterion::default().configure_from_args();
    hits(&mut criterion);
    misses(&mut criterion);
    invalidations(&mut criterion);
    criterion.final_summary();
}
