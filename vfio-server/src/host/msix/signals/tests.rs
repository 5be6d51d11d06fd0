// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use super::*;

fn count(fd: impl AsFd) -> u64 {
    let mut value = [0; 8];
    rustix::io::read(fd, &mut value).unwrap();
    u64::from_ne_bytes(value)
}

#[test]
fn each_signal_counts() {
    let signals = Signals::new().unwrap();
    let fd = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    // More than a context has places.
    for _ in 0..100_000 {
        signals.signal(&fd).unwrap();
    }
    assert_eq!(count(&fd), 100_000);
}

#[test]
fn threads_share_it() {
    let signals = Signals::new().unwrap();
    let fd = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10_000).for_each(|_| signals.signal(&fd).unwrap()));
        }
    });
    assert_eq!(count(&fd), 40_000);
}

#[test]
fn a_full_counter_is_not_waited_for() {
    let signals = Signals::new().unwrap();
    // Where a write would wait.
    let fd = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    rustix::io::write(&fd, &(u64::MAX - 1).to_ne_bytes()).unwrap();
    let begin = Instant::now();
    for _ in 0..1000 {
        signals.signal(&fd).unwrap();
    }
    assert!(begin.elapsed() < Duration::from_secs(60));
    assert!(count(&fd) >= u64::MAX - 1);
}

#[test]
fn nothing_but_an_eventfd_is_signalled() {
    let signals = Signals::new().unwrap();
    let (reader, _writer) = rustix::pipe::pipe().unwrap();
    let error = signals.signal(&reader).unwrap_err();
    assert_eq!(
        error.raw_os_error(),
        Some(rustix::io::Errno::INVAL.raw_os_error())
    );
}
