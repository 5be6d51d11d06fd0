// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A state that is saved and restored: both SMMUs go on alike. A state with changed values: an error, or an SMMU
//! that neither panics nor hangs.

use proptest::prelude::*;
use serde_json::Value;
use smmu_emu::testing::{Bench, Cb, Gr0, Gr1, Page, Tables};
use smmu_emu::{Intent, Line, MarkState, Response, SavedStall, Stall, State, StateError, Transaction};

const CONFIG: &str =
    "preset = \"smmuv2-generic\"\ntlb = \"normal\"\ntlb_entries = 6\npmu_groups = 2\npmu_counters = 3";
const PLAN: &str = r#"
seed = 7

[[delay]]
site = "global-sync"
probability = 60
time_us = { min = 1, max = 10 }

[[delay]]
site = "context-sync"
polls = 2
interval = 2

[[delay]]
site = "ats"
probability = 50
until = "go"
at_most_us = 5

[[delay]]
site = "interrupt"
probability = 50
time_us = 3

[[injection]]
kind = "unmapped"
address = 0x3000
stream = 1
probability = 25

[[injection]]
kind = "stale-tlb"
probability = 40

[[injection]]
kind = "register-value"
register = "sTLBGSTATUS"
value = 1
times = 20

[[injection]]
kind = "interrupt-stuck"
probability = 30
space = 2
"#;
/// AF, HAP = read and write, Normal write-back.
const HAP: u64 = 3 << 6 | 1 << 10 | 0xf << 2;
/// An intermediate page that stage 2 does not map.
const IPA: u64 = 0x12_3456_7000;
/// M, CFRE, CFIE, CFCFG.
const STALLS: u32 = 1 | 1 << 5 | 1 << 6 | 1 << 7;

/// An SMMU, and the transactions that wait.
struct World {
    bench: Bench,
    waiting: Vec<Stall>,
}

/// Stream 1 goes to bank 3, stream 2 to bank 1, which is nested in bank 2. All of them stall.
fn world() -> World {
    let mut bench = Bench::with_plan(CONFIG, PLAN);
    let memory = bench.host.memory.clone();
    let mut tables = Tables::of_bits(&memory, 12, 39);
    for page in 1..5 {
        tables.map(&memory, page << 12, page << 12, 3, Tables::USER_RW | Tables::NG);
    }
    tables.map(&memory, 0x8000, IPA, 3, Tables::USER_RW);
    let mut stage2 = Tables::of_bits_at(&memory, 12, 39, 0xa000_0000);
    stage2.map(&memory, 0x8000_0000, 0x8000_0000, 1, HAP);
    stage2.map(&memory, 0x1000, 0x5000, 3, HAP);
    for (bank, cbar) in [(3, 1 << 16), (1, 3 << 16 | 2 << 8)] {
        bench.w(Gr1(4 * bank), cbar);
        bench.w(Gr1(0x800 + 4 * bank), 1);
        bench.w(Cb(bank, 0x10), 5);
        bench.w(Cb(bank, 0x30), 1 << 23 | 25);
        bench.w64(Cb(bank, 0x20), tables.root() | bank << 48);
        bench.w(Cb(bank, 0x38), 0xff);
        bench.w(Cb(bank, 0x00), STALLS);
    }
    bench.w(Gr1(0x008), 7);
    bench.w(Gr1(0x808), 1);
    bench.w(Cb(2, 0x30), 5 << 16 | 1 << 6 | 25);
    bench.w64(Cb(2, 0x20), 0xa000_0000);
    bench.w(Cb(2, 0x00), STALLS);
    for (group, bank) in [(1, 3), (2, 1)] {
        bench.w(Gr0(0xc00 + 4 * group), bank);
        bench.w(
            Gr0(0x800 + 4 * group),
            1 << 31 | u32::try_from(group).expect("small"),
        );
    }
    for group in 0..2 {
        // Accesses and cycles count, and interrupt.
        bench.w(Page(3, 0x800 + 4 * group), 1 << 11);
        bench.w(Page(3, 0x400 + 12 * group), 0x10);
        bench.w(Page(3, 0x404 + 12 * group), 0);
    }
    bench.w(Page(3, 0xc00), 0x3f);
    bench.w(Page(3, 0xc40), 0x3f);
    bench.w(Page(3, 0xe04), 1);
    bench.w(Gr0(0), 1 << 1 | 1 << 2 | 1 << 10);
    World {
        bench,
        waiting: Vec::new(),
    }
}

