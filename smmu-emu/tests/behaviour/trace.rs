// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Events that a host is told when it traces.

use smmu_emu::Origin;
use smmu_emu::events::{End, Event, Outcome};
use smmu_emu::fault::Cause;
use smmu_emu::inspect::fields_of;
use smmu_emu::testing::fields::{scr0, smr};
use smmu_emu::testing::{Bench, Gr0, Tables};
use smmu_emu::{Fault, Intent, Line, Response, Transaction};

const CFIE: u32 = 1 << 6;
const CFCFG: u32 = 1 << 7;

/// Stream 1 goes to bank 3, where 0x1000 and 0x2000 are mapped; translations are kept.
fn bench(sctlr: u32) -> Bench {
    bench_with_tlb("normal", sctlr)
}

fn bench_with_tlb(tlb: &str, sctlr: u32) -> Bench {
    let mut bench = Bench::with_plan(
        &format!("preset = \"smmuv2-generic\"\ntlb = \"{tlb}\""),
        "[[delay]]\nsite = \"global-sync\"\npolls = 1",
    );
    let mut tables = Tables::of_bits(&bench.host.memory, 12, 48);
    tables.map(&bench.host.memory, 0x1000, 0x5000, 3, Tables::USER_RW);
    bench.route(1, 3);
    bench.stage1(3, &tables, 0, 1 | sctlr);
    bench.w("sCR0", 0);
    bench.host.traced = true;
    bench
}

fn at(stream_id: u16, address: u64) -> Transaction {
    Transaction {
        stream_id,
        address,
        intent: Intent::default(),
    }
}

/// Events since the last call, in short.
fn told(bench: &mut Bench) -> Vec<String> {
    let events = std::mem::take(&mut bench.host.events);
    events.iter().map(|(_, event)| short(event)).collect()
}

fn short(event: &Event) -> String {
    match event {
        Event::Access(accessed) => {
            let change = accessed.change.map(|change| (change.before, change.after));
            let access = accessed.access;
            format!("{:?} {} {:x} {change:x?}", access.kind, access.name, access.value)
        }
        Event::Translation(translated) => {
            let who = match translated.origin {
                Origin::Client => translated.transaction.stream_id.to_string(),
                Origin::Operation => "operation".into(),
            };
            let from = if translated.walked { "walk" } else { "tlb" };
            let address = translated.transaction.address;
            format!(
                "{who} {address:x} {:?} {from} {:x?}",
                translated.bank, translated.outcome
            )
        }
        Event::Fault(recorded) => {
            let what = match recorded.fault {
                Fault::Global(fault) => format!("{:?}", fault.cause),
                Fault::Context(fault) => format!("{:?} in {}", fault.cause, fault.bank),
                other => panic!("{other:?} is not recorded"),
            };
            let (multiple, stalled) = (recorded.multiple, recorded.stalled);
            format!("fault {what} multiple={multiple} stalled={stalled}")
        }
        other => format!("{other:x?}"),
    }
}

#[test]
fn writes_say_what_they_changed() {
    let mut bench = bench(0);
    bench.w(("SMRn", 1), smr::VALID | smr::MASK(1) | smr::ID(2));
    bench.w(("SMRn", 1), smr::VALID | smr::MASK(1) | smr::ID(3));
    bench.r(("SMRn", 1));
    bench.w(Gr0(0x3ff0), 1);
    let Some((_, Event::Access(second))) = bench.host.events.get(1).copied() else {
        panic!("{:?}", bench.host.events);
    };
    let id = |value| {
        let fields = fields_of(&second, value);
        fields
            .into_iter()
            .find(|(name, _)| name == "id")
            .map(|(_, id)| id)
    };
    let change = second.change.expect("a write of a register");
    assert!(second.whole);
    assert_eq!(
        (id(change.before), id(change.after)),
        (Some("2".into()), Some("3".into()))
    );
    let expected = [
        "Write SMRn 80010002 Some((0, 80010002))",
        "Write SMRn 80010003 Some((80010002, 80010003))",
        "Read SMRn 80010003 None",
        "Write RESERVED 1 None",
    ];
    assert_eq!(told(&mut bench), expected);
}

