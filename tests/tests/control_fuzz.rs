// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Random strings and mutated commands at the control socket of a real server, while a good client asks, too.

use std::collections::BTreeMap;
use std::net::Shutdown;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use integration_tests::driver::test_masters;
use integration_tests::qmp::QmpClient;
use integration_tests::served::Served;
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_server-under-test");
/// Commands that are mutated: one or more of every subject.
const SEEDS: [&str; 24] = [
    r#"{"execute":"query-status","id":1}"#,
    r#"{"execute":"registers-list","arguments":{"smmu":"a","frame":"cb1","fields":true}}"#,
    r#"{"execute":"register-write","arguments":{"smmu":"a","name":"SMRn","index":3,"value":"0xff"}}"#,
    r#"{"execute":"translate","arguments":{"smmu":"b","stream":7,"address":18446744073709551615}}"#,
    r#"{"execute":"tlb-list","arguments":{"smmu":"b","asid":7,"skip":1,"limit":100}}"#,
    r#"{"execute":"delay-add","arguments":{"smmu":"a","site":"ats","time_us":{"min":1,"max":5},"times":1}}"#,
    concat!(
        r#"{"execute":"delay-add","arguments":"#,
        r#"{"smmu":"a","site":"register","register":"sCR0","until":"guest","at_most_us":9}}"#,
    ),
    r#"{"execute":"delay-remove","arguments":{"smmu":"a","delay":1}}"#,
    r#"{"execute":"fault-add","arguments":{"smmu":"a","kind":"walk-corrupt","level":3,"xor":"0x1","probability":50}}"#,
    concat!(
        r#"{"execute":"injection-add","arguments":"#,
        r#"{"smmu":"b","kind":"stale-tlb","address":4096,"size":1,"asid":7,"nth":2}}"#,
    ),
    concat!(
        r#"{"execute":"injection-add","arguments":"#,
        r#"{"smmu":"b","kind":"register-value","register":"IDR0","value":0,"mask":"0xff"}}"#,
    ),
    r#"{"execute":"injection-remove","arguments":{"smmu":"b","injection":1}}{"execute":"fault-list"}"#,
    concat!(
        r#"{"execute":"plan-load","arguments":"#,
        r#"{"text":"seed = 3\n[[smmu]]\nname = \"a\"\n[[smmu.fault]]\nkind = \"unmapped\"\n"}}"#,
    ),
    r#"{"execute":"plan-save"}{"execute":"query-smmus"}"#,
    r#"{"execute":"masters-list"}{"execute":"dma-result","arguments":{"master":"t0"}}"#,
    r#"{"execute":"dma","arguments":{"master":"t0","address":4096,"length":16,"access":"write","seed":7}}"#,
    concat!(
        r#"{"execute":"clock-set","arguments":{"smmu":"b","gate":true,"pll":false,"settle_us":5,"lock_us":5}}"#,
        r#"{"execute":"clocks-list"}"#,
    ),
    r#"{"execute":"mark-raise","arguments":{"mark":"guest"}}"#,
    r#"{"execute":"mark-add","arguments":{"name":"x","register":"*","nth":3}}"#,
    r#"{"execute":"trace-start","arguments":{"smmu":"a","records":2048}}{"execute":"trace-status"}"#,
    r#"{"execute":"trace-stop"}{"execute":"trace-save","arguments":{"path":"/dev/null"}}"#,
    r#"{"execute":"state-save","arguments":{"smmu":"a","path":"/dev/null"}}"#,
    r#"{"execute":"state-load","arguments":{"path":"/dev/null"}}"#,
    r#"{"execute":"counters"}{"execute":"reset","arguments":{"smmu":"a"}}"#,
];

#[test]
fn every_subject_is_mutated() {
    for subject in vfio_server::control::commands::COMMANDS {
        let names = subject
            .iter()
            .map(|command| format!("\"execute\":\"{}\"", command.name));
        let names: Vec<String> = names.collect();
        let seen = SEEDS
            .iter()
            .any(|seed| names.iter().any(|name| seed.contains(name)));
        assert!(seen, "none of {names:?}");
    }
}

