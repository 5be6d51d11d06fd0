// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::*;

#[test]
fn the_ignored_signals_of_a_process() {
    let status = "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001003\nSigCgt:\t0\n";
    let mask = ignored_in(status);
    assert!(is_in(mask, SIGHUP) && is_in(mask, SIGINT));
    assert!(!is_in(mask, SIGTERM) && !is_in(mask, 0) && !is_in(mask, 65));
    assert_eq!(ignored_in("nonsense"), 0);
    assert_eq!(ignored_in("SigIgn:\tx"), 0);
}

/// The program of the tests below: it says `ready`, and `asked` once a signal has asked for its end, and never ends.
#[test]
#[ignore = "no test: a program for those below"]
fn program() {
    install().unwrap();
    let orderly = (env::var_os(ORDERLY).is_some()).then(Orderly::begin);
    println!("\nready");
    while asked().is_none() {
        thread::sleep(Duration::from_millis(5));
    }
    println!("\nasked {}", asked().unwrap());
    loop {
        thread::sleep(Duration::from_secs(1));
        let _ = &orderly;
    }
}

const ORDERLY: &str = "HOST_GUARD_TEST_ORDERLY";

fn start(orderly: bool) -> (Child, impl FnMut(&str)) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "signals::tests::program", "--nocapture"]);
    if orderly {
        command.env(ORDERLY, "1");
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, move |wanted: &str| {
        let found = lines.by_ref().map_while(Result::ok).any(|line| line == wanted);
        assert!(found, "no {wanted:?}");
    })
}

fn send(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn the_first_signal_is_a_request_and_the_second_one_the_end() {
    let (mut child, mut wait_for) = start(true);
    wait_for("ready");
    send(&child, rustix::process::Signal::TERM);
    wait_for("asked 15");
    send(&child, rustix::process::Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn without_an_orderly_part_the_first_signal_is_the_end() {
    let (mut child, mut wait_for) = start(false);
    wait_for("ready");
    send(&child, rustix::process::Signal::HUP);
    assert_eq!(child.wait().unwrap().code(), Some(129));
}
