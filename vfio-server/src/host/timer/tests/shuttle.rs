// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::super::*;
use crate::sync::testing::check;

/// A time that never comes, since no wait times out here.
const FAR: u64 = 1 << 40;

/// The thread of a timer for two SMMUs at time 0. Returns how often each was called.
fn start(timer: &Arc<Timer>) -> JoinHandle<[u32; 2]> {
    let timer = Arc::clone(timer);
    thread::spawn(move || {
        let mut called = [0; 2];
        while let Some(place) = timer.wait(|| 0) {
            called[place] += 1;
        }
        called
    })
}

fn timer() -> Arc<Timer> {
    let timer = Arc::new(Timer::default());
    assert_eq!((timer.join(), timer.join()), (0, 1));
    timer
}

fn wait_until_called(timer: &Timer) {
    while timer.state.lock().due.iter().any(Option::is_some) {
        thread::yield_now();
    }
}

#[test]
fn no_time_is_missed() {
    check(|| {
        let timer = timer();
        let thread = start(&timer);
        let other = Arc::clone(&timer);
        let sets = thread::spawn(move || other.set(1, 0));
        timer.set(0, 0);
        sets.join().unwrap();
        wait_until_called(&timer);
        timer.end();
        assert_eq!(thread.join().unwrap(), [1, 1]);
    });
}

/// The thread waits for the later time already when an earlier one is set.
#[test]
fn an_earlier_time_and_a_mark_end_the_wait_for_a_later_one() {
    check(|| {
        let timer = timer();
        let thread = start(&timer);
        timer.set(0, FAR);
        timer.set(0, 0);
        wait_until_called(&timer);
        timer.set(1, FAR);
        timer.look_now();
        wait_until_called(&timer);
        timer.end();
        assert_eq!(thread.join().unwrap(), [1, 1]);
    });
}

#[test]
fn the_thread_ends_while_it_waits() {
    check(|| {
        let timer = timer();
        let thread = start(&timer);
        timer.set(0, FAR);
        timer.end();
        assert_eq!(thread.join().unwrap(), [0, 0]);
    });
}