#[test]
fn translations_come_from_a_walk_then_from_the_tlb() {
    let mut bench = bench(0);
    bench.transact(at(1, 0x1008));
    bench.transact(at(1, 0x1010));
    bench.w64(("CBn_ATS1PR", 3), 0x1000);
    assert!(
        bench.smmu.translate(&bench.host, &at(1, 0x1000)).is_ok(),
        "told to nobody"
    );
    let expected = [
        "1 1008 Some(3) walk Translated { address: 5008 }",
        "1 1010 Some(3) tlb Translated { address: 5010 }",
        "operation 1000 Some(3) tlb Translated { address: 5000 }",
        "Write CBn_ATS1PR 1000 Some((0, 0))",
    ];
    assert_eq!(told(&mut bench), expected);
}

#[test]
fn without_a_tlb_every_translation_walks() {
    let mut bench = bench_with_tlb("off", 0);
    for _ in 0..2 {
        bench.transact(at(1, 0x1008));
    }
    let walk = "1 1008 Some(3) walk Translated { address: 5008 }";
    assert_eq!(told(&mut bench), [walk, walk]);
}

#[test]
fn faults_lines_and_stalls() {
    let mut bench = bench(CFIE | CFCFG);
    let Response::Stall(stall) = bench.transact(at(1, 0x7000)) else {
        panic!("it does not stall");
    };
    bench.w(("CBn_FSR", 3), 2);
    bench.w(("CBn_RESUME", 3), 1);
    assert_eq!(bench.smmu.resume(&mut bench.host, stall), Response::Ignore);
    let expected = [
        "fault Translation in 3 multiple=false stalled=true",
        "Line { line: Context(3), level: true }",
        "1 7000 Some(3) walk Refused { cause: Context { cause: Translation, level: 3 }, end: Stall }",
        "Line { line: Context(3), level: false }",
        "Write CBn_FSR 2 Some((40000402, 40000400))",
        "Write CBn_RESUME 1 Some((0, 0))",
        "1 7000 Some(3) tlb Refused { cause: Ended, end: Ignore }",
    ];
    assert_eq!(told(&mut bench), expected);
    bench.transact(at(7, 0));
    bench.w("sCR0", scr0::USFCFG | scr0::GFRE);
    for _ in 0..2 {
        bench.transact(at(7, 0));
    }
    let refused = |end: End| {
        let cause = Cause::Global(smmu_emu::fault::GlobalCause::UnidentifiedStream);
        format!("7 0 None tlb {:x?}", Outcome::Refused { cause, end })
    };
    let events = told(&mut bench);
    let expected = [
        "7 0 None tlb Translated { address: 0 }".to_owned(),
        "Write sCR0 402 Some((0, 402))".to_owned(),
        "fault UnidentifiedStream multiple=false stalled=false".to_owned(),
        refused(End::Abort),
        "fault UnidentifiedStream multiple=true stalled=false".to_owned(),
        refused(End::Abort),
    ];
    assert_eq!(events, expected);
    assert!(!bench.host.line(Line::Global));
}

#[test]
fn delays_come_before_the_write_that_they_hit_and_resets_before_the_lines() {
    let mut bench = bench(CFIE);
    bench.w("sTLBGSYNC", 0);
    bench.transact(at(1, 0x7000));
    bench.host.events.truncate(2);
    bench.smmu.reset(&mut bench.host);
    let expected = [
        "Injected(Injected { what: Delay(GlobalSync), rule: 1, operation: 1, verbose: 2, at: InjectionPoint { \
         bank: None, stream: None, address: None, descriptor: None, register: None, index: None, line: None } })",
        "Write sTLBGSYNC 0 Some((0, 0))",
        "Reset",
        "Line { line: Context(3), level: false }",
    ];
    assert_eq!(told(&mut bench), expected);
}

#[test]
fn a_host_that_does_not_trace_is_told_nothing() {
    let mut bench = bench(CFIE | CFCFG);
    bench.host.traced = false;
    bench.w("sTLBGSYNC", 0);
    bench.transact(at(1, 0x7000));
    bench.smmu.reset(&mut bench.host);
    assert_eq!(bench.host.events, []);
}