/// Result of one operation.
type Seen = (u64, Option<Response>);

impl World {
    /// One operation, of many kinds.
    fn step(&mut self, time: u64, operation: u8, argument: u8) -> Seen {
        let Self { bench, waiting } = self;
        bench.host.time.set(time);
        bench.smmu.elapse(&mut bench.host);
        let bank = [1, 2, 3][usize::from(argument) % 3];
        let page = (u64::from(argument) % 10) << 12;
        let mut value = 0;
        let mut answer = None;
        match operation % 14 {
            0 => bench.w(Gr0(0x70), 0),
            1 => value = bench.r(Gr0(0x74)).into(),
            2 => bench.w(Cb(bank, 0x7f0), 0),
            3 => value = bench.r(Cb(bank, 0x7f4)).into(),
            // TLBIVA, TLBIASID.
            4 => bench.w64(Cb(3, 0x600), (u64::from(argument) % 5) | 3 << 48),
            5 => bench.w(Cb(bank, 0x610), 3),
            // ATS1PR.
            6 => bench.w64(Cb(bank, 0x800), page),
            7 => value = bench.r64(Cb(bank, 0x50)) ^ u64::from(bench.r(Cb(bank, 0x8f0))) << 60,
            // FSR, RESUME.
            8 => bench.w(Cb(bank, 0x58), u32::MAX),
            9 => bench.w(Cb(bank, 0x08), u32::from(argument) & 1),
            10 => {
                if let Some(stall) = waiting.pop() {
                    answer = Some(bench.smmu.resume(&mut bench.host, stall));
                }
            }
            11 => value = (bench.r(Page(3, 0)) ^ bench.r(Page(3, 0xcc0))).into(),
            _ => {
                answer = Some(bench.transact(Transaction {
                    stream_id: 1 + u16::from(argument & 1),
                    address: page | 8,
                    intent: Intent {
                        write: argument & 0x20 != 0,
                        ..Intent::default()
                    },
                }));
            }
        }
        if let Some(Response::Stall(_)) = answer
            && let Some(Response::Stall(stall)) = answer.take()
        {
            value = 1 << 40 | u64::from(stall.bank());
            waiting.insert(0, stall);
        }
        (value, answer)
    }

    fn saved(&self) -> (State, Vec<SavedStall>) {
        let smmu = &self.bench.smmu;
        let waiting = self.waiting.iter().map(|stall| smmu.save_stall(stall));
        (smmu.save(&self.bench.host), waiting.collect())
    }

    /// Another SMMU that goes on from here, by way of a text, with a host that is where this one is.
    fn copy(&self) -> Self {
        let saved = self.saved();
        let text = serde_json::to_string(&saved).expect("a state is plain data");
        let (state, waiting): (State, Vec<SavedStall>) =
            serde_json::from_str(&text).expect("what was written");
        assert_eq!(state, saved.0);
        let mut bench = Bench::with_plan(CONFIG, "");
        bench.host.memory = self.bench.host.memory.clone();
        bench.host.time = self.bench.host.time.clone();
        bench.host.marks = self.bench.host.marks.clone();
        bench.smmu.restore(&mut bench.host, &state).expect("it fits");
        let restored = waiting
            .iter()
            .map(|stall| bench.smmu.restore_stall(stall).expect("it waits"));
        Self {
            waiting: restored.collect(),
            bench,
        }
    }

