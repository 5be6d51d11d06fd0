// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Faults, as they show in the registers, on the interrupt lines, and to the client.

use smmu_emu::testing::fields::{s2cr, scr0, sctlr, smr};
use smmu_emu::testing::{Bench, Tables};
use smmu_emu::{Intent, Line, Response, Transaction};

const CFIE: u32 = 1 << 6;
const CFRE: u32 = 1 << 5;
const HUPCF: u32 = 1 << 8;
const ON: u32 = 1;
const GFIE: u32 = 1 << 2;
const GFRE: u32 = 1 << 1;
const USFCFG: u32 = 1 << 10;
const FETCH: Intent = Intent {
    privileged: true,
    write: false,
    instruction: true,
};

/// Stream 1 goes to bank 3, an AArch64 stage 1 bank with empty 4 KiB tables over 48 bits.
fn bench(sctlr: u32, scr0: u32) -> (Bench, Tables) {
    let mut bench = Bench::new("preset = \"smmuv2-generic\"");
    let tables = Tables::of_bits(&bench.host.memory, 12, 48);
    bench.route(1, 3);
    bench.stage1(3, &tables, 0, sctlr);
    bench.w("sCR0", scr0);
    (bench, tables)
}

fn at(address: u64, intent: Intent) -> Transaction {
    Transaction {
        stream_id: 1,
        address,
        intent,
    }
}

#[test]
fn vector_1_conflict_then_another_fault() {
    // Behaviours 32 and 33: a record of real hardware: GFSR 0x80000004, GFSYNR0 0x0000000c, GFSYNR1 0x2a02.
    let (mut bench, _) = bench(0, 1 << 21 | USFCFG | GFIE);
    bench.w(("SMRn", 1), smr::VALID | smr::ID(0x2a02));
    bench.w(("SMRn", 2), smr::VALID | smr::ID(0x2a02));
    bench.transact(Transaction {
        stream_id: 0x2a02,
        address: 0x1234_5678,
        intent: FETCH,
    });
    assert_eq!(bench.r("sGFSR"), 0x4);
    bench.transact(Transaction {
        stream_id: 0x77,
        address: 0,
        intent: Intent::default(),
    });
    assert_eq!(bench.r("sGFSR"), 0x8000_0004);
    assert_eq!(
        (bench.r("sGFSYNR0"), bench.r("sGFSYNR1")),
        (0xc, 0x2a02),
        "the first fault stays"
    );
    assert_eq!(bench.r64("sGFAR"), 0x1234_5678);
    bench.w("sGFSR", 0x8000_0004);
    assert_eq!(bench.r("sGFSR"), 0);
}

#[test]
fn vector_2_unidentified_stream() {
    // Behaviour 33; real hardware: GFSR 0x2, GFSYNR1 0x871.
    let (mut bench, _) = bench(0, USFCFG);
    let write = Intent {
        write: true,
        ..Intent::default()
    };
    bench.transact(Transaction {
        stream_id: 0x871,
        address: 0,
        intent: write,
    });
    assert_eq!(
        (bench.r("sGFSR"), bench.r("sGFSYNR0"), bench.r("sGFSYNR1")),
        (0x2, 0x2, 0x871),
        "WNR is bit 1 (behaviour 33)"
    );
}

/// Real hardware: fsr 0x402, fsynr 0x540003, cbfrsynra 0x19c3, bank 10, address 0xfd7ff000. FSYNR0.S1CBNDX (23:16) is
/// UNKNOWN in a stage 1 bank: the hardware shows 0x54 there, the model 0.
#[test]
fn vector_3_translation_fault_in_a_bank() {
    const S1CBNDX: u32 = 0xff << 16;
    let (mut bench, mut tables) = bench(0, 0);
    tables.map(&bench.host.memory, 0xfd7f_e000, 0x1000, 3, Tables::USER_RW);
    bench.route(0x19c3, 10);
    bench.stage1(10, &tables, 0, sctlr::CFRE | sctlr::M);
    let response = bench.transact(Transaction {
        stream_id: 0x19c3,
        address: 0xfd7f_f000,
        intent: Intent::default(),
    });
    assert_eq!(response, Response::Abort);
    assert_eq!(
        (bench.r(("CBn_FSR", 10)), bench.r64(("CBn_FAR", 10))),
        (0x402, 0xfd7f_f000)
    );
    assert_eq!(bench.r(("CBn_FSYNR0", 10)), 0x0054_0003 & !S1CBNDX);
    assert_eq!(bench.r(("CBFRSYNRAn", 10)), 0x19c3);
}