/// xorshift64*: the same strings in every run of a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % bound.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    /// Any bytes, or a command with up to three bytes changed, taken out or put in.
    fn message(&mut self) -> Vec<u8> {
        let mut text = SEEDS[self.below(SEEDS.len())].as_bytes().to_vec();
        if self.below(4) == 0 {
            text = (0..self.below(60)).map(|_| self.byte()).collect();
        }
        for _ in 0..self.below(4) {
            let at = self.below(text.len());
            match self.below(3) {
                0 if !text.is_empty() => text[at] = self.byte(),
                1 if !text.is_empty() => drop(text.remove(at)),
                _ => text.insert(at, b"{}[]\",:\\0 "[self.below(10)]),
            }
        }
        text
    }
}

/// A client that sends anything, and a thread that reads what comes back.
struct Hostile {
    client: QmpClient,
    reader: JoinHandle<()>,
}

impl Hostile {
    fn connect(served: &Served) -> Self {
        let client = QmpClient::negotiated(&served.control()).unwrap();
        let mut answers = client.stream().try_clone().unwrap();
        let reader = std::thread::spawn(move || {
            let _ = std::io::copy(&mut answers, &mut std::io::sink());
        });
        Self { client, reader }
    }

    fn leave(self) {
        let _ = self.client.stream().shutdown(Shutdown::Write);
        drop(self.client);
        self.reader.join().unwrap();
    }
}

/// Time that the good client waits for an answer.
fn answer(good: &mut QmpClient) -> Duration {
    let begin = Instant::now();
    assert_eq!(good.execute("query-status", json!({})).unwrap()["running"], true);
    begin.elapsed()
}

/// Median and maximum.
fn summary(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    let maximum = times.last().copied().unwrap_or_default();
    (times.get(times.len() / 2).copied().unwrap_or_default(), maximum)
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok().and_then(|text| text.parse().ok());
    given.unwrap_or(otherwise)
}

/// As many messages as `CONTROL_FUZZ` says, from the seed `CONTROL_FUZZ_SEED`; `ci/control-fuzz` sends a million.
#[test]
fn random_bytes_and_mutated_commands() {
    let count = from_environment("CONTROL_FUZZ", 10_000);
    let seed = from_environment("CONTROL_FUZZ_SEED", 1).max(1);
    // Of the second SMMU.
    let more = format!("[smmu.clock]\non = true\n{}", test_masters(1));
    let mut served = Served::controlled(Path::new(PROGRAM), &["a", "b"], &more).unwrap();
    let mut good = QmpClient::negotiated(&served.control()).unwrap();
    let quiet = summary((0..200).map(|_| answer(&mut good)).collect());
    let mut random = Random(seed);
    let mut hostile: Option<Hostile> = None;
    let mut times = Vec::new();
    let mut sent: BTreeMap<bool, u64> = BTreeMap::new();
    for i in 0..count {
        let text = random.message();
        let taken = hostile
            .as_mut()
            .is_some_and(|hostile| hostile.client.send(&text).is_ok());
        *sent.entry(taken).or_default() += 1;
        if !taken || random.below(2000) == 0 {
            if let Some(hostile) = hostile.take() {
                hostile.leave();
            }
            hostile = Some(Hostile::connect(&served));
        }
        if i % 200 == 0 {
            times.push(answer(&mut good));
        }
    }
    if let Some(hostile) = hostile {
        hostile.leave();
    }
    let busy = summary(times);
    println!("{sent:?} sent; median and longest answer {quiet:?} before, {busy:?} meanwhile");
    // Every answer came within the patience of the client; how soon is for people to judge, who know the machine.
    // What the noise has left behind would be in the way of what follows.
    let on = json!({ "smmu": "b", "gate": true, "pll": true, "settle_us": 0, "lock_us": 0 });
    good.execute("clock-set", on).unwrap();
    good.execute("plan-load", json!({ "text": "" })).unwrap();
    drop(good);
    served.check(&["a", "b"]).unwrap();
}