    /// From here on.
    fn forget(&mut self) {
        let host = &mut self.bench.host;
        host.traced = true;
        host.events.clear();
        host.line_calls.clear();
        host.injected.clear();
        host.resumed.clear();
        host.wakes.clear();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_go_on_alike(
        before in prop::collection::vec((any::<u8>(), any::<u8>()), 0..200),
        after in prop::collection::vec((any::<u8>(), any::<u8>()), 0..100),
    ) {
        let mut world = world();
        let mut time = 0;
        for (operation, argument) in before {
            time += u64::from(argument) * 16;
            world.step(time, operation, argument);
        }
        let mut copy = world.copy();
        prop_assert_eq!(copy.saved(), world.saved());
        prop_assert_eq!(copy.bench.host.high(), world.bench.host.high());
        world.forget();
        copy.forget();
        for (n, (operation, argument)) in after.into_iter().enumerate() {
            time += u64::from(argument) * 16;
            if n == 50 {
                world.bench.host.marks.insert("go".into());
                copy.bench.host.marks.insert("go".into());
            }
            prop_assert_eq!(copy.step(time, operation, argument), world.step(time, operation, argument));
        }
        prop_assert_eq!(copy.saved(), world.saved());
        let (host, other) = (&world.bench.host, &copy.bench.host);
        prop_assert_eq!(&other.events, &host.events);
        prop_assert_eq!(&other.line_calls, &host.line_calls);
        prop_assert_eq!(&other.injected, &host.injected);
        prop_assert_eq!(&other.resumed, &host.resumed);
        prop_assert_eq!(&other.wakes, &host.wakes);
    }

    /// A state with any contents is refused, or the SMMU goes on without a panic.
    #[test]
    fn a_state_from_anywhere(
        before in prop::collection::vec((any::<u8>(), any::<u8>()), 0..100),
        changes in prop::collection::vec((any::<prop::sample::Index>(), hostile()), 1..4),
        after in prop::collection::vec((any::<u8>(), any::<u8>()), 0..50),
    ) {
        let mut world = world();
        for (n, (operation, argument)) in (0..).zip(before) {
            world.step(n * 1000, operation, argument);
        }
        let mut value = serde_json::to_value(world.saved()).expect("plain data");
        for (at, new) in changes {
            let mut numbers = Vec::new();
            leaves(&mut value, &mut numbers);
            let at = at.index(numbers.len().max(1));
            if let Some(leaf) = numbers.get_mut(at) {
                **leaf = new;
            }
        }
        let Ok((state, waiting)) = serde_json::from_value::<(State, Vec<SavedStall>)>(value) else {
            return Ok(());
        };
        let mut other = World { bench: Bench::with_plan(CONFIG, ""), waiting: Vec::new() };
        other.bench.host.memory = world.bench.host.memory.clone();
        let before = other.bench.smmu.save(&other.bench.host);
        let taken = other.bench.smmu.restore(&mut other.bench.host, &state);
        if taken.is_err() {
            prop_assert_eq!(other.bench.smmu.save(&other.bench.host), before, "whole or not at all");
            return Ok(());
        }
        other.waiting.extend(waiting.iter().filter_map(|stall| other.bench.smmu.restore_stall(stall).ok()));
        for (n, (operation, argument)) in (0..).zip(after) {
            other.step(n * 1000, operation, argument);
        }
        other.bench.smmu.reset(&mut other.bench.host);
    }
}

/// Values that are not expected.
fn hostile() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(u64::MAX.into()),
        Just(u32::MAX.into()),
        Just((1_u64 << 63).into()),
        (0_u64..300).prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (0_u32..64).prop_map(|bit| (1_u64 << bit).into()),
        any::<bool>().prop_map(Into::into),
        Just("SMRn".into()),
        Just((-1).into()),
    ]
}

