// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Event counters: what they count, for whom, and what an overflow does (IHI 0062D §6).

use smmu_emu::testing::fields::{cba2r, cbar, sctlr, tcr2};
use smmu_emu::testing::{At, Bench, Cb, Page, Tables};
use smmu_emu::{Intent, Line, Response, Transaction};

const CONFIG: &str = "preset = \"smmuv2-generic\"\npmu_groups = 2\npmu_counters = 3";
/// PMCGCRn.E.
const E: u32 = 1 << 11;

fn pm(offset: u64) -> At {
    Page(3, offset)
}

/// Counter `n` counts `event`, everything enabled.
fn count(bench: &mut Bench, n: u64, event: u32) {
    bench.w(pm(0x400 + 4 * n), event);
    bench.w(pm(0xc00), 1 << n);
    bench.w(pm(0xe04), 1);
}

/// A machine whose groups count everything.
fn bench(config: &str) -> Bench {
    let mut bench = Bench::new(config);
    bench.w(pm(0x800), E);
    bench.w(pm(0x804), E);
    bench
}

fn access(bench: &mut Bench, stream_id: u16, write: bool) {
    let intent = Intent {
        write,
        ..Intent::default()
    };
    let _ = bench.transact(Transaction {
        stream_id,
        address: 0x1000,
        intent,
    });
}

#[test]
fn the_registers_say_what_there_is() {
    let mut bench = Bench::new(CONFIG);
    assert_eq!(
        bench.r(pm(0xe00)),
        0x0100_1f05,
        "PMCFGR: 2 groups, 6 counters of 32 bits"
    );
    assert_eq!(bench.r(pm(0xe20)), 0x0007_0703, "PMCEID0");
    assert_eq!(bench.r(pm(0xe24)), 0, "PMCEID1");
    assert_eq!(bench.r(pm(0xfb8)), 0x0c, "PMAUTHSTATUS");
    assert_eq!(bench.r(pm(0xfcc)), 0x56, "PMDEVTYPE");
    assert_eq!(bench.r(pm(0x800)), 0x0300_0000, "PMCGCR0");
    bench.w(pm(0xc00), u32::MAX);
    assert_eq!(
        bench.r(pm(0xc20)),
        0x3f,
        "six counters, whether set or clear is read"
    );
    bench.w(pm(0xc20), 0x15);
    assert_eq!(bench.r(pm(0xc00)), 0x2a);
    for absent in [0x018, 0x418, 0x808, 0xa08, 0xc04] {
        bench.w(pm(absent), u32::MAX);
        assert_eq!(bench.r(pm(absent)), 0, "{absent:#x}");
    }
}

#[test]
fn no_preset_has_counters_and_no_line_changes() {
    for preset in smmu_emu::Preset::ALL {
        let mut bench = Bench::new(&format!("preset = \"{}\"", preset.name()));
        assert_eq!(bench.r(pm(0xe00)), 0, "{preset:?}");
        assert!(!bench.smmu.lines().any(|line| matches!(line, Line::Pmu(_))));
    }
    let lines = Bench::new(CONFIG).smmu.lines().collect::<Vec<_>>();
    assert_eq!(lines.len(), 1 + 16 + 2);
    assert_eq!(lines.last(), Some(&Line::Pmu(1)));
}

#[test]
fn accesses_are_counted_by_direction() {
    let mut bench = bench(CONFIG);
    for (n, event) in [(0, 0x10), (1, 0x11), (2, 0x12), (3, 0x08)] {
        count(&mut bench, n, event);
    }
    for write in [true, false, true] {
        access(&mut bench, 1, write);
    }
    let counts = [0, 4, 8, 12].map(|offset| bench.r(pm(offset)));
    assert_eq!(counts, [3, 1, 2, 0], "a bypassed access needs no TLB entry");
    bench.w(pm(0xe04), 0);
    access(&mut bench, 1, true);
    assert_eq!(bench.r(pm(0)), 3, "PMCR.E");
    bench.w(pm(0xe04), 2);
    assert_eq!(bench.r(pm(0)), 0, "PMCR.P");
    assert_eq!(bench.r(pm(0xe04)), 0, "P reads zero");
}

#[test]
fn what_the_tlb_learns_is_counted() {
    let mut bench = bench(&format!("{CONFIG}\ntlb = \"normal\""));
    let mut tables = Tables::of_bits(&bench.host.memory, 12, 48);
    tables.map(&bench.host.memory, 0x1000, 0x1000_0000, 3, Tables::USER_RW);
    tables.map(&bench.host.memory, 0x2000, 0x1000_0000, 3, Tables::USER_RW);
    for (n, event) in [(0, 0x08), (1, 0x09), (2, 0x0a), (3, 0x10)] {
        count(&mut bench, n, event);
    }
    bench.route(1, 4);
    bench.w(("CBA2Rn", 4), cba2r::VA64);
    bench.w(("CBARn", 4), cbar::KIND(1));
    bench.w(("CBn_TCR2", 4), tcr2::PASIZE(5));
    bench.w(("CBn_TCR", 4), tables.tcr());
    bench.w64(("CBn_TTBR0", 4), tables.root());
    bench.w(("CBn_SCTLR", 4), sctlr::M);
    bench.w("sCR0", 0);
    for (address, write) in [(0x1000, true), (0x1008, true), (0x2000, false), (0x1010, false)] {
        let intent = Intent {
            write,
            ..Intent::default()
        };
        let transaction = Transaction {
            stream_id: 1,
            address,
            intent,
        };
        assert!(matches!(bench.transact(transaction), Response::Proceed(_)));
    }
    let counts = [0, 4, 8, 12].map(|offset| bench.r(pm(offset)));
    assert_eq!(counts, [2, 1, 1, 4], "two pages, the first of them for a write");
}

