// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Transactions that wait for software.

use proptest::prelude::*;
use smmu_emu::testing::fields::{s2cr, scr0, sctlr};
use smmu_emu::testing::{Bench, Cb, Gr0, Gr1, Tables};
use smmu_emu::{Intent, Line, Response, Stall, Transaction};

const FSR: u64 = 0x58;
const RESUME: u64 = 0x08;
const RETRY: u32 = 0;
const TERMINATE: u32 = 1;
const SS: u32 = 1 << 30;
const ON: u32 = 1;
const CFRE: u32 = 1 << 5;
const CFIE: u32 = 1 << 6;
const CFCFG: u32 = 1 << 7;
const HUPCF: u32 = 1 << 8;

/// Stream 1 goes to bank 3, where only 0x1000 is mapped.
fn bench(sctlr: u32) -> (Bench, Tables) {
    let mut bench = Bench::new("preset = \"smmuv2-generic\"");
    let mut tables = Tables::of_bits(&bench.host.memory, 12, 48);
    tables.map(&bench.host.memory, 0x1000, 0x5000, 3, Tables::USER_RW);
    bench.route(1, 3);
    bench.stage1(3, &tables, 0, ON | CFCFG | sctlr);
    bench.w("sCR0", 0);
    bench.host.resumed.clear();
    (bench, tables)
}

fn at(address: u64) -> Transaction {
    Transaction {
        stream_id: 1,
        address,
        intent: Intent::default(),
    }
}

fn stalled(response: Response) -> Stall {
    match response {
        Response::Stall(stall) => stall,
        other => panic!("{other:?} does not wait"),
    }
}

fn resume(bench: &mut Bench, stall: Stall) -> Response {
    bench.smmu.resume(&mut bench.host, stall)
}

/// Behaviours 22, 26, 29 and 30: Linux clears FSR, which leaves SS, then resumes with a retry, which walks again.
#[test]
fn clear_then_retry() {
    let (mut bench, mut tables) = bench(CFRE | CFIE);
    let stall = stalled(bench.transact(at(0x2008)));
    assert_eq!((stall.bank(), *stall.transaction()), (3, at(0x2008)));
    assert_eq!(bench.r(("CBn_FSR", 3)), SS | 0x402);
    assert_eq!(bench.r64(("CBn_FAR", 3)), 0x2008);
    assert!(bench.host.line(Line::Context(3)));
    let waiter = stalled(bench.transact(at(0x1000)));
    let stall = stalled(resume(&mut bench, stall));
    bench.w(("CBn_FSR", 3), 0xc000_01fe);
    assert_eq!(
        bench.r(("CBn_FSR", 3)),
        SS | 0x400,
        "SS is not cleared by a write"
    );
    assert!(!bench.host.line(Line::Context(3)), "SS does not interrupt");
    tables.map(&bench.host.memory, 0x2000, 0x6000, 3, Tables::USER_RW);
    let stall = stalled(resume(&mut bench, stall));
    bench.w(("CBn_RESUME", 3), RETRY);
    assert_eq!(bench.r(("CBn_FSR", 3)), 0x400);
    assert_eq!(bench.host.resumed, [3]);
    for (stall, address) in [(stall, 0x6008), (waiter, 0x5000)] {
        match resume(&mut bench, stall) {
            Response::Proceed(translation) => assert_eq!(translation.address, address),
            other => panic!("{other:?}"),
        }
    }
}

/// Behaviours 28 and 29: a retry while FSR still holds the fault ends the transaction, even if FSR is cleared before
/// the caller asks.
#[test]
fn retry_before_clear_without_hupcf() {
    for (cfre, expected) in [(CFRE, Response::Abort), (0, Response::Ignore)] {
        let (mut bench, mut tables) = bench(cfre);
        let stall = stalled(bench.transact(at(0x2000)));
        let waiter = stalled(bench.transact(at(0x1000)));
        tables.map(&bench.host.memory, 0x2000, 0x6000, 3, Tables::USER_RW);
        bench.w(("CBn_RESUME", 3), RETRY);
        assert_eq!(bench.r(("CBn_FSR", 3)), 0x402, "the fault stays (behaviour 28)");
        bench.w(("CBn_FSR", 3), 0x2);
        assert_eq!(resume(&mut bench, stall), expected);
        assert_eq!(resume(&mut bench, waiter), expected);
    }
}

/// Behaviours 28 and 29: with HUPCF it walks again, and another fault only sets MULTI and ends it.
#[test]
fn retry_before_clear_with_hupcf() {
    let (mut bench, mut tables) = bench(HUPCF | CFRE);
    let stall = stalled(bench.transact(at(0x2000)));
    bench.w(("CBn_RESUME", 3), RETRY);
    assert_eq!(resume(&mut bench, stall), Response::Abort);
    assert_eq!(bench.r(("CBn_FSR", 3)), 0x8000_0402);
    bench.w(("CBn_FSR", 3), 0x8000_0002);
    let stall = stalled(bench.transact(at(0x2000)));
    bench.w(("CBn_RESUME", 3), RETRY);
    tables.map(&bench.host.memory, 0x2000, 0x6000, 3, Tables::USER_RW);
    assert!(matches!(resume(&mut bench, stall), Response::Proceed(_)));
}