#[test]
fn global_faults_abort_or_are_ignored() {
    for (gfre, expected) in [(GFRE, Response::Abort), (0, Response::Ignore)] {
        let (mut bench, _) = bench(0, USFCFG | gfre);
        assert_eq!(
            bench.transact(Transaction {
                stream_id: 9,
                ..Transaction::default()
            }),
            expected
        );
        assert!(!bench.host.line(Line::Global), "GFIE is clear");
    }
}

#[test]
fn context_faults_abort_or_are_ignored() {
    // Behaviour 37.
    for (cfre, expected) in [(CFRE, Response::Abort), (0, Response::Ignore)] {
        let (mut bench, _) = bench(ON | cfre, 0);
        assert_eq!(bench.transact(at(0, Intent::default())), expected);
        assert_eq!(
            bench.transact(at(0, Intent::default())),
            expected,
            "blocked by the first"
        );
    }
}

#[test]
fn a_recorded_fault_blocks_the_bank() {
    // Behaviour 25: HUPCF = 0 ends transactions that would have been translated, without a record.
    let (mut bench, mut tables) = bench(ON | CFRE, 0);
    tables.map(&bench.host.memory, 0x1000, 0x5000, 3, Tables::USER_RW);
    assert!(matches!(
        bench.transact(at(0x1000, Intent::default())),
        Response::Proceed(_)
    ));
    assert_eq!(bench.transact(at(0x2000, Intent::default())), Response::Abort);
    assert_eq!(bench.transact(at(0x1000, Intent::default())), Response::Abort);
    assert_eq!(bench.transact(at(0x3000, Intent::default())), Response::Abort);
    assert_eq!(
        (bench.r(("CBn_FSR", 3)), bench.r64(("CBn_FAR", 3))),
        (0x402, 0x2000),
        "behaviour 24: no MULTI without HUPCF"
    );
    bench.w(("CBn_FSR", 3), 0x402);
    assert!(matches!(
        bench.transact(at(0x1000, Intent::default())),
        Response::Proceed(_)
    ));
}

#[test]
fn hit_under_previous_fault() {
    // Behaviour 24: with HUPCF = 1 others are translated, and a second fault sets MULTI and nothing else.
    let (mut bench, mut tables) = bench(ON | CFRE | HUPCF, 0);
    tables.map(&bench.host.memory, 0x1000, 0x5000, 3, Tables::USER_RW);
    bench.transact(at(0x2000, Intent::default()));
    assert!(matches!(
        bench.transact(at(0x1000, Intent::default())),
        Response::Proceed(_)
    ));
    bench.transact(Transaction {
        stream_id: 1,
        address: 0x3000,
        intent: FETCH,
    });
    assert_eq!(
        (
            bench.r(("CBn_FSR", 3)),
            bench.r64(("CBn_FAR", 3)),
            bench.r(("CBn_FSYNR0", 3))
        ),
        (0x8000_0402, 0x2000, 3)
    );
}

#[test]
fn syndrome_shows_the_access_after_overrides() {
    // Behaviour 33: global faults record the access as it came, context faults after S2CR.
    let (mut bench, _) = bench(ON, 0);
    bench.w(("S2CRn", 0), s2cr::INSTCFG(3) | s2cr::PRIVCFG(3) | s2cr::CBNDX(3));
    bench.transact(at(0, Intent::default()));
    assert_eq!(bench.r(("CBn_FSYNR0", 3)), 0x60, "IND 6, PNU 5");
    bench.w(("CBn_FSR", 3), 2);
    bench.transact(at(
        0,
        Intent {
            write: true,
            ..Intent::default()
        },
    ));
    assert_eq!(
        bench.r(("CBn_FSYNR0", 3)),
        0x30,
        "a write is no fetch, even if INSTCFG says so"
    );
    bench.w(("CBn_FSR", 3), 2);
    bench.w(("S2CRn", 0), s2cr::INSTCFG(2) | s2cr::PRIVCFG(2) | s2cr::CBNDX(3));
    bench.transact(at(0, FETCH));
    assert_eq!(bench.r(("CBn_FSYNR0", 3)), 0, "made data and unprivileged");
    bench.w(("S2CRn", 0), s2cr::INSTCFG(3) | s2cr::PRIVCFG(3) | s2cr::KIND(2));
    bench.transact(at(0, Intent::default()));
    assert_eq!((bench.r("sGFSR"), bench.r("sGFSYNR0")), (1, 0));
}

