// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::*;

/// Waits until the state is so.
fn wait_until(gate: &DmaGate, mut is_so: impl FnMut(&State) -> bool) {
    while !is_so(&gate.state.lock()) {
        thread::yield_now();
    }
}

#[test]
fn a_closure_waits_for_those_inside() {
    let gate = DmaGate::default();
    let generation = gate.generation().unwrap();
    for close in [DmaGate::pause, DmaGate::end] {
        let Ok(guard) = gate.enter(gate.generation().unwrap()) else {
            panic!("nothing is closed");
        };
        let left = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let drain = close(&gate);
                assert!(left.load(Ordering::SeqCst), "it did not wait");
                drop(drain);
            });
            wait_until(&gate, |state| state.pauses + state.ends > 0);
            left.store(true, Ordering::SeqCst);
            drop(guard);
        });
    }
    assert_ne!(gate.generation(), Some(generation), "an end begins a generation");
}

#[test]
fn a_pause_holds_up_and_an_end_turns_away() {
    let gate = DmaGate::default();
    let generation = gate.generation().unwrap();
    let pause = gate.pause();
    let (started, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                started.fetch_add(1, Ordering::SeqCst);
                let guard = gate.enter(generation).unwrap();
                assert!(over.load(Ordering::SeqCst), "entered during the pause");
                drop(guard);
            });
        }
        while started.load(Ordering::SeqCst) < 4 {
            thread::yield_now();
        }
        over.store(true, Ordering::SeqCst);
        drop(pause);
    });

    let pause = gate.pause();
    thread::scope(|scope| {
        let waits = scope.spawn(|| gate.enter(generation).map(drop));
        // An end comes to those that a pause holds up, whether they wait already or not.
        let end = gate.end();
        assert_eq!(waits.join().unwrap(), Err(Revoked));
        drop(end);
    });
    drop(pause);
    assert_eq!(gate.check(generation), Err(Revoked), "also afterwards");
    assert!(gate.enter(gate.generation().unwrap()).is_ok());
}

/// A decision between the stall and the wait is not missed.
#[test]
fn no_resume_is_missed() {
    let gate = DmaGate::default();
    let generation = gate.generation().unwrap();
    let guard = gate.enter(generation).unwrap();
    gate.resumed();
    assert_eq!(gate.wait_for_resume(guard, generation), Ok(()));
    let guard = gate.enter(generation).unwrap();
    let decided = AtomicBool::new(false);
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let waited = gate.wait_for_resume(guard, generation);
            assert!(decided.load(Ordering::SeqCst), "it did not wait");
            waited
        });
        // While it waits it is not inside, and a pause is nothing to it.
        drop(gate.pause());
        decided.store(true, Ordering::SeqCst);
        gate.resumed();
        assert_eq!(waits.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_stalled_transaction_is_given_up_at_an_end_and_at_a_stop() {
    for give_up in [|gate: &DmaGate| drop(gate.end()), DmaGate::stop] {
        let gate = DmaGate::default();
        let generation = gate.generation().unwrap();
        let guard = gate.enter(generation).unwrap();
        thread::scope(|scope| {
            let waits = scope.spawn(|| gate.wait_for_resume(guard, generation));
            wait_until(&gate, |state| state.inside == 0);
            give_up(&gate);
            assert_eq!(waits.join().unwrap(), Err(Revoked));
        });
    }
}

/// Threads come and go without pause; drains still get their turn, and what they see does not change under them.
#[test]
fn steady_traffic_does_not_starve_a_closure() {
    let gate = DmaGate::default();
    let (inside, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let Ok(guard) = gate
                        .generation()
                        .ok_or(Revoked)
                        .and_then(|generation| gate.enter(generation))
                    else {
                        continue;
                    };
                    inside.fetch_add(1, Ordering::SeqCst);
                    std::hint::spin_loop();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(guard);
                }
            });
        }
        for round in 0..500 {
            let drain = if round % 2 == 0 { gate.pause() } else { gate.end() };
            assert_eq!(inside.load(Ordering::SeqCst), 0);
            drop(drain);
        }
        over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn memory_is_gone_when_its_closure_has_changed_it() {
    let gate = DmaGate::default();
    let ranges = Arc::new(Ranges::default());
    gate.pause().set_memory(&ranges);
    let guard = gate.enter(gate.generation().unwrap()).unwrap();
    assert_eq!(Arc::strong_count(&ranges), 3);
    drop(guard);
    gate.pause().set_memory(&Arc::default());
    assert_eq!(Arc::strong_count(&ranges), 1);
}

#[cfg(shuttle)]
mod shuttle;
