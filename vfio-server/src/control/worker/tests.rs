// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::sync::Mutex;
use std::time::Duration;

use mio::{Poll, Waker};
use serde_json::json;

use super::super::commands::tests::context;
use super::super::event_loop::BELL;
use super::*;

/// Ends the slow command.
static GO: Mutex<Option<Receiver<()>>> = Mutex::new(None);

static SLOW: Command = Command {
    name: "trace-save",
    about: "",
    arguments: &[],
    returns: "",
    example: "",
    run: |_, _| {
        let go = GO.lock().unwrap().take().unwrap();
        go.recv_timeout(Duration::from_secs(60)).unwrap();
        Ok(json!("slow"))
    },
};

static QUICK: Command = Command {
    name: "query-status",
    about: "",
    arguments: &[],
    returns: "",
    example: "",
    run: |_, _| Ok(json!("quick")),
};

#[test]
fn a_command_that_waits_holds_up_no_other() {
    let (go, wait) = bounded(1);
    *GO.lock().unwrap() = Some(wait);
    let poll = Poll::new().unwrap();
    let bell = Arc::new(Bell::new(Waker::new(poll.registry(), BELL).unwrap()));
    let (threads, jobs, answers) = start(&context(), &bell).unwrap();
    let send = |client, command: &'static Command| {
        let job = Job {
            client: Token(client),
            id: None,
            command,
            arguments: Map::new(),
        };
        jobs.try_send(job).unwrap();
    };
    send(1, &SLOW);
    send(2, &QUICK);
    let next = || answers.recv_timeout(Duration::from_secs(60)).unwrap().client;
    assert_eq!(next(), Token(2));
    go.send(()).unwrap();
    assert_eq!(next(), Token(1));
    drop(jobs);
    for thread in threads {
        thread.join().unwrap();
    }
}