/// All that is neither an array nor an object.
fn leaves<'a>(value: &'a mut Value, found: &mut Vec<&'a mut Value>) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|value| leaves(value, found)),
        Value::Object(all) => all.values_mut().for_each(|value| leaves(value, found)),
        leaf => found.push(leaf),
    }
}

/// The form of version 2. A change of it needs another number ([`smmu_emu::STATE_VERSION`]).
#[test]
fn the_form_of_a_state() {
    let mut world = world();
    for (n, operation) in [13, 0, 2, 6, 13, 8, 13].into_iter().enumerate() {
        let argument = [1, 0, 0, 8, 0, 2, 6];
        world.step(n as u64 * 1000, operation, argument[n]);
    }
    let (state, waiting) = world.saved();
    assert_eq!(smmu_emu::STATE_VERSION, 2);
    insta::assert_snapshot!(serde_json::to_string_pretty(&(state, waiting)).expect("plain data"));
}

#[test]
fn a_state_of_another_configuration_is_refused() {
    let state = world().saved().0;
    let mut other = Bench::new("preset = \"smmuv2-generic\"\ncontext_banks = 8");
    let error = other
        .smmu
        .restore(&mut other.host, &state)
        .expect_err("eight banks");
    assert_eq!(
        error,
        StateError::Configuration {
            field: "context_banks",
            saved: "16".into(),
            here: "8".into()
        }
    );
    assert_eq!(
        error.to_string(),
        "the state is of an SMMU with context_banks = 16, and this one has 8"
    );
}

#[test]
fn a_state_of_another_version_says_so() {
    let mut value = serde_json::to_value(world().saved().0).expect("plain data");
    value["version"] = 1.into();
    let error = serde_json::from_value::<State>(value).expect_err("version 1 is another one");
    assert!(
        error
            .to_string()
            .contains("of version 1, and this build reads version 2"),
        "{error}"
    );
}

/// A transaction that waits belongs to the state in which it began to.
#[test]
fn what_waited_before_a_restore_aborts() {
    let mut world = world();
    let early = world.saved().0;
    // Page 6 is not mapped.
    world.step(0, 13, 6);
    let saved = world.saved();
    let smmu = &mut world.bench.smmu;
    smmu.restore(&mut world.bench.host, &early)
        .expect("its own state");
    assert!(smmu.restore_stall(&saved.1[0]).is_err(), "nothing waited then");
    let stall = world.waiting.pop().expect("it waits");
    assert_eq!(smmu.resume(&mut world.bench.host, stall), Response::Abort);
    smmu.restore(&mut world.bench.host, &saved.0)
        .expect("its own state");
    let again = smmu.restore_stall(&saved.1[0]).expect("it waited then");
    assert!(matches!(
        smmu.resume(&mut world.bench.host, again),
        Response::Stall(_)
    ));
}

#[test]
fn marks_are_as_far_as_they_were() {
    let rule = |name: &str| toml::from_str(&format!("name = \"{name}\"")).expect("a rule");
    let mut marks = smmu_emu::Marks::new(vec![rule("a"), rule("b")], &[]).expect("valid");
    marks.raise(1);
    let saved = marks.save();
    marks.raise(0);
    marks.restore(&saved).expect("the same marks");
    assert_eq!((marks.is_raised("a"), marks.is_raised("b")), (false, true));
    let other = MarkState {
        name: "c".into(),
        seen: 0,
        raised: true,
    };
    let error = marks.restore(&[other]).expect_err("no such mark");
    assert_eq!(error.to_string(), "mark `c`: `name` is no mark of this run");
}

