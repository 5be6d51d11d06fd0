// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Faults and delays of a real server, from the control socket to what a guest would see.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use integration_tests::qmp::QmpClient;
use integration_tests::raw::{RawClient, words};
use integration_tests::served::{MSIX, Served, region, registers, wait_raised};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_server-under-test");
/// Timeout of QEMU in [`Case::patient`].
const TIMEOUT_MS: u64 = 70_000;
/// A reply that nothing ends waits for so long: four fifths of that.
const BOUND_US: u64 = 56_000_000;
const BOUND: Duration = Duration::from_micros(BOUND_US);

/// Two SMMUs, a guest at each and a control client.
struct Case {
    served: Served,
    control: QmpClient,
    a: RawClient,
    b: RawClient,
}

impl Case {
    fn new() -> Self {
        Self::with("")
    }

    /// Replies may wait for longer than any that should come takes on a busy machine.
    fn patient() -> Self {
        Self::with(&format!("message_timeout_ms = {TIMEOUT_MS}\n"))
    }

    fn with(more: &str) -> Self {
        let served = Served::controlled(Path::new(PROGRAM), &["a", "b"], more).unwrap();
        Self {
            control: QmpClient::negotiated(&served.control()).unwrap(),
            a: RawClient::negotiated(&served.socket("a")).unwrap(),
            b: RawClient::negotiated(&served.socket("b")).unwrap(),
            served,
        }
    }

    fn ask(&mut self, command: &str, arguments: Value) -> Value {
        self.control.execute(command, arguments).unwrap()
    }

    fn refused(&mut self, command: &str, arguments: Value) -> String {
        self.control.execute(command, arguments).unwrap_err().to_string()
    }

    fn end(mut self) {
        drop((self.control, self.a, self.b));
        self.served.check(&["a", "b"]).unwrap();
    }
}

#[test]
fn a_fault_is_added_seen_by_the_guest_replayed_and_removed() {
    let mut case = Case::new();
    let idr0 = case.a.read32(region::BAR0, registers::IDR0).unwrap();
    let rule = json!({
        "smmu": "a", "kind": "register-value", "register": "IDR0", "value": "0xffffffff", "probability": 20,
    });
    let number = case.ask("injection-add", rule)["injection"].clone();
    let read = |case: &mut Case| case.a.read32(region::BAR0, registers::IDR0).unwrap() != idr0;
    let hits: Vec<bool> = (0..50).map(|_| read(&mut case)).collect();
    let first = hits.iter().position(|&hit| hit).expect("50 times 20 percent") + 1;
    let fired = case.control.event("FAULT_FIRED").unwrap();
    assert_eq!(
        (
            &fired["smmu"],
            &fired["fault"],
            &fired["kind"],
            &fired["register"]
        ),
        (&json!("a"), &number, &json!("register-value"), &json!("IDR0"))
    );
    assert_eq!(fired["operation"], first);
    let listed = case.ask("injection-list", json!({}));
    assert_eq!(listed[0]["rule"]["register"], "IDR0");
    assert_eq!((&listed[0]["injection"], &listed[0]["fault"]), (&number, &number));
    assert_eq!(case.ask("fault-list", json!({})), listed, "the old name");
    let count = hits.iter().filter(|&&hit| hit).count();
    assert_eq!(
        (&listed[0]["operation"], &listed[0]["hits"]),
        (&json!(50), &json!(count))
    );
    let counters = case.ask("counters", json!({ "smmu": "a" }));
    assert_eq!(counters[0]["faults"][0]["hits"], count);
    // A power cycle begins the plan again: the same hits.
    case.ask("reset", json!({ "smmu": "a" }));
    let again: Vec<bool> = (0..50).map(|_| read(&mut case)).collect();
    assert_eq!(again, hits);
    case.ask("injection-remove", json!({ "smmu": "a", "injection": number }));
    assert!(
        case.refused("fault-remove", json!({ "smmu": "a", "fault": number }))
            .contains("has no injection 1")
    );
    let replay = json!({
        "smmu": "a", "kind": "register-value", "register": "IDR0", "value": "0xffffffff", "nth": first,
    });
    case.ask("fault-add", replay);
    let replayed: Vec<bool> = (0..50).map(|_| read(&mut case)).collect();
    assert_eq!(replayed.iter().position(|&hit| hit), Some(first - 1));
    assert_eq!(replayed.iter().filter(|&&hit| hit).count(), 1);
    case.end();
}

