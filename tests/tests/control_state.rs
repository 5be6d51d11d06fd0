// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The state of the models of a real server in a file: saved, loaded there and in another server, and refused.

use std::path::Path;
use std::time::Instant;

use integration_tests::driver::{CFCFG, Driver, FREE, cb, test_masters};
use integration_tests::qmp::QmpClient;
use integration_tests::raw::{PATIENCE, RawClient};
use integration_tests::served::{Served, region, registers};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_server-under-test");
const STLBGSYNC: u64 = 0x70;
const STLBGSTATUS: u64 = 0x74;
/// The pending bits of MSI-X in BAR4.
const PENDING: u64 = 0x1000;

/// A server of two SMMUs, a guest at the first, and a control client.
struct Case {
    served: Served,
    control: QmpClient,
    guest: RawClient,
}

impl Case {
    fn new() -> Self {
        let served = Served::controlled(Path::new(PROGRAM), &["a", "b"], "").unwrap();
        Self {
            control: QmpClient::negotiated(&served.control()).unwrap(),
            guest: RawClient::negotiated(&served.socket("a")).unwrap(),
            served,
        }
    }

    fn ask(&mut self, command: &str, arguments: Value) -> Value {
        self.control.execute(command, arguments).unwrap()
    }

    fn refused(&mut self, command: &str, arguments: Value) -> String {
        self.control.execute(command, arguments).unwrap_err().to_string()
    }

    fn read(&mut self, offset: u64) -> u32 {
        self.guest.read32(region::BAR0, offset).unwrap()
    }

    fn write(&mut self, offset: u64, value: u32) {
        self.guest.write32(region::BAR0, offset, value).unwrap();
    }

    fn end(mut self) {
        drop((self.control, self.guest));
        self.served.check(&["a", "b"]).unwrap();
    }
}

/// A sync that takes five polls, two of them done; a stream-matching group; a mark.
fn begin(case: &mut Case) {
    case.ask(
        "delay-add",
        json!({ "smmu": "a", "site": "global-sync", "polls": 5, "times": 7 }),
    );
    case.write(registers::SMR0, 0x8000_0042);
    case.write(STLBGSYNC, 0);
    assert_eq!((case.read(STLBGSTATUS), case.read(STLBGSTATUS)), (1, 1));
    case.ask("mark-raise", json!({ "mark": "guest" }));
}

/// Goes on from [`begin`].
fn check(case: &mut Case) {
    assert_eq!(case.read(registers::SMR0), 0x8000_0042);
    let polls: Vec<u32> = (0..4).map(|_| case.read(STLBGSTATUS)).collect();
    assert_eq!(polls, [1, 1, 1, 0]);
    let delays = case.ask("delay-list", json!({ "smmu": "a" }));
    assert_eq!(
        (&delays[0]["times-left"], &delays[0]["hits"]),
        (&json!(6), &json!(1))
    );
    let raised = json!([{ "mark": "guest", "raised": true }]);
    assert_eq!(case.ask("marks-list", json!({})), raised);
}

#[test]
fn a_state_goes_on_where_it_was_here_and_elsewhere() {
    let mut case = Case::new();
    begin(&mut case);
    let path = case.served.directory().join("state.json");
    let saved = case.ask("state-save", json!({ "path": path }));
    assert_eq!(saved["smmus"], json!(["a", "b"]));
    assert_eq!(saved["bytes"], std::fs::metadata(&path).unwrap().len());
    check(&mut case);

    case.write(registers::SMR0, 0);
    case.ask("delay-remove", json!({ "smmu": "a", "delay": 1 }));
    let loaded = case.ask("state-load", json!({ "path": path }));
    assert_eq!(loaded["smmus"], json!(["a", "b"]));
    check(&mut case);

    let mut other = Case::new();
    other.ask("state-load", json!({ "path": path }));
    check(&mut other);
    other.end();
    case.end();
}