/// Behaviour 28: TnR = 1 ends it, with an abort or as RAZ/WI; the fault bits stay.
#[test]
fn terminate() {
    for (cfre, expected) in [(CFRE, Response::Abort), (0, Response::Ignore)] {
        let (mut bench, _) = bench(cfre);
        let stall = stalled(bench.transact(at(0x2000)));
        bench.w(("CBn_FSR", 3), 0x2);
        bench.w(("CBn_RESUME", 3), TERMINATE);
        assert_eq!(bench.r(("CBn_FSR", 3)), 0x400);
        assert_eq!(resume(&mut bench, stall), expected);
    }
}

/// Behaviour 26: with HUPCF others are translated; one that faults waits, and leaves no record.
#[test]
fn others_pass_under_hupcf() {
    let (mut bench, _) = bench(HUPCF);
    stalled(bench.transact(at(0x2000)));
    assert!(matches!(bench.transact(at(0x1000)), Response::Proceed(_)));
    let waiter = stalled(bench.transact(at(0x3000)));
    assert_eq!(
        (bench.r(("CBn_FSR", 3)), bench.r64(("CBn_FAR", 3))),
        (SS | 0x402, 0x2000)
    );
    bench.w(("CBn_FSR", 3), 0x2);
    bench.w(("CBn_RESUME", 3), TERMINATE);
    stalled(resume(&mut bench, waiter));
    assert_eq!(
        (bench.r(("CBn_FSR", 3)), bench.r64(("CBn_FAR", 3))),
        (SS | 0x402, 0x3000),
        "it is recorded now"
    );
}

/// Behaviour 27: CFCFG counts when the fault is taken.
#[test]
fn mode_is_sampled_at_the_fault() {
    let (mut bench, _) = bench(CFRE);
    let stall = stalled(bench.transact(at(0x2000)));
    bench.w(("CBn_SCTLR", 3), sctlr::CFRE | sctlr::M);
    let stall = stalled(resume(&mut bench, stall));
    bench.w(("CBn_FSR", 3), 0x2);
    bench.w(("CBn_RESUME", 3), RETRY);
    assert_eq!(resume(&mut bench, stall), Response::Abort, "sampled again");
    bench.w(("CBn_SCTLR", 3), sctlr::CFCFG | sctlr::CFRE | sctlr::M);
    assert_eq!(
        bench.transact(at(0x2000)),
        Response::Abort,
        "blocked: FSR is set and SS is not"
    );
}

/// Behaviour 60: STALLD terminates and CFCFG keeps its value.
#[test]
fn stalls_can_be_disabled() {
    let (mut bench, _) = bench(CFRE);
    bench.w("sCR0", scr0::STALLD);
    assert_eq!(bench.transact(at(0x2000)), Response::Abort);
    assert_eq!(bench.r(("CBn_FSR", 3)), 0x402);
    assert_eq!(bench.r(("CBn_SCTLR", 3)) & CFCFG, CFCFG);
}

/// Behaviour 28: a retry does not go through the stream table again; tables are read again.
#[test]
fn retry_starts_in_the_bank() {
    let (mut bench, mut tables) = bench(CFRE);
    let stall = stalled(bench.transact(at(0x2000)));
    bench.w(("S2CRn", 0), s2cr::KIND(2));
    tables.map(&bench.host.memory, 0x2000, 0x6000, 3, Tables::USER_RW);
    bench.w(("CBn_FSR", 3), 0x2);
    bench.w(("CBn_RESUME", 3), RETRY);
    assert!(matches!(resume(&mut bench, stall), Response::Proceed(_)));
    assert_eq!(bench.r("sGFSR"), 0);
}

/// Act of software on the bench.
type Act = fn(&mut Bench);

/// Behaviour 47: a write of CBAR or CBA2R is a retry; turning the bank or the SMMU off, or reset, ends what waits.
#[test]
fn nothing_strands_a_stall() {
    let off: [(&str, Act); 3] = [
        ("SCTLR.M", |bench| bench.w(("CBn_SCTLR", 3), 0)),
        ("CLIENTPD", |bench| bench.w("sCR0", 1)),
        ("reset", |bench| bench.smmu.reset(&mut bench.host)),
    ];
    for (name, act) in off {
        let (mut bench, _) = bench(0);
        let stall = stalled(bench.transact(at(0x2000)));
        let waiter = stalled(bench.transact(at(0x1000)));
        bench.w(("CBn_FSR", 3), 0x2);
        act(&mut bench);
        assert!(bench.host.resumed.contains(&3), "{name}");
        assert_eq!(bench.r(("CBn_FSR", 3)) & SS, 0, "{name}");
        for stall in [stall, waiter] {
            assert_eq!(resume(&mut bench, stall), Response::Abort, "{name}");
        }
    }
    for register in [0x00c, 0x80c] {
        let (mut bench, _) = bench(CFRE);
        let stall = stalled(bench.transact(at(0x2000)));
        bench.w(("CBn_FSR", 3), 0x2);
        let value = bench.r(Gr1(register));
        bench.w(Gr1(register), value);
        assert_eq!(bench.r(("CBn_FSR", 3)), 0x400);
        stalled(resume(&mut bench, stall));
        assert_eq!(bench.r(("CBn_FSR", 3)), SS | 0x402, "it walked, and stalls again");
    }
    // A bank that must not be used any more.
    let (mut bench, _) = bench(CFRE);
    let stall = stalled(bench.transact(at(0x2000)));
    bench.w(("CBn_FSR", 3), 0x2);
    bench.w(("CBARn", 3), 2 << 16);
    assert_eq!(resume(&mut bench, stall), Response::Ignore, "GFRE is clear");
    assert_eq!(bench.r("sGFSR"), 1, "ICF");
}

