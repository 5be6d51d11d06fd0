// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::super::*;
use crate::sync::testing::check;
use crate::sync::thread;

fn run() -> Arc<Run> {
    let rules: Vec<MarkRule> = ["first", "second"]
        .map(|name| toml::from_str(&format!("name = {name:?}")).unwrap())
        .into();
    Arc::new(Run::new(Marks::new(rules, &["a"]).unwrap()))
}

/// A reply that waits for a mark, for longer than anybody would.
fn wait_for(run: &Arc<Run>, mark: &str) -> thread::JoinHandle<()> {
    let delayed = PendingReply {
        until: u64::MAX,
        mark: Some(mark.into()),
    };
    let run = Arc::clone(run);
    thread::spawn(move || run.wait_out(&delayed))
}

#[test]
fn no_raised_mark_is_missed() {
    check(|| {
        let run = run();
        let replies = [
            wait_for(&run, "second"),
            wait_for(&run, "second"),
            wait_for(&run, "first"),
        ];
        let other = Arc::clone(&run);
        let raises = thread::spawn(move || other.raise(0));
        run.raise(1);
        raises.join().unwrap();
        for reply in replies {
            reply.join().unwrap();
        }
    });
}

#[test]
fn no_reply_waits_after_the_end() {
    check(|| {
        let run = run();
        let replies = [wait_for(&run, "first"), wait_for(&run, "second")];
        run.end();
        for reply in replies {
            reply.join().unwrap();
        }
    });
}