#[test]
fn unusable_banks_show_as_nested() {
    // Behaviour 12.
    let (mut bench, _) = bench(ON, 0);
    bench.w(("CBARn", 3), 2 << 16);
    bench.transact(at(0, Intent::default()));
    assert_eq!(
        (bench.r("sGFSR"), bench.r("sGFSYNR0"), bench.r("sGFSYNR1")),
        (1, 1, 1)
    );
}

#[test]
fn walks_that_memory_does_not_answer() {
    // Behaviour 35: PTWF with EF.
    let (mut bench, _) = bench(ON, 0);
    bench.w64(("CBn_TTBR0", 3), 0xdead_0000);
    bench.transact(at(0, Intent::default()));
    assert_eq!(
        (bench.r(("CBn_FSR", 3)), bench.r(("CBn_FSYNR0", 3))),
        (0x410, 1 << 10)
    );
}

#[test]
fn context_line_is_a_level() {
    // Behaviour 30.
    let (mut bench, _) = bench(ON | CFIE, 0);
    let line = Line::Context(3);
    bench.transact(at(0, Intent::default()));
    assert_eq!(bench.host.line_calls, [(line, true)]);
    bench.w(("CBn_FSRRESTORE", 3), 1 << 4);
    bench.w(("CBn_FSR", 3), 2);
    assert!(bench.host.line(line), "EF is left");
    assert_eq!(
        bench.host.line_calls.last(),
        Some(&(line, true)),
        "an edge-signalled host hears of it again"
    );
    let calls = bench.host.line_calls.len();
    assert_eq!(calls, 3, "one call per write");
    bench.w(("CBn_SCTLR", 3), sctlr::M);
    assert!(!bench.host.line(line), "masked");
    bench.w(("CBn_SCTLR", 3), sctlr::CFIE | sctlr::M);
    assert!(bench.host.line(line), "unmasked, it fires again");
    bench.w(("CBn_FSR", 3), 1 << 4);
    assert!(!bench.host.line(line));
    let calls = bench.host.line_calls.len();
    bench.w(("CBn_FSR", 3), u32::MAX);
    assert_eq!(bench.host.line_calls.len(), calls, "a low line stays silent");
}

#[test]
fn global_line_is_a_level() {
    // Behaviour 31: configuration access faults have an enable of their own; MULTI counts as any other.
    const GCFGFIE: u32 = 1 << 5;
    let (mut bench, _) = bench(0, GFIE);
    bench.w("sGFSRRESTORE", 1 << 5);
    assert!(!bench.host.line(Line::Global), "CAF needs GCFGFIE");
    bench.w("sCR0", GCFGFIE);
    assert!(bench.host.line(Line::Global));
    bench.w("sCR0", scr0::GFIE);
    assert!(!bench.host.line(Line::Global));
    bench.w("sGFSRRESTORE", 1 << 31);
    assert!(bench.host.line(Line::Global), "MULTI goes to NSgIrpt");
    bench.w("sGFSR", 1 << 31);
    assert!(!bench.host.line(Line::Global));
}

#[test]
fn lines_are_independent() {
    let (mut bench, _) = bench(0, GFIE);
    for bank in [0, 3, 15] {
        bench.w(("CBn_SCTLR", bank), sctlr::CFIE);
        bench.w(("CBn_FSRRESTORE", bank), 2);
    }
    bench.w(("CBn_FSR", 3), 2);
    let high: Vec<Line> = bench.smmu.lines().filter(|&line| bench.host.line(line)).collect();
    assert_eq!(high, [Line::Context(0), Line::Context(15)]);
}

#[test]
fn translate_alone_records_nothing() {
    let (mut bench, _) = bench(ON | CFIE, USFCFG | GFIE);
    for stream_id in [1, 2] {
        let transaction = Transaction {
            stream_id,
            ..Transaction::default()
        };
        assert!(bench.smmu.translate(&bench.host, &transaction).is_err());
    }
    assert_eq!((bench.r("sGFSR"), bench.r(("CBn_FSR", 3))), (0, 0x400));
    assert!(bench.host.line_calls.is_empty());
}