/// A DMA device and its transfer are no part of a state; a stalled access would be lost from it, and lost by it.
#[test]
fn a_stalled_access_is_neither_saved_nor_thrown_away() {
    let served = Served::controlled(Path::new(PROGRAM), &["a"], &test_masters(1)).unwrap();
    let mut control = QmpClient::negotiated(&served.control()).unwrap();
    let mut driver = Driver::new(&served, 1).unwrap();
    let path = |name: &str| json!({ "path": served.directory().join(name) });
    control.execute("state-save", path("idle")).unwrap();
    driver.set_sctlr(0, CFCFG).unwrap();
    let transfer = json!({ "master": "t0", "address": 0x1000, "length": 64, "access": "write", "seed": 3 });
    control.execute("dma", transfer).unwrap();
    let result = |control: &mut QmpClient| {
        let result = control.execute("dma-result", json!({ "master": "t0" })).unwrap();
        result["state"].as_str().unwrap().to_owned()
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        match result(&mut control).as_str() {
            "stalled" => break,
            state => assert!(state == "running" && Instant::now() < deadline, "{state}"),
        }
    }
    for (command, file) in [("state-save", "stalled"), ("state-load", "idle")] {
        let refused = control.execute(command, path(file)).unwrap_err().to_string();
        assert!(
            refused.contains("is stalled, and a state has no stalled accesses"),
            "{refused}"
        );
    }
    assert!(!served.directory().join("stalled").exists(), "a file of nothing");
    assert_eq!(result(&mut control), "stalled");
    // The access goes on, as if nobody had asked.
    driver.map(0, 0x1000, FREE, true).unwrap();
    driver.write_cb(0, cb::FSR, u32::MAX).unwrap();
    driver.write_cb(0, cb::RESUME, 0).unwrap();
    driver.end(0).unwrap();
    assert_eq!(result(&mut control), "done");
    control.execute("state-save", path("done")).unwrap();
    control.execute("state-load", path("done")).unwrap();
    // The device still has its result.
    assert_eq!(result(&mut control), "done");
}

/// A line that was high is high again, though the guest of the other server has done nothing for it.
#[test]
fn interrupt_lines_have_their_levels() {
    let mut case = Case::new();
    case.write(registers::SCR0, registers::SCR0_GFIE);
    case.write(registers::SGFSRRESTORE, 2);
    let path = case.served.directory().join("state.json");
    case.ask("state-save", json!({ "path": path, "smmu": "a" }));
    let mut other = Case::new();
    other.ask("trace-start", json!({ "smmu": "a" }));
    other.ask("state-load", json!({ "path": path }));
    let trace = other.served.directory().join("line.ndjson");
    other.ask("trace-save", json!({ "smmu": "a", "path": trace }));
    let text = std::fs::read_to_string(&trace).unwrap();
    let levels: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|event: &Value| event["type"] == "interrupt")
        .map(|event| event["level"].clone())
        .collect();
    assert_eq!(levels, [true], "{text}");
    // No eventfd takes the interrupt: it is pending.
    assert_eq!(other.guest.read32(region::BAR4, PENDING).unwrap(), 1);
    assert_eq!(other.read(registers::SGFSR), 2);
    other.end();
    case.end();
}

#[test]
fn what_is_no_state_of_these_smmus_is_refused() {
    let mut case = Case::new();
    begin(&mut case);
    let directory = case.served.directory().to_owned();
    let path = directory.join("state.json");
    case.ask("state-save", json!({ "path": path }));
    let refused = case.refused("state-save", json!({ "path": path }));
    assert!(
        refused.contains("cannot write") && refused.contains("exists"),
        "{refused}"
    );
    let pipe = directory.join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let saved: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut value = saved.clone();
        change(&mut value);
        value.to_string()
    };
    let rule = |value: &mut Value, key: &str, new: Value| {
        value["smmus"]["a"]["injector"]["delays"]["rules"][0]["rule"][key] = new;
    };
    let texts = [
        ("".to_owned(), "not a state"),
        (saved.to_string()[..500].to_owned(), "not a state"),
        (
            changed(&|value| value["smmus"]["a"]["version"] = json!(9)),
            "of version 9, and this build reads version 2",
        ),
        (
            changed(&|value| value["smmus"]["c"] = value["smmus"]["a"].clone()),
            "is none of: a, b",
        ),
        (
            changed(&|value| value["smmus"]["b"]["geometry"]["context_banks"] = json!(8)),
            "the state is of an SMMU with context_banks = 8, and this one has 16",
        ),
        (
            changed(&|value| value["marks"][0]["name"] = json!("other")),
            "`other`",
        ),
        (
            changed(&|value| rule(value, "after", json!("never"))),
            "`never`, which is no mark of this run",
        ),
        (
            changed(&|value| {
                let rules = &mut value["smmus"]["a"]["injector"]["delays"]["rules"];
                let one = rules[0].clone();
                rules.as_array_mut().unwrap().resize(257, one);
            }),
            "at most 256 delays",
        ),
        (
            changed(&|value| rule(value, "polls", json!(0))),
            "`polls` must be 1 to",
        ),
    ];
    for (text, problem) in texts {
        let file = directory.join("changed.json");
        std::fs::write(&file, text).unwrap();
        let refused = case.refused("state-load", json!({ "path": file }));
        assert!(refused.contains(problem), "{refused}");
    }
    let large = directory.join("large");
    std::fs::File::create_new(&large)
        .unwrap()
        .set_len((64 << 20) + 1)
        .unwrap();
    for (path, problem) in [
        (directory.join("absent"), "cannot read"),
        (directory.clone(), "a directory"),
        (pipe, "a pipe"),
        (large, "64 MiB"),
    ] {
        let refused = case.refused("state-load", json!({ "path": path }));
        assert!(refused.contains(problem), "{refused}");
    }
    // Nothing has changed.
    check(&mut case);
    case.end();
}