#[test]
fn a_block_without_power_and_mistakes_in_rules() {
    let mut case = Case::new();
    case.ask(
        "fault-add",
        json!({ "smmu": "b", "kind": "register-ones", "before": "guest" }),
    );
    assert_eq!(case.b.read32(region::BAR0, registers::IDR1).unwrap(), u32::MAX);
    assert_ne!(case.a.read32(region::BAR0, registers::IDR1).unwrap(), u32::MAX);
    case.b.write32(region::BAR2, 0, 1).unwrap();
    assert_ne!(case.b.read32(region::BAR0, registers::IDR1).unwrap(), u32::MAX);
    // In the next run no mark is raised.
    case.ask("fault-remove", json!({ "smmu": "b", "fault": 1 }));
    for (rule, problem) in [
        (json!({ "smmu": "a", "kind": "no-such" }), "no-such"),
        (
            json!({ "smmu": "a", "kind": "unmapped", "frame": "gr0" }),
            "`frame` does not apply",
        ),
        (
            json!({ "smmu": "a", "kind": "unmapped", "after": "x" }),
            "no mark of this run",
        ),
        (json!({ "smmu": "a", "kind": "unmapped", "addres": 1 }), "addres"),
        (json!({ "kind": "unmapped" }), "`smmu` is missing"),
    ] {
        let error = case.refused("fault-add", rule);
        assert!(error.contains(problem), "{error}");
    }
    case.end();
}

#[test]
fn the_whole_plan_is_one_text_with_its_seed() {
    let mut case = Case::new();
    assert_eq!(case.ask("query-status", json!({}))["seed"], 1);
    case.ask(
        "delay-add",
        json!({ "smmu": "a", "site": "interrupt", "time_us": { "mean": 5, "max": 50 } }),
    );
    case.ask(
        "fault-add",
        json!({ "smmu": "b", "kind": "walk-corrupt", "level": 3, "xor": "0x8000000000000000" }),
    );
    let text = case.ask("plan-save", json!({}))["text"].clone();
    assert!(text.as_str().unwrap().starts_with("seed = 1\n"), "{text}");
    let other = text.as_str().unwrap().replace("seed = 1", "seed = 9");
    let loaded = case.ask("plan-load", json!({ "text": other }));
    assert_eq!(loaded, json!({ "delays": 1, "faults": 1, "seed": 9 }));
    assert_eq!(case.ask("query-status", json!({}))["seed"], 9);
    assert_eq!(case.ask("plan-save", json!({}))["text"], other);
    let smmus = case.ask("query-smmus", json!({}));
    assert_eq!((&smmus[0]["delays"], &smmus[1]["faults"]), (&json!(1), &json!(1)));
    assert!(case.served.log().contains("seed 1"), "{}", case.served.log());
    case.end();
}

#[test]
fn a_late_reply_holds_up_its_guest_and_nobody_else() {
    let mut case = Case::patient();
    let stall = json!({
        "smmu": "a", "site": "register", "register": "sCR0", "access": "write", "times": 1, "until": "guest",
        "at_most_us": BOUND_US,
    });
    case.ask("delay-add", stall);
    let Case { control, a, b, .. } = &mut case;
    std::thread::scope(|scope| {
        let late = scope.spawn(move || a.write32(region::BAR0, registers::SCR0, 1).unwrap());
        assert_eq!(control.event("DELAY_FIRED").unwrap()["register"], "sCR0");
        b.read32(region::BAR0, registers::IDR0).unwrap();
        let scr0 = control
            .execute("register-read", json!({ "smmu": "a", "name": "sCR0" }))
            .unwrap();
        assert_eq!(scr0["fields"]["clientpd"], true);
        assert!(!late.is_finished(), "the others waited for the reply");
        control.execute("mark-raise", json!({ "mark": "guest" })).unwrap();
        late.join().unwrap();
    });
    let stall =
        json!({ "smmu": "b", "site": "register", "register": "IDR0", "time_us": 300_000, "times": 1 });
    case.ask("delay-add", stall);
    let begin = Instant::now();
    case.b.read32(region::BAR0, registers::IDR0).unwrap();
    assert!(
        begin.elapsed() >= Duration::from_millis(300),
        "{:?}",
        begin.elapsed()
    );
    case.end();
}

