// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Tables of another implementation: those of the `aarch64-paging` crate, for both stages.

use std::collections::BTreeMap;

use aarch64_paging::descriptor::{El1Attributes, PhysicalAddress, Stage2Attributes};
use aarch64_paging::paging::{Constraints, El1And0, MemoryRegion, RootTable, Stage2, VaRange};
use aarch64_paging::target::TargetAllocator;
use proptest::collection::vec;
use proptest::prelude::*;
use smmu_emu::testing::fields::{cba2r, s2cr, sctlr, smr, tcr2};
use smmu_emu::testing::{Bench, Host};
use smmu_emu::{Intent, Transaction};

const TABLES: u64 = 0x1_0000_0000;

/// A range to map: first page, pages, first output page, what it allows.
#[derive(Clone, Debug)]
struct Range {
    page: u64,
    count: u64,
    output: u64,
    user: bool,
    writable: bool,
    valid: bool,
}

impl Range {
    fn region(&self) -> MemoryRegion {
        let at = |page: u64| usize::try_from(page << 12).expect("64 bits");
        MemoryRegion::new(at(self.page), at(self.page + self.count))
    }

    fn physical(&self) -> PhysicalAddress {
        PhysicalAddress(usize::try_from(self.output << 12).expect("64 bits"))
    }
}

/// Ranges near each other, so that they overlap, split blocks and remap; some have the alignment of blocks.
fn ranges() -> impl Strategy<Value = Vec<Range>> {
    let place = (0..4_u64, 0..2000_u64, any::<bool>());
    let size = prop_oneof![1..20_u64, 500..1100_u64, Just(512), Just(1024)];
    let output = (0..1_u64 << 27, any::<bool>());
    vec((place, size, output, any::<[bool; 2]>(), 0..5_u8), 1..10).prop_map(|made| {
        made.into_iter()
            .map(|(place, count, output, [user, writable], unmap)| {
                let aligned = |(page, align): (u64, bool)| if align { page & !0x1ff } else { page };
                Range {
                    page: (place.0 << 24) + aligned((place.1, place.2)),
                    count,
                    output: aligned(output),
                    user,
                    writable,
                    valid: unmap != 0,
                }
            })
            .collect()
    })
}

/// Pages of the ranges, one by one.
fn flat(ranges: &[Range]) -> BTreeMap<u64, (u64, bool, bool)> {
    let mut pages = BTreeMap::new();
    for range in ranges {
        for index in 0..range.count {
            if range.valid {
                pages.insert(
                    range.page + index,
                    (range.output + index, range.user, range.writable),
                );
            } else {
                pages.remove(&(range.page + index));
            }
        }
    }
    pages
}

fn load(host: &mut Host, bytes: &[u8]) {
    host.memory.add(TABLES, bytes.len() as u64);
    for (address, word) in (TABLES..).step_by(8).zip(bytes.chunks_exact(8)) {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        if word != 0 {
            host.memory.set(address, word);
        }
    }
}

/// Asks for the first and last page of every range, the pages around them, and some inside.
fn compare(bench: &Bench, ranges: &[Range], privilege_counts: bool) -> Result<(), TestCaseError> {
    let pages = flat(ranges);
    let asked = ranges.iter().flat_map(|range| {
        let last = range.page + range.count;
        [
            range.page.saturating_sub(1),
            range.page,
            range.page + range.count / 2,
            last - 1,
            last,
        ]
    });
    for page in asked {
        for (privileged, write) in [(true, false), (true, true), (false, false), (false, true)] {
            let transaction = Transaction {
                stream_id: 0,
                address: page << 12 | 0x123,
                intent: Intent {
                    privileged,
                    write,
                    instruction: false,
                },
            };
            let found = bench.smmu.translate(&bench.host, &transaction);
            let allowed = pages.get(&page).filter(|(_, user, writable)| {
                (privileged || *user || !privilege_counts) && (*writable || !write)
            });
            let found = found.ok().map(|translation| translation.address);
            let expected = allowed.map(|(output, ..)| output << 12 | 0x123);
            prop_assert_eq!(found, expected, "page {:#x} {} {}", page, privileged, write);
        }
    }
    Ok(())
}

fn bench(cbar: u32, tcr: u32) -> Bench {
    let mut bench = Bench::new("preset = \"smmuv2-generic\"");
    bench.w(("S2CRn", 0), s2cr::CBNDX(1));
    bench.w(("SMRn", 0), smr::VALID);
    bench.w("sCR0", 0);
    bench.w(("CBARn", 1), cbar);
    bench.w(("CBA2Rn", 1), cba2r::VA64);
    // Of TCR2 a stage 2 bank has nothing, not even a sign bit.
    if cbar != 0 {
        bench.w(("CBn_TCR2", 1), tcr2::SEP(7) | tcr2::AS | tcr2::PASIZE(5));
    }
    bench.w(("CBn_TCR", 1), tcr);
    bench.w64(("CBn_TTBR0", 1), TABLES);
    bench.w(("CBn_SCTLR", 1), sctlr::M);
    bench
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stage1(ranges in ranges()) {
        let allocator = TargetAllocator::new(TABLES);
        let mut tables = RootTable::with_va_range(allocator, 1, El1And0, VaRange::Lower);
        for range in &ranges {
            let mut flags = El1Attributes::ACCESSED | El1Attributes::NON_GLOBAL;
            flags.set(El1Attributes::VALID, range.valid);
            flags.set(El1Attributes::USER, range.user);
            flags.set(El1Attributes::READ_ONLY, !range.writable);
            tables.map_range(&range.region(), range.physical(), flags, Constraints::empty()).expect("it fits");
        }
        let mut bench = bench(0x0001_f300, 1 << 23 | 25);
        load(&mut bench.host, &tables.translation().as_bytes());
        compare(&bench, &ranges, true)?;
    }

    #[test]
    fn stage2(ranges in ranges()) {
        let mut tables = RootTable::new(TargetAllocator::new(TABLES), 1, Stage2);
        for range in &ranges {
            let mut flags = Stage2Attributes::ACCESS_FLAG | Stage2Attributes::S2AP_ACCESS_RO;
            flags.set(Stage2Attributes::VALID, range.valid);
            flags.set(Stage2Attributes::S2AP_ACCESS_WO, range.writable);
            tables.map_range(&range.region(), range.physical(), flags, Constraints::empty()).expect("it fits");
        }
        let mut bench = bench(0, 5 << 16 | 1 << 6 | 25);
        load(&mut bench.host, &tables.translation().as_bytes());
        compare(&bench, &ranges, false)?;
    }
}
