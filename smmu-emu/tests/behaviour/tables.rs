// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! VMSAv8-64 stage 1: the walk of random tables.

use proptest::collection::vec;
use proptest::prelude::*;
use smmu_emu::testing::fields::{cba2r, cbar, sctlr, tcr2};
use smmu_emu::testing::{Bench, Cb, Tables};

/// A mapping to make: where, how large, and what it permits.
#[derive(Clone, Debug)]
struct Mapping {
    va: u64,
    pa: u64,
    level: u32,
    user: bool,
    read_only: bool,
}

/// Granule, address bits, mappings that do not overlap, addresses to ask for.
fn world() -> impl Strategy<Value = (u32, u32, Vec<Mapping>, Vec<u64>)> {
    let mapping = (
        any::<u64>(),
        any::<u64>(),
        1_u32..=3,
        any::<bool>(),
        any::<bool>(),
    );
    (
        prop_oneof![Just(12), Just(14), Just(16)],
        25_u32..=48,
        vec(mapping, 1..12),
        vec(any::<u64>(), 1..20),
    )
        .prop_map(|(granule, bits, wanted, asked): (u32, u32, _, Vec<u64>)| {
            let stride = granule - 3;
            let first = 4 - (bits - granule).div_ceil(stride);
            let mut made: Vec<(Mapping, u64)> = Vec::new();
            for (va, pa, level, user, read_only) in wanted {
                // The largest block of each granule, and no level above the first.
                let level = level.max(first).max(if granule == 12 { 1 } else { 2 });
                let size = 1_u64 << (granule + stride * (3 - level));
                let va = va & ((1 << bits) - 1) & !(size - 1);
                let pa = pa & 0xffff_ffff_ffff & !(size - 1);
                if va + size <= 1 << bits
                    && !made
                        .iter()
                        .any(|(m, other)| va < m.va + other && m.va < va + size)
                {
                    made.push((
                        Mapping {
                            va,
                            pa,
                            level,
                            user,
                            read_only,
                        },
                        size,
                    ));
                }
            }
            // Half of the addresses lie in mappings.
            let inside = asked
                .iter()
                .zip(made.iter().cycle())
                .map(|(ask, (m, size))| m.va + ask % size);
            let outside = asked.iter().map(|ask| ask & ((1 << bits) - 1));
            let asked = inside.chain(outside).collect();
            (granule, bits, made.into_iter().map(|(m, _)| m).collect(), asked)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_walk_finds_what_was_mapped_and_nothing_else((granule, bits, mappings, asked) in world()) {
        let mut bench = Bench::new("preset = \"smmuv2-generic\"");
        let mut tables = Tables::of_bits(&bench.host.memory, granule, bits);
        for Mapping { va, pa, level, user, read_only } in &mappings {
            let attributes = 1 << 10 | u64::from(*user) << 6 | u64::from(*read_only) << 7;
            tables.map(&bench.host.memory, *va, *pa, *level, attributes);
        }
        bench.w(("CBA2Rn", 1), cba2r::VA64);
        bench.w(("CBARn", 1), cbar::KIND(1));
        bench.w(("CBn_TCR2", 1), tcr2::PASIZE(5));
        bench.w(("CBn_TCR", 1), tables.tcr());
        bench.w64(("CBn_TTBR0", 1), tables.root());
        bench.w(("CBn_SCTLR", 1), sctlr::M);
        for va in asked {
            let page = va & !0xfff;
            let hit = mappings.iter().find(|m| page >> tables.shift(m.level) == m.va >> tables.shift(m.level));
            for (operation, privileged, write) in
                [(0x800, true, false), (0x808, true, true), (0x810, false, false), (0x818, false, true)]
            {
                bench.w64(Cb(1, operation), va);
                let par = bench.r64(("CBn_PAR", 1));
                match hit {
                    None => prop_assert_eq!(par & 0xfff, 0x203, "TF at {:#x}", va),
                    Some(m) if (privileged || m.user) && !(write && m.read_only) => {
                        prop_assert_eq!(par & 1, 0, "{:#x}: {:#x}", va, par);
                        prop_assert_eq!(par & 0xffff_ffff_f000, m.pa + (page - m.va));
                    }
                    Some(m) => prop_assert_eq!(par, u64::from(m.level) << 32 | 0x209, "PF at {:#x}", va),
                }
            }
        }
    }
}