/// QEMU's own timeout, unless the configuration has another one.
#[test]
fn no_reply_waits_for_more_than_four_seconds_by_itself() {
    let mut case = Case::new();
    let stall = |us: u64| json!({ "smmu": "a", "site": "register", "register": "IDR0", "time_us": us });
    let refused = case.refused("delay-add", stall(4_000_001));
    assert!(refused.contains("after 5000 ms"), "{refused}");
    let number = case.ask("delay-add", stall(4_000_000))["delay"].clone();
    case.ask("delay-remove", json!({ "smmu": "a", "delay": number }));
    case.end();
}

#[test]
fn a_reply_waits_for_a_mark_and_never_longer_than_qemu() {
    let mut case = Case::patient();
    let stall = |bound: u64| {
        json!({
            "smmu": "a", "site": "register", "register": "IDR0", "until": "guest", "at_most_us": bound,
        })
    };
    let refused = case.refused("delay-add", stall(BOUND_US + 1));
    assert!(refused.contains("x-msg-timeout"), "{refused}");
    let text = format!(
        "[[smmu]]\nname = \"a\"\n[[smmu.delay]]\nsite = \"register\"\nregister = \"IDR0\"\ntime_us = {}\n",
        BOUND_US + 1
    );
    assert!(
        case.refused("plan-load", json!({ "text": text }))
            .contains("x-msg-timeout")
    );
    case.ask("delay-add", stall(BOUND_US));
    let Case { control, a, .. } = &mut case;
    std::thread::scope(|scope| {
        let begin = Instant::now();
        let late = scope.spawn(move || {
            a.read32(region::BAR0, registers::IDR0).unwrap();
            begin.elapsed()
        });
        let warning = control.event("STALL_NEAR_TIMEOUT").unwrap();
        assert_eq!(
            (&warning["smmu"], &warning["register"], &warning["timeout"]),
            (&json!("a"), &json!("IDR0"), &json!(TIMEOUT_MS))
        );
        // Less the time since the access, of which there is a warning only if half of the timeout is left.
        let wait = warning["milliseconds"].as_u64().unwrap();
        assert!((TIMEOUT_MS / 2..=BOUND_US / 1000).contains(&wait), "{wait}");
        assert!(!late.is_finished());
        control.execute("mark-raise", json!({ "mark": "guest" })).unwrap();
        let late = late.join().unwrap();
        assert!(late < BOUND, "{late:?}");
    });
    // Nor does what another client writes delay the guest.
    case.ask(
        "delay-add",
        json!({ "smmu": "a", "site": "register", "register": "sCR0", "access": "write", "time_us": BOUND_US }),
    );
    let begin = Instant::now();
    case.ask(
        "register-write",
        json!({ "smmu": "a", "name": "sCR0", "value": 1 }),
    );
    case.a.read32(region::BAR0, registers::SCR0).unwrap();
    assert!(begin.elapsed() < BOUND);
    // No reply waits, so there is no warning of one.
    assert_eq!(case.served.log().matches("QEMU gives up").count(), 1);
    // What follows waits for none of that.
    case.ask("plan-load", json!({ "text": "" }));
    case.end();
}

