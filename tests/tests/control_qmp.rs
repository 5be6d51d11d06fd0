// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The control socket of a real server: raw sockets, hostile ones too.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use integration_tests::qmp::QmpClient;
use integration_tests::raw::{PATIENCE, RawClient};
use integration_tests::served::{Served, region, registers};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_server-under-test");
/// Starts a global TLB synchronisation, and says whether it is over.
const STLBGSYNC: u64 = 0x70;
const STLBGSTATUS: u64 = 0x74;

/// Runs a case against a server of its own and looks at what is left.
fn controlled(case: impl FnOnce(&Served)) {
    let mut served = Served::controlled(Path::new(PROGRAM), &["a", "b"], "").unwrap();
    case(&served);
    served.check(&["a", "b"]).unwrap();
}

fn negotiated(served: &Served) -> QmpClient {
    QmpClient::negotiated(&served.control()).unwrap()
}

/// The next message of the connection is understood.
fn in_step(client: &mut QmpClient) {
    assert_eq!(
        client.execute("query-status", json!({})).unwrap()["running"],
        true
    );
}

fn class(answer: &Value) -> &str {
    answer["error"]["class"].as_str().unwrap_or_default()
}

#[test]
fn a_connection_negotiates_and_asks() {
    controlled(|served| {
        let mode = std::fs::metadata(served.control()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut client = QmpClient::connect(&served.control()).unwrap();
        assert_eq!(client.greeting()["QMP"]["capabilities"], json!([]));
        client
            .send(
                concat!(
                    r#"{"execute":"query-status","id":1}"#,
                    r#"{"execute":"qmp_capabilities","arguments":{"enable":["oob"]},"id":[2]}"#,
                )
                .as_bytes(),
            )
            .unwrap();
        let early = client.answer().unwrap();
        assert_eq!((class(&early), &early["id"]), ("CommandNotFound", &json!(1)));
        let capability = client.answer().unwrap();
        assert_eq!(
            (class(&capability), &capability["id"]),
            ("GenericError", &json!([2]))
        );
        client
            .send(
                concat!(
                    r#"{"execute":"qmp_capabilities","id":{"a":null}} "#,
                    r#"{"execute":"qmp_capabilities"}{"execute":"x","id":"y"}"#,
                )
                .as_bytes(),
            )
            .unwrap();
        assert_eq!(
            client.answer().unwrap(),
            json!({ "return": {}, "id": { "a": null } })
        );
        assert_eq!(
            class(&client.answer().unwrap()),
            "CommandNotFound",
            "once is enough"
        );
        let unknown = client.answer().unwrap();
        assert_eq!(
            (class(&unknown), &unknown["id"]),
            ("CommandNotFound", &json!("y"))
        );
        let commands = client.execute("query-commands", json!({})).unwrap();
        assert!(
            commands
                .as_array()
                .unwrap()
                .contains(&json!({ "name": "delay-add" }))
        );
        assert!(client.execute("query-version", json!({})).unwrap()["qemu"]["minor"].is_u64());
        let smmus = client.execute("query-smmus", json!({})).unwrap();
        assert_eq!((&smmus[0]["smmu"], &smmus[1]["smmu"]), (&json!("a"), &json!("b")));
    });
}

#[test]
fn a_delay_is_added_and_its_event_received() {
    controlled(|served| {
        let mut client = negotiated(served);
        let mut other = negotiated(served);
        let mut guest = RawClient::negotiated(&served.socket("a")).unwrap();
        assert_eq!(client.event("CLIENT_CONNECTED").unwrap(), json!({ "smmu": "a" }));
        let rule = json!({ "smmu": "a", "site": "global-sync", "polls": 2, "times": 1 });
        let number = client.execute("delay-add", rule).unwrap()["delay"].clone();
        guest.write32(region::BAR0, STLBGSYNC, 0).unwrap();
        let polls: Vec<u32> = (0..3)
            .map(|_| guest.read32(region::BAR0, STLBGSTATUS).unwrap())
            .collect();
        assert_eq!(polls, [1, 1, 0]);
        for client in [&mut client, &mut other] {
            let fired = client.event("DELAY_FIRED").unwrap();
            let expected = json!({
                "smmu": "a", "delay": number, "operation": 1, "site": "global-sync", "bank": null, "register": null,
                "index": null, "line": null, "suppressed": 0,
            });
            assert_eq!(fired, expected);
        }
        guest.write32(region::BAR0, STLBGSYNC, 0).unwrap();
        assert_eq!(guest.read32(region::BAR0, STLBGSTATUS).unwrap(), 0, "once");
        let counters = client.execute("counters", json!({ "smmu": "a" })).unwrap();
        assert_eq!(
            (&counters[0]["reads"], &counters[0]["writes"]),
            (&json!(4), &json!(2))
        );
        assert_eq!(
            counters[0]["delays"][0],
            json!({ "delay": number, "operations": 2, "hits": 1 })
        );

        client.execute("reset", json!({ "smmu": "a" })).unwrap();
        assert_eq!(
            client.event("RESET").unwrap(),
            json!({ "smmu": "a", "cause": "control" })
        );
        client.execute("mark-raise", json!({ "mark": "guest" })).unwrap();
        assert_eq!(other.event("MARK_RAISED").unwrap(), json!({ "mark": "guest" }));
        assert_eq!(guest.read32(region::BAR2, 0).unwrap(), 1);

        let write = json!({ "smmu": "a", "name": "SMRn", "index": 0, "value": "0x80010002" });
        assert_eq!(
            client.execute("register-write", write).unwrap()["fields"]["valid"],
            true
        );
        assert_eq!(guest.read32(region::BAR0, registers::SMR0).unwrap(), 0x8001_0002);
        client
            .execute("delay-remove", json!({ "smmu": "a", "delay": number }))
            .unwrap();
        drop(guest);
        assert_eq!(
            client.event("CLIENT_DISCONNECTED").unwrap(),
            json!({ "smmu": "a" })
        );
        assert_eq!(
            client.event("RESET").unwrap(),
            json!({ "smmu": "a", "cause": "disconnected" })
        );
    });
}

#[test]
fn events_of_one_kind_are_bounded() {
    controlled(|served| {
        let mut client = negotiated(served);
        let mut guest = RawClient::negotiated(&served.socket("a")).unwrap();
        client
            .execute(
                "delay-add",
                json!({ "smmu": "a", "site": "global-sync", "polls": 1 }),
            )
            .unwrap();
        let begin = Instant::now();
        let (mut fired, mut received, mut suppressed, mut last) = (0_u64, 0_u64, 0, 0);
        // Until the last hit has its event, which counts those that had none.
        while fired < 2000 || last < fired {
            guest.write32(region::BAR0, STLBGSYNC, 0).unwrap();
            fired += 1;
            if fired < 2000 {
                continue;
            }
            in_step(&mut client);
            for event in client.events() {
                if event["event"] == "DELAY_FIRED" {
                    received += 1;
                    suppressed += event["data"]["suppressed"].as_u64().unwrap();
                    last = event["data"]["operation"].as_u64().unwrap();
                }
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "the last event was of {last} of {fired}"
            );
        }
        // On a slow machine there may be a second for each 200.
        let seconds = begin.elapsed().as_secs() + 2;
        assert!(received <= 200 * seconds, "{received} events in {seconds} s");
        assert_eq!(received + suppressed, fired);
    });
}

#[test]
fn bad_input_leaves_the_stream_in_step() {
    controlled(|served| {
        let mut client = negotiated(served);
        for bad in [
            "nonsense, 1, 2, 3\n",
            "{]",
            "{\"execute\": }",
            "[]",
            "{}",
            "{\"execute\": 1}",
            "{\"execute\": \"query-status\", \"arguments\": []}",
            "{\"execute\": \"query-status\", \"arguments\": {\"x\": 1}}",
            "{\"execute\": \"query-status\", \"x\": 1}",
            "{\"exec-oob\": \"query-status\"}",
            "{\"execute\": \"register-read\", \"arguments\": {\"smmu\": \"a\", \"name\": \"sCR0\", \"index\": 1e400}}",
            "{\"execute\": \"query-\n",
            "}\n",
            "\0\n",
        ] {
            client.send(bad.as_bytes()).unwrap();
            let answer = client.answer().unwrap();
            assert_eq!(class(&answer), "GenericError", "{bad:?}: {answer}");
            in_step(&mut client);
        }
        client.send(b"{\"execute\": \"x\xff").unwrap();
        assert_eq!(class(&client.answer().unwrap()), "GenericError", "broken off");
        for byte in b"{\"execute\": \"query-status\", \"id\": \"}{\"}" {
            client.send(&[*byte]).unwrap();
        }
        assert_eq!(client.answer().unwrap()["id"], "}{");
    });
}

#[test]
fn huge_and_deep_messages_end_their_client() {
    controlled(|served| {
        let mut other = negotiated(served);
        let huge = format!("{{\"execute\": \"{}", "x".repeat(1 << 20));
        for (bad, words) in [
            (huge.as_str(), "longer than"),
            (&"[".repeat(100_000), "deeper than"),
        ] {
            let mut client = negotiated(served);
            // The server may be gone before everything is sent.
            let _ = client.send(bad.as_bytes());
            if let Ok(answer) = client.answer() {
                assert!(
                    answer["error"]["desc"].as_str().unwrap().contains(words),
                    "{answer}"
                );
            }
            client.ended().unwrap();
            in_step(&mut other);
        }
    });
}

#[test]
fn many_clients_are_bounded_and_the_idle_make_room() {
    controlled(|served| {
        let idle: Vec<_> = (0..40)
            .map(|_| QmpClient::connect(&served.control()).unwrap())
            .collect();
        let mut clients: Vec<_> = (0..32).map(|_| negotiated(served)).collect();
        for client in idle {
            client.ended().unwrap();
        }
        assert!(
            QmpClient::connect(&served.control()).is_err(),
            "there are as many as may be"
        );
        for client in &mut clients {
            in_step(client);
        }
        drop(clients);
        // The server may still be about to see them leave.
        let begin = Instant::now();
        while QmpClient::negotiated(&served.control()).is_err() {
            assert!(begin.elapsed() < PATIENCE);
        }
    });
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    controlled(|served| {
        let slow = negotiated(served);
        slow.stream().set_nonblocking(true).unwrap();
        let commands = json!({ "execute": "registers-list", "arguments": { "smmu": "a", "frame": "gr0" } })
            .to_string()
            .repeat(100);
        let mut good = negotiated(served);
        // Until nothing more goes in, while the server does for others what it is asked to.
        let (mut sent, mut refused) = (0, 0);
        while refused < 200 {
            match slow.stream().write(commands.as_bytes()) {
                Ok(count) => (sent, refused) = (sent + count, 0),
                Err(_) => refused += 1,
            }
            in_step(&mut good);
            assert!(
                sent < 8 << 20,
                "the server takes commands without end: {sent} bytes"
            );
        }
        let mut guest = RawClient::negotiated(&served.socket("a")).unwrap();
        good.execute(
            "delay-add",
            json!({ "smmu": "a", "site": "global-sync", "polls": 1 }),
        )
        .unwrap();
        for _ in 0..100 {
            in_step(&mut good);
            guest.write32(region::BAR0, STLBGSYNC, 0).unwrap();
        }
        assert_eq!(good.event("DELAY_FIRED").unwrap()["smmu"], "a");
        drop(slow);
        in_step(&mut good);
    });
}

#[test]
fn the_end_is_clean_when_a_client_asks_for_it() {
    let mut served = Served::controlled(Path::new(PROGRAM), &["a"], "").unwrap();
    let mut client = negotiated(&served);
    assert_eq!(client.execute("quit", json!({})).unwrap(), json!({}));
    client.ended().unwrap();
    let status = served.wait().unwrap();
    served.is_clean(status).unwrap();
    assert!(!served.control().exists(), "the socket is left behind");
    assert!(!served.socket("a").exists());
}
