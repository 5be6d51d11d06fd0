// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::*;

/// Waits until the state is so.
fn wait_until(traffic: &Traffic, mut is_so: impl FnMut(&State) -> bool) {
    while !is_so(&traffic.state.lock()) {
        thread::yield_now();
    }
}

#[test]
fn a_closure_waits_for_those_inside() {
    let traffic = Traffic::default();
    let period = traffic.period().unwrap();
    for close in [Traffic::pause, Traffic::end] {
        let Ok(passage) = traffic.enter(traffic.period().unwrap()) else {
            panic!("nothing is closed");
        };
        let left = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let closure = close(&traffic);
                assert!(left.load(Ordering::SeqCst), "it did not wait");
                drop(closure);
            });
            wait_until(&traffic, |state| state.pauses + state.ends > 0);
            left.store(true, Ordering::SeqCst);
            drop(passage);
        });
    }
    assert_ne!(traffic.period(), Some(period), "an end begins a period");
}

#[test]
fn a_pause_holds_up_and_an_end_turns_away() {
    let traffic = Traffic::default();
    let period = traffic.period().unwrap();
    let pause = traffic.pause();
    let (started, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                started.fetch_add(1, Ordering::SeqCst);
                let passage = traffic.enter(period).unwrap();
                assert!(over.load(Ordering::SeqCst), "entered during the pause");
                drop(passage);
            });
        }
        while started.load(Ordering::SeqCst) < 4 {
            thread::yield_now();
        }
        over.store(true, Ordering::SeqCst);
        drop(pause);
    });

    let pause = traffic.pause();
    thread::scope(|scope| {
        let waits = scope.spawn(|| traffic.enter(period).map(drop));
        // An end comes to those that a pause holds up, whether they wait already or not.
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
    let decided = AtomicBool::new(false);
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let waited = traffic.wait_for_resume(passage, period);
            assert!(decided.load(Ordering::SeqCst), "it did not wait");
            waited
        });
        // While it waits it is not inside, and a pause is nothing to it.
        drop(traffic.pause());
        decided.store(true, Ordering::SeqCst);
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
            wait_until(&traffic, |state| state.inside == 0);
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

#[cfg(shuttle)]
mod shuttle;