#[test]
fn filters_of_a_group() {
    let mut bench = bench(CONFIG);
    count(&mut bench, 0, 0x10);
    count(&mut bench, 3, 0x10);
    // Group 0: streams 0x20 to 0x2f; group 1: bank 4.
    bench.w(pm(0x800), E | 1 << 8);
    bench.w(pm(0xa00), 0x000f_0020);
    bench.w(pm(0x804), E | 2 << 8 | 4);
    bench.route(1, 4);
    bench.w(("CBARn", 4), cbar::KIND(1));
    bench.w("sCR0", 0);
    for stream in [0x20, 0x2f, 0x30, 1, 2] {
        access(&mut bench, stream, false);
    }
    assert_eq!((bench.r(pm(0)), bench.r(pm(12))), (2, 1));
    bench.w(pm(0x800), 1 << 8);
    access(&mut bench, 0x20, false);
    assert_eq!(bench.r(pm(0)), 2, "PMCGCR.E");
    bench.w(pm(0x800), E | 3 << 8);
    access(&mut bench, 0x20, false);
    assert_eq!(bench.r(pm(0)), 2, "the reserved filter counts nothing");
}

#[test]
fn filters_of_privilege() {
    let mut bench = bench(CONFIG);
    // All; no unprivileged; no unprivileged but Non-secure ones.
    for (n, bits) in [(0, 0), (1, 1 << 30), (2, 1 << 30 | 1 << 28)] {
        count(&mut bench, n, bits | 0x10);
    }
    access(&mut bench, 1, false);
    assert_eq!([0, 4, 8].map(|offset| bench.r(pm(offset))), [1, 0, 1]);
}

#[test]
fn cycles_are_nanoseconds() {
    let mut bench = bench(CONFIG);
    bench.host.time.set(1_000);
    count(&mut bench, 0, 0x00);
    count(&mut bench, 1, 0x01);
    bench.host.time.set(1_640);
    assert_eq!((bench.r(pm(0)), bench.r(pm(4))), (640, 10));
    bench.w(pm(0xc20), 3);
    bench.host.time.set(2_000_000);
    assert_eq!(
        (bench.r(pm(0)), bench.r(pm(4))),
        (640, 10),
        "disabled counters stand still"
    );
}

#[test]
fn an_overflow_interrupts_its_group() {
    let mut bench = bench(CONFIG);
    let line = Line::Pmu(1);
    count(&mut bench, 4, 0x10);
    bench.w(pm(0x010), u32::MAX);
    access(&mut bench, 1, false);
    assert_eq!((bench.r(pm(0x010)), bench.r(pm(0xc80))), (0, 1 << 4));
    assert!(!bench.host.line(line), "not enabled");
    bench.w(pm(0xc40), 1 << 4);
    assert!(bench.host.line(line) && !bench.host.line(Line::Pmu(0)));
    bench.w(pm(0xc80), 1 << 4);
    assert!(!bench.host.line(line) && bench.r(pm(0xcc0)) == 0);
    bench.w(pm(0xcc0), 1 << 4);
    assert!(bench.host.line(line), "software sets an overflow");
    bench.w(pm(0xc60), 1 << 4);
    assert!(!bench.host.line(line));
    bench.w(pm(0xc40), 1 << 4);
    bench.smmu.reset(&mut bench.host);
    assert!(!bench.host.line(line));
}

#[test]
fn a_bank_has_a_view_of_its_group() {
    let mut bench = bench(CONFIG);
    let view = |offset| Cb(5, offset);
    bench.w(view(0xe00), 7);
    assert_eq!(
        (bench.r(view(0xe00)), bench.r(view(0xf00))),
        (0, 0),
        "no group is assigned"
    );
    // Group 1 with its counters 3 to 5.
    bench.w(pm(0x804), 1 << 10 | 5);
    assert_eq!(bench.r(view(0xf00)), 0x0000_1f02, "PMCFGR: one group of 3");
    assert_eq!(bench.r(view(0xf20)), 0x0007_0703, "PMCEID");
    assert_eq!(bench.r(view(0xfb8)), 0x0c, "PMAUTHSTATUS");
    bench.w(view(0xe04), 0x1234);
    assert_eq!(bench.r(pm(0x010)), 0x1234, "PMEVCNTR1 is PMEVCNTR4");
    bench.w(view(0xe84), 0x10);
    assert_eq!(bench.r(pm(0x410)), 0x10);
    bench.w(view(0xe0c), u32::MAX);
    assert_eq!(bench.r(view(0xe0c)), 0, "there is no fourth counter");
    bench.w(view(0xf40), 0x7fff);
    assert_eq!((bench.r(pm(0xc00)), bench.r(view(0xf44))), (0b11_1000, 0b111));
    bench.w(view(0xf44), 0b101);
    assert_eq!(bench.r(view(0xf40)), 0b010);
    bench.w(pm(0xe04), 1);
    bench.w(view(0xf04), 1);
    access(&mut bench, 1, false);
    assert_eq!(
        bench.r(view(0xe04)),
        0x1235,
        "PMCR.E of the view enables the group"
    );
    bench.w(view(0xf48), 0b010);
    bench.w(view(0xf58), 0b010);
    assert!(bench.host.line(Line::Pmu(1)));
    assert_eq!((bench.r(view(0xf50)), bench.r(view(0xf4c))), (0b010, 0b010));
    bench.w(view(0xf50), 0b010);
    assert!(!bench.host.line(Line::Pmu(1)));
    bench.w(view(0xf04), 2);
    assert_eq!(bench.r(view(0xe04)), 0, "PMCR.P of the view");
    assert_eq!(bench.r(("CBn_PMCFGR", 6)), 0, "other banks see nothing");
}