/// Groups that are live out of reset belong to the state: the other SMMU may have none.
#[test]
fn live_groups_are_those_of_the_state() {
    let groups = |ids: &[u16]| {
        let one = |id: &u16| format!("{{ stream_id = {id}, mask = 0 }}");
        let all: Vec<String> = ids.iter().map(one).collect();
        format!("preset = \"mmu-500\"\nlive_groups = [{}]", all.join(", "))
    };
    for (saved, here) in [
        (vec![0x40], vec![]),
        (vec![], vec![0x40]),
        (vec![0x40], vec![0x50]),
    ] {
        let mut from = Bench::new(&groups(&saved));
        let mut to = Bench::new(&groups(&here));
        let state = from.smmu.save(&from.host);
        to.smmu.restore(&mut to.host, &state).expect("one configuration");
        for register in [Gr0(0x800), Gr0(0xc00)] {
            assert_eq!(to.r(register), from.r(register), "{saved:x?}, {here:x?}");
        }
        assert_eq!(to.smmu.save(&to.host), state);
    }
}

/// An interrupt that is late until a mark which is there by now, and accesses that wait: the host is called for both.
#[test]
fn a_host_is_called_for_what_waits() {
    let plan = "[[delay]]\nsite = \"interrupt\"\nuntil = \"go\"\nat_most_us = 60000000";
    let config = "preset = \"smmuv2-generic\"\ncontext_banks = 3";
    let mut early = Bench::with_plan(config, plan);
    early.host.time.set(1_000);
    // GFRE, GFIE; a global fault.
    early.w(Gr0(0), 1 << 1 | 1 << 2);
    early.w(Gr0(0x4c), 2);
    let deadline = 60_000_001_000;
    assert_eq!(early.host.wakes, [deadline]);
    let state = early.smmu.save(&early.host);
    let mut late = Bench::new(config);
    late.host.time.set(5_000);
    late.host.resumed.clear();
    late.smmu.restore(&mut late.host, &state).expect("its own");
    // As far away as it was.
    assert_eq!(late.host.wakes, [deadline + 4_000]);
    assert_eq!(late.host.resumed, [0, 1, 2]);
    late.host.wakes.clear();
    late.host.marks.insert("go".into());
    late.smmu.restore(&mut late.host, &state).expect("its own");
    assert_eq!(late.host.wakes, [deadline + 4_000, 5_000]);
    late.smmu.elapse(&mut late.host);
    assert!(late.host.line(Line::Global));
}

/// Lookups pass over the entries of a chain, so a chain is no longer than this TLB would make it.
#[test]
fn chains_are_as_long_as_the_mode_makes_them() {
    for (mode, longest) in [("normal", 32), ("strict-stale", 4096)] {
        let config = format!("preset = \"smmuv2-generic\"\ntlb = \"{mode}\"\ntlb_entries = 8192");
        let mut bench = Bench::new(&config);
        let mut tables = Tables::of_bits(&bench.host.memory, 12, 39);
        tables.map(
            &bench.host.memory,
            0x1000,
            0x1000,
            3,
            Tables::USER_RW | Tables::NG,
        );
        bench.route(1, 3);
        bench.stage1(3, &tables, 0, 1);
        bench.w(Gr0(0), 0);
        let transaction = Transaction {
            stream_id: 1,
            address: 0x1000,
            intent: Intent::default(),
        };
        assert!(matches!(bench.transact(transaction), Response::Proceed(_)));
        let saved = serde_json::to_value(bench.smmu.save(&bench.host)).expect("plain data");
        for (length, taken) in [(longest, true), (longest + 1, false)] {
            let mut value = saved.clone();
            let entries = &mut value["tlb"]["leaves"]["entries"];
            assert_eq!(entries.as_array().map(Vec::len), Some(1), "{saved}");
            let one = entries[0].clone();
            *entries = (0..length)
                .map(|n| {
                    let mut entry = one.clone();
                    entry["at"] = n.into();
                    entry["asid"] = n.into();
                    entry
                })
                .collect();
            let state: State = serde_json::from_value(value).expect("a state");
            assert_eq!(bench.smmu.check_state(&state).is_ok(), taken, "{mode}, {length}");
        }
    }
}
