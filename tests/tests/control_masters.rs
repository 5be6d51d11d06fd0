// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Masters by way of the control socket.

use std::path::Path;
use std::time::Instant;

use integration_tests::driver::{CFCFG, Driver, FREE, cb, test_masters};
use integration_tests::qmp::QmpClient;
use integration_tests::raw::PATIENCE;
use integration_tests::served::Served;
use serde_json::{Value, json};

fn serve() -> (Served, QmpClient) {
    let program = Path::new(env!("CARGO_BIN_EXE_server-under-test"));
    let served = Served::controlled(program, &["a"], &test_masters(2)).unwrap();
    let control = QmpClient::negotiated(&served.control()).unwrap();
    (served, control)
}

/// Makes a transfer; its state when it has ended or stalled. The command waits for a tenth of a second only.
fn dma(control: &mut QmpClient, arguments: Value) -> Value {
    let master = arguments["master"].clone();
    let mut result = control.execute("dma", arguments).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while result["state"] == "running" {
        assert!(Instant::now() < deadline, "{result}");
        result = control
            .execute("dma-result", json!({ "master": master }))
            .unwrap();
    }
    result
}

fn refused(control: &mut QmpClient, arguments: Value) -> String {
    control.execute("dma", arguments).unwrap_err().to_string()
}

#[test]
fn dma_writes_and_reads() {
    let (served, mut control) = serve();
    let mut driver = Driver::new(&served, 2).unwrap();
    driver.map(1, 0x1000, FREE, true).unwrap();
    let write =
        json!({ "master": "t1", "address": "0x1004", "length": 6, "access": "write", "data": "abcd12" });
    let result = dma(&mut control, write);
    assert_eq!((&result["state"], &result["done"]), (&json!("done"), &json!(6)));
    assert_eq!(
        driver.memory(FREE + 4, 8).unwrap(),
        [0xab, 0xcd, 0x12, 0xab, 0xcd, 0x12, 0, 0]
    );
    let read = json!({ "master": "t1", "address": 0x1000, "length": 16, "privileged": true });
    let result = dma(&mut control, read.clone());
    assert_eq!(result["state"], "done");
    assert!(
        result["data"]
            .as_str()
            .unwrap()
            .starts_with("00000000abcd12abcd12000000000000")
    );
    assert_eq!(result["mismatch"], 4);
    assert_eq!(
        control.execute("dma-result", json!({ "master": "t1" })).unwrap(),
        result
    );
    // Another stream, which has nothing there.
    let mut other = read;
    other["stream"] = json!(1);
    assert_eq!(dma(&mut control, other)["state"], "bus-error");
    assert_eq!(driver.read_cb(0, cb::FAR).unwrap(), 0x1000);

    let masters = control.execute("masters-list", json!({})).unwrap();
    assert_eq!(masters.as_array().unwrap().len(), 2);
    let of = |key: &str| masters[1][key].clone();
    assert_eq!(
        (of("master"), of("smmu"), of("kind")),
        (json!("t1"), json!("a"), json!("test-master"))
    );
    assert_eq!((of("stream"), of("block")), (json!(2), json!(0x1_1000)));
    assert_eq!((of("aborted"), of("stalled")), (json!(1), json!(false)));
}

#[test]
fn a_stalled_transfer_leaves_the_control_socket_free() {
    let (served, mut control) = serve();
    let mut driver = Driver::new(&served, 1).unwrap();
    driver.set_sctlr(0, CFCFG).unwrap();
    let arguments = json!({ "master": "t0", "address": 0x1000, "length": 64, "access": "write", "seed": 3 });
    assert_eq!(dma(&mut control, arguments.clone())["state"], "stalled");
    let masters = control.execute("masters-list", json!({ "smmu": "a" })).unwrap();
    assert_eq!(masters[0]["stalled"], true);
    let error = refused(&mut control, arguments);
    assert!(error.contains("is stalled"), "{error}");
    driver.map(0, 0x1000, FREE, true).unwrap();
    for (name, value) in [("CBn_FSR", u32::MAX), ("CBn_RESUME", 0)] {
        control
            .execute(
                "register-write",
                json!({ "name": name, "index": 0, "value": value }),
            )
            .unwrap();
    }
    driver.end(0).unwrap();
    let result = control.execute("dma-result", json!({ "master": "t0" })).unwrap();
    assert_eq!(result["state"], "done");

    // A power cycle of the SMMU ends what is stalled with a bus error; then everything passes.
    driver.unmap(0, 0x1000).unwrap();
    driver.invalidate(0, 0x1000).unwrap();
    let arguments = json!({ "master": "t0", "address": 0x1000, "length": 64 });
    assert_eq!(dma(&mut control, arguments)["state"], "stalled");
    control.execute("reset", json!({})).unwrap();
    driver.end(0).unwrap();
    let result = control.execute("dma-result", json!({ "master": "t0" })).unwrap();
    assert_eq!(result["state"], "bus-error");
    let arguments = json!({ "master": "t0", "address": FREE, "length": 64, "seed": 3 });
    let result = dma(&mut control, arguments);
    assert_eq!(
        (&result["state"], &result["mismatch"]),
        (&json!("done"), &Value::Null)
    );
}

#[test]
fn mistakes_are_named() {
    let (_served, mut control) = serve();
    for (arguments, part) in [
        (
            json!({ "address": 0, "length": 1 }),
            "`master` is missing: one of t0, t1",
        ),
        (json!({ "master": "t9", "address": 0, "length": 1 }), "`master`"),
        (json!({ "master": "t0", "address": 0, "length": 0 }), "`length`"),
        (
            json!({ "master": "t0", "address": 0, "length": 0x10_0001 }),
            "`length`",
        ),
        (
            json!({ "master": "t0", "address": 0, "length": 1, "access": "both" }),
            "`access`",
        ),
        (
            json!({ "master": "t0", "address": 0, "length": 1, "stream": 0x1_0000 }),
            "`stream`",
        ),
        (
            json!({ "master": "t0", "address": 0, "length": 1, "data": "abc" }),
            "`data`",
        ),
        (
            json!({ "master": "t0", "address": 0, "length": 1, "data": "" }),
            "`data`",
        ),
        (
            json!({ "master": "t0", "address": 0, "length": 1, "data": "äb" }),
            "`data`",
        ),
        (
            json!({ "master": "t0", "address": 0, "length": 1, "data": "00".repeat(2049) }),
            "`data`",
        ),
    ] {
        let error = refused(&mut control, arguments);
        assert!(error.contains(part), "{error}");
    }
}
