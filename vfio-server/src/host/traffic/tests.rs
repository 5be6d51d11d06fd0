// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::*;

/// Long enough for a thread to get where it waits; a test that is too early passes for the wrong reason, and never fails.
const MOMENT: Duration = Duration::from_millis(20);

#[test]
fn a_closure_waits_for_those_inside() {
    let traffic = Traffic::default();
    let period = traffic.period().unwrap();
    for close in [Traffic::pause, Traffic::end] {
        let Ok(passage) = traffic.enter(traffic.period().unwrap()) else {
            panic!("nothing is closed");
        };
        let closed = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let closure = close(&traffic);
                closed.store(true, Ordering::SeqCst);
                drop(closure);
            });
            thread::sleep(MOMENT);
            assert!(!closed.load(Ordering::SeqCst));
            drop(passage);
        });
        assert!(closed.load(Ordering::SeqCst));
    }
    assert_ne!(traffic.period(), Some(period), "an end begins a period");
}

#[test]
fn a_pause_holds_up_and_an_end_turns_away() {
    let traffic = Traffic::default();
    let period = traffic.period().unwrap();
    let pause = traffic.pause();
    let entered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                traffic.enter(period).unwrap();
                entered.fetch_add(1, Ordering::SeqCst);
            });
        }
        thread::sleep(MOMENT);
        assert_eq!(entered.load(Ordering::SeqCst), 0);
        drop(pause);
    });
    assert_eq!(entered.load(Ordering::SeqCst), 4);

    let pause = traffic.pause();
    thread::scope(|scope| {
        let waits = scope.spawn(|| traffic.enter(period).map(drop));
        thread::sleep(MOMENT);
        // An end comes to those that a pause holds up.
        let end = traffic.end();
        assert_eq!(waits.join().unwrap(), Err(Gone));
        drop(end);
    });
    drop(pause);
    assert_eq!(traffic.check(period), Err(Gone), "also afterwards");
    assert!(traffic.enter(traffic.period().unwrap()).is_ok());
}

/// What is decided between the stall and the wait is not missed.
#[test]
fn no_resume_is_missed() {
    let traffic = Traffic::default();
    let period = traffic.period().unwrap();
    let passage = traffic.enter(period).unwrap();
    traffic.resumed();
    assert_eq!(traffic.wait_for_resume(passage, period), Ok(()));
    let passage = traffic.enter(period).unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| traffic.wait_for_resume(passage, period));
        thread::sleep(MOMENT);
        assert!(!waits.is_finished());
        traffic.pause();
        assert!(
            !waits.is_finished(),
            "it is not inside, and a pause is nothing to it"
        );
        traffic.resumed();
        assert_eq!(waits.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_stalled_transaction_is_given_up_at_an_end_and_at_a_stop() {
    for give_up in [|traffic: &Traffic| drop(traffic.end()), Traffic::stop] {
        let traffic = Traffic::default();
        let period = traffic.period().unwrap();
        let passage = traffic.enter(period).unwrap();
        thread::scope(|scope| {
            let waits = scope.spawn(|| traffic.wait_for_resume(passage, period));
            thread::sleep(MOMENT);
            give_up(&traffic);
            assert_eq!(waits.join().unwrap(), Err(Gone));
        });
    }
}

/// Threads come and go without pause; closures still get their turn, and what they see does not change under them.
#[test]
fn steady_traffic_does_not_starve_a_closure() {
    let traffic = Traffic::default();
    let (inside, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let Ok(passage) = traffic
                        .period()
                        .ok_or(Gone)
                        .and_then(|period| traffic.enter(period))
                    else {
                        continue;
                    };
                    inside.fetch_add(1, Ordering::SeqCst);
                    std::hint::spin_loop();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(passage);
                }
            });
        }
        for round in 0..500 {
            let closure = if round % 2 == 0 {
                traffic.pause()
            } else {
                traffic.end()
            };
            assert_eq!(inside.load(Ordering::SeqCst), 0);
            drop(closure);
        }
        over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn memory_is_gone_when_its_closure_has_changed_it() {
    let traffic = Traffic::default();
    let ranges = Arc::new(Ranges::default());
    traffic.pause().set_memory(&ranges);
    let passage = traffic.enter(traffic.period().unwrap()).unwrap();
    assert_eq!(Arc::strong_count(&ranges), 3);
    drop(passage);
    traffic.pause().set_memory(&Arc::default());
    assert_eq!(Arc::strong_count(&ranges), 1);
}