/// A message of many writes has one reply, which waits for the latest of theirs.
#[test]
fn the_reply_to_many_writes_is_as_late_as_the_latest() {
    const LATE: Duration = Duration::from_millis(300);
    let mut case = Case::new();
    for (register, index, delay) in [("SMRn", 0, LATE), ("SMRn", 1, Duration::from_millis(1))] {
        let time_us = u64::try_from(delay.as_micros()).unwrap();
        case.ask(
            "delay-add",
            json!({
                "smmu": "a", "site": "register", "register": register, "index": index, "access": "write",
                "time_us": time_us,
            }),
        );
    }
    let write = |group: u32| {
        words(&[
            u32::try_from(registers::SMR0).unwrap() + 4 * group,
            0,
            region::BAR0,
            4,
            7,
            0,
        ])
    };
    for order in [[0, 1], [1, 0]] {
        let payload = [2_u64.to_ne_bytes().to_vec(), write(order[0]), write(order[1])].concat();
        let begin = Instant::now();
        let reply = case.a.call(15, &payload).unwrap();
        assert_eq!(reply.payload, 2_u64.to_ne_bytes());
        assert!(begin.elapsed() >= LATE, "{order:?}: {:?}", begin.elapsed());
    }
    case.end();
}

#[test]
fn a_server_ends_while_a_reply_waits() {
    let mut case = Case::patient();
    let stall = json!({
        "smmu": "a", "site": "register", "register": "IDR0", "time_us": BOUND_US,
    });
    case.ask("delay-add", stall);
    let Case {
        mut served,
        mut control,
        mut a,
        ..
    } = case;
    let reader = std::thread::spawn(move || a.read32(region::BAR0, registers::IDR0));
    control.event("DELAY_FIRED").unwrap();
    let begin = Instant::now();
    control.execute("quit", json!({})).unwrap();
    let status = served.wait().unwrap();
    assert!(begin.elapsed() < BOUND, "{:?}", begin.elapsed());
    served.is_clean(status).unwrap();
    drop(reader.join().unwrap());
}

/// Lets global faults interrupt and raises one; the time until the interrupt is there.
fn interrupt(guest: &mut RawClient) -> Duration {
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap();
    let assign = words(&[20, 0x24, MSIX, 0, 1]);
    assert!(guest.call_with_fds(8, &assign, &[event.as_fd()]).unwrap().is_ok());
    guest
        .write32(region::BAR0, registers::SCR0, registers::SCR0_GFIE)
        .unwrap();
    let begin = Instant::now();
    guest.write32(region::BAR0, registers::SGFSRRESTORE, 2).unwrap();
    wait_raised(&event).unwrap();
    begin.elapsed()
}

#[test]
fn an_interrupt_comes_late_or_with_a_mark() {
    let mut case = Case::new();
    case.ask(
        "delay-add",
        json!({ "smmu": "a", "site": "interrupt", "line": "global", "time_us": 300_000, "times": 1 }),
    );
    let trace = case.served.directory().join("late.ndjson");
    case.ask("trace-start", json!({ "smmu": "a", "path": trace }));
    let late = interrupt(&mut case.a);
    assert!(late >= Duration::from_millis(300), "{late:?}");
    case.ask("trace-stop", json!({ "smmu": "a" }));
    let trace = std::fs::read_to_string(trace).unwrap();
    let rises = trace
        .lines()
        .filter(|line| line.contains("\"line\":\"global\",\"level\":true"));
    assert_eq!(rises.count(), 1, "{trace}");
    assert_eq!(case.control.event("DELAY_FIRED").unwrap()["line"], "global");
    case.ask(
        "delay-add",
        json!({ "smmu": "b", "site": "interrupt", "until": "guest", "at_most_us": 60_000_000 }),
    );
    let Case { control, b, .. } = &mut case;
    let is_raised = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let is_raised = &is_raised;
        scope.spawn(move || {
            interrupt(b);
            assert!(is_raised.load(Ordering::SeqCst), "it came before the mark");
        });
        control.event("DELAY_FIRED").unwrap();
        is_raised.store(true, Ordering::SeqCst);
        control.execute("mark-raise", json!({ "mark": "guest" })).unwrap();
    });
    // In the next run no mark is raised.
    case.ask("delay-remove", json!({ "smmu": "b", "delay": 1 }));
    case.end();
}

