// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::sync::testing::check;
use crate::sync::thread;

/// Accesses in two threads until their generation is over. Returns how many there were.
fn accesses(gate: &DmaGate, generation: Generation, inside: &AtomicUsize) -> usize {
    let mut made = 0;
    while made < 3 {
        let Ok(guard) = gate.enter(generation) else {
            break;
        };
        inside.fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
        inside.fetch_sub(1, Ordering::SeqCst);
        drop(guard);
        made += 1;
    }
    made
}

#[test]
fn nothing_is_inside_during_a_closure_and_pauses_let_all_go_on() {
    check(|| {
        let gate = Arc::new(DmaGate::default());
        let inside = Arc::new(AtomicUsize::new(0));
        let generation = gate.generation().unwrap();
        let clients: Vec<_> = (0..2)
            .map(|_| {
                let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
                thread::spawn(move || accesses(&gate, generation, &inside))
            })
            .collect();
        let other = Arc::clone(&gate);
        let pauses = thread::spawn(move || drop(other.pause()));
        let pause = gate.pause();
        assert_eq!(inside.load(Ordering::SeqCst), 0);
        thread::yield_now();
        assert_eq!(inside.load(Ordering::SeqCst), 0);
        drop(pause);
        pauses.join().unwrap();
        for client in clients {
            assert_eq!(client.join().unwrap(), 3);
        }
    });
}

#[test]
fn no_access_of_an_earlier_period_is_made_after_an_end() {
    check(|| {
        let gate = Arc::new(DmaGate::default());
        let inside = Arc::new(AtomicUsize::new(0));
        let generation = gate.generation().unwrap();
        let (theirs, count) = (Arc::clone(&gate), Arc::clone(&inside));
        let client = thread::spawn(move || accesses(&theirs, generation, &count));
        let end = gate.end();
        assert_eq!(inside.load(Ordering::SeqCst), 0);
        thread::yield_now();
        assert_eq!(inside.load(Ordering::SeqCst), 0);
        drop(end);
        assert_eq!(gate.check(generation), Err(Revoked));
        client.join().unwrap();
        assert_eq!(accesses(&gate, gate.generation().unwrap(), &inside), 3);
    });
}

/// A transaction stalls, and software decides about it: between the stall and the wait, or later.
#[test]
fn no_decision_is_missed() {
    check(|| {
        let gate = Arc::new(DmaGate::default());
        let generation = gate.generation().unwrap();
        // As the lock of the model: a stall and a decision exclude each other.
        let decided = Arc::new(Mutex::new(false));
        let (theirs, decision) = (Arc::clone(&gate), Arc::clone(&decided));
        let client = thread::spawn(move || {
            let mut guard = theirs.enter(generation).unwrap();
            while !*decision.lock() {
                theirs.wait_for_resume(guard, generation).unwrap();
                guard = theirs.enter(generation).unwrap();
            }
        });
        // Something else was decided before, and memory changes.
        gate.resumed();
        drop(gate.pause());
        *decided.lock() = true;
        gate.resumed();
        client.join().unwrap();
    });
}

#[test]
fn a_stalled_transaction_is_given_up_at_an_end_and_at_a_stop() {
    fn scenario(give_up: fn(&DmaGate)) {
        let gate = Arc::new(DmaGate::default());
        let generation = gate.generation().unwrap();
        let theirs = Arc::clone(&gate);
        let client = thread::spawn(move || {
            let Ok(guard) = theirs.enter(generation) else {
                return;
            };
            assert_eq!(theirs.wait_for_resume(guard, generation), Err(Revoked));
        });
        give_up(&gate);
        client.join().unwrap();
    }
    check(|| scenario(|gate| drop(gate.end())));
    check(|| scenario(DmaGate::stop));
    // Also if a pause holds it up.
    check(|| {
        scenario(|gate| {
            let pause = gate.pause();
            gate.stop();
            drop(pause);
        });
    });
}

/// Accesses that wait, for a decision or for the end of a pause, are turned away while the end still stands.
#[test]
fn an_end_turns_the_waiting_away_before_it_is_over() {
    check(|| {
        let gate = Arc::new(DmaGate::default());
        let generation = gate.generation().unwrap();
        let theirs = Arc::clone(&gate);
        let stalled = thread::spawn(move || {
            let Ok(guard) = theirs.enter(generation) else {
                return;
            };
            assert_eq!(theirs.wait_for_resume(guard, generation), Err(Revoked));
        });
        let pause = gate.pause();
        let theirs = Arc::clone(&gate);
        let held_up = thread::spawn(move || drop(theirs.enter(generation)));
        let end = gate.end();
        stalled.join().unwrap();
        held_up.join().unwrap();
        drop((end, pause));
    });
}

#[test]
fn memory_is_gone_when_its_closure_has_changed_it() {
    check(|| {
        let gate = Arc::new(DmaGate::default());
        let ranges = Arc::new(Ranges::default());
        gate.pause().set_memory(&ranges);
        let generation = gate.generation().unwrap();
        let changed = Arc::new(AtomicBool::new(false));
        let (theirs, has_changed) = (Arc::clone(&gate), Arc::clone(&changed));
        let old = Arc::as_ptr(&ranges) as usize;
        let client = thread::spawn(move || {
            for _ in 0..2 {
                let guard = theirs.enter(generation).unwrap();
                let is_old = std::ptr::from_ref(guard.memory()) as usize == old;
                assert!(!(is_old && has_changed.load(Ordering::SeqCst)));
            }
        });
        let pause = gate.pause();
        pause.set_memory(&Arc::default());
        assert_eq!(
            Arc::strong_count(&ranges),
            1,
            "unmapped before the client is answered"
        );
        changed.store(true, Ordering::SeqCst);
        drop(pause);
        client.join().unwrap();
    });
}