/// IHI 0062D §5.4.2: TLB maintenance and synchronisation do not wait for a stalled transaction.
#[test]
fn maintenance_does_not_wait() {
    let (mut bench, _) = bench(0);
    stalled(bench.transact(at(0x2000)));
    bench.w(("CBn_TLBIALL", 3), 0);
    bench.w(("CBn_TLBSYNC", 3), 0);
    bench.w("TLBIALLNSNH", 0);
    bench.w("sTLBGSYNC", 0);
    assert_eq!((bench.r(("CBn_TLBSTATUS", 3)), bench.r("sTLBGSTATUS")), (0, 0));
    assert_eq!(bench.r(("CBn_FSR", 3)), SS | 0x402);
}

/// FSRRESTORE can neither set nor clear SS.
#[test]
fn restore_does_not_stall() {
    let (mut bench, _) = bench(0);
    bench.w(("CBn_FSRRESTORE", 3), u32::MAX);
    assert_eq!(bench.r(("CBn_FSR", 3)), 0x8000_05fe);
}

#[derive(Clone, Debug)]
enum Op {
    Transact(u64),
    Ask(usize),
    Write(u64, u32),
    Global(u64, u32),
    Map(u64),
    Reset,
}

fn op() -> impl Strategy<Value = Op> {
    let sctlr = (0_u32..32).prop_map(|bits| bits >> 1 << 5 | u32::from(bits & 1 == 0));
    prop_oneof![
        6 => (1_u64..6).prop_map(|page| Op::Transact(page << 12)),
        4 => any::<usize>().prop_map(Op::Ask),
        3 => (0_u32..2).prop_map(|value| Op::Write(RESUME, value)),
        3 => prop_oneof![Just(2), Just(u32::MAX)].prop_map(|value| Op::Write(FSR, value)),
        1 => Just(Op::Write(0x5c, u32::MAX)),
        3 => sctlr.prop_map(|value| Op::Write(0, value)),
        1 => (0_u32..4).prop_map(|kind| Op::Global(0x100c, kind << 16)),
        1 => prop_oneof![Just(0), Just(1), Just(0x100)].prop_map(|value| Op::Global(0, value)),
        2 => (1_u64..6).prop_map(|page| Op::Map(page << 12)),
        1 => Just(Op::Reset),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// A transaction waits only while its bank has SS; when software has resumed the bank, nothing waits.
    #[test]
    fn no_sequence_strands_a_stall(ops in proptest::collection::vec(op(), 1..60)) {
        let (mut bench, mut tables) = bench(CFIE);
        let mut waiting: Vec<Stall> = Vec::new();
        for op in ops {
            match op {
                Op::Transact(address) => {
                    if let Response::Stall(stall) = bench.transact(at(address)) {
                        waiting.push(stall);
                    }
                }
                Op::Ask(which) => {
                    if !waiting.is_empty() {
                        let stall = waiting.swap_remove(which % waiting.len());
                        if let Response::Stall(stall) = resume(&mut bench, stall) {
                            prop_assert_eq!(bench.r(("CBn_FSR", stall.bank().into())) & SS, SS);
                            waiting.push(stall);
                        }
                    }
                }
                Op::Write(offset, value) => bench.w(Cb(3, offset), value),
                Op::Global(offset, value) => bench.w(Gr0(offset), value),
                Op::Map(address) => tables.map(&bench.host.memory, address, 0x5000, 3, Tables::USER_RW),
                Op::Reset => bench.smmu.reset(&mut bench.host),
            }
            let faults = bench.r(("CBn_FSR", 3)) & 0x8000_01fe != 0;
            let enabled = bench.r(("CBn_SCTLR", 3)) & CFIE != 0;
            prop_assert_eq!(bench.host.line(Line::Context(3)), faults && enabled);
        }
        for _ in 0..=waiting.len() {
            bench.w(("CBn_RESUME", 3), TERMINATE);
            waiting = waiting.into_iter().filter_map(|stall| match resume(&mut bench, stall) {
                Response::Stall(stall) => Some(stall),
                _ => None,
            }).collect();
        }
        prop_assert!(waiting.is_empty());
    }
}