#[test]
fn every_frame_has_its_registers() {
    let mut case = Case::new();
    let list =
        |case: &mut Case, frame: &str| case.ask("registers-list", json!({ "smmu": "a", "frame": frame }));
    for frame in ["gr0", "gr1", "gid", "cb0"] {
        assert!(!list(&mut case, frame).as_array().unwrap().is_empty(), "{frame}");
    }
    for frame in ["pm", "secure", "exsmr", "exs2cr"] {
        let error = case.refused("registers-list", json!({ "smmu": "a", "frame": frame }));
        assert!(error.contains("no registers there"), "{error}");
    }
    case.end();
}

/// A table of one level, which maps the first block of 1 GiB, at 1 MiB of guest memory.
#[test]
fn a_translation_has_every_step_of_its_walk() {
    const MEMORY: u64 = 0x4000_0000;
    const TABLE: u64 = MEMORY + 0x10_0000;
    let mut case = Case::new();
    let memory = memfd_create("guest", MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::fs::ftruncate(&memory, 2 << 20).unwrap();
    let block: u64 = 0x8000_0000 | 1 << 10 | 1 << 6 | 1;
    rustix::io::pwrite(&memory, &block.to_le_bytes(), TABLE - MEMORY).unwrap();
    let map = words(&[32, 3, 0, 0, 0x4000_0000, 0, 2 << 20, 0]);
    assert!(case.a.call_with_fds(2, &map, &[memory.as_fd()]).unwrap().is_ok());
    let mut write = |name: &str, index: u64, value: u64| {
        let arguments = json!({ "smmu": "a", "name": name, "index": index, "value": format!("{value:#x}") });
        case.control.execute("register-write", arguments).unwrap();
    };
    write("SMRn", 0, 1 << 31 | 5);
    write("S2CRn", 0, 0);
    write("CBARn", 0, 1 << 16);
    write("CBA2Rn", 0, 1);
    write("CBn_TCR2", 0, 5);
    write("CBn_TCR", 0, 1 << 23 | 3 << 12 | 1 << 10 | 1 << 8 | 25);
    write("CBn_TTBR0", 0, TABLE);
    write("CBn_SCTLR", 0, 1);
    write("sCR0", 0, 0);
    let way = case.ask(
        "translate",
        json!({ "smmu": "a", "stream": 5, "address": "0x1234" }),
    );
    assert_eq!(
        (&way["result"], &way["address"]),
        (&json!("translated"), &json!(0x8000_1234_u64))
    );
    assert_eq!(
        way["steps"][0],
        json!({ "step": "read", "stage": 1, "level": 1, "address": TABLE, "value": block, "kind": "block" })
    );
    assert_eq!(
        (&way["steps"][1]["step"], &way["steps"][1]["kept"]),
        (&json!("leaf"), &json!(false))
    );
    assert_eq!(
        way["steps"][1]["permissions"],
        json!([
            "USER_READ",
            "USER_WRITE",
            "USER_FETCH",
            "PRIVILEGED_READ",
            "PRIVILEGED_WRITE"
        ])
    );
    let nothing = case.ask(
        "translate",
        json!({ "smmu": "a", "stream": 5, "address": "0x40000000" }),
    );
    assert_eq!(
        (&nothing["result"], &nothing["steps"][0]["kind"]),
        (&json!("fault"), &json!("invalid"))
    );
    // Nothing was learnt from looking; DMA masters fill it.
    let tlb = case.ask("tlb-list", json!({ "smmu": "a", "stage": 1, "tables": true }));
    assert_eq!(tlb, json!({ "entries": [], "total": 0, "next": null }));
    assert!(
        case.refused("tlb-list", json!({ "smmu": "a", "stage": 3 }))
            .contains("`stage`")
    );
    assert!(
        case.refused("tlb-list", json!({ "smmu": "a", "asid": 65536 }))
            .contains("`asid`")
    );
    case.end();
}
