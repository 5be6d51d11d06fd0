// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::sync::testing::check;
use crate::sync::thread;

/// Accesses in two threads until their period is over. Returns how many there were.
fn accesses(traffic: &Traffic, period: Period, inside: &AtomicUsize) -> usize {
    let mut made = 0;
    while made < 3 {
        let Ok(passage) = traffic.enter(period) else {
            break;
        };
        inside.fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
        inside.fetch_sub(1, Ordering::SeqCst);
        drop(passage);
        made += 1;
    }
    made
}

#[test]
fn nothing_is_inside_during_a_closure_and_pauses_let_all_go_on() {
    check(|| {
        let traffic = Arc::new(Traffic::default());
        let inside = Arc::new(AtomicUsize::new(0));
        let period = traffic.period().unwrap();
        let clients: Vec<_> = (0..2)
            .map(|_| {
                let (traffic, inside) = (Arc::clone(&traffic), Arc::clone(&inside));
                thread::spawn(move || accesses(&traffic, period, &inside))
            })
            .collect();
        let other = Arc::clone(&traffic);
        let pauses = thread::spawn(move || drop(other.pause()));
        let pause = traffic.pause();
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
        let traffic = Arc::new(Traffic::default());
        let inside = Arc::new(AtomicUsize::new(0));
        let period = traffic.period().unwrap();
        let (theirs, count) = (Arc::clone(&traffic), Arc::clone(&inside));
        let client = thread::spawn(move || accesses(&theirs, period, &count));
        let end = traffic.end();
        assert_eq!(inside.load(Ordering::SeqCst), 0);
        thread::yield_now();
        assert_eq!(inside.load(Ordering::SeqCst), 0);
        drop(end);
        assert_eq!(traffic.check(period), Err(Gone));
        client.join().unwrap();
        assert_eq!(accesses(&traffic, traffic.period().unwrap(), &inside), 3);
    });
}

/// A transaction stalls, and software decides about it: between the stall and the wait, or later.
#[test]
fn no_decision_is_missed() {
    check(|| {
        let traffic = Arc::new(Traffic::default());
        let period = traffic.period().unwrap();
        // As the lock of the model: a stall and a decision exclude each other.
        let decided = Arc::new(Mutex::new(false));
        let (theirs, decision) = (Arc::clone(&traffic), Arc::clone(&decided));
        let client = thread::spawn(move || {
            let mut passage = theirs.enter(period).unwrap();
            while !*decision.lock() {
                theirs.wait_for_resume(passage, period).unwrap();
                passage = theirs.enter(period).unwrap();
            }
        });
        // Something else was decided before, and memory changes.
        traffic.resumed();
        drop(traffic.pause());
        *decided.lock() = true;
        traffic.resumed();
        client.join().unwrap();
    });
}

#[test]
fn a_stalled_transaction_is_given_up_at_an_end_and_at_a_stop() {
    fn scenario(give_up: fn(&Traffic)) {
        let traffic = Arc::new(Traffic::default());
        let period = traffic.period().unwrap();
        let theirs = Arc::clone(&traffic);
        let client = thread::spawn(move || {
            let Ok(passage) = theirs.enter(period) else {
                return;
            };
            assert_eq!(theirs.wait_for_resume(passage, period), Err(Gone));
        });
        give_up(&traffic);
        client.join().unwrap();
    }
    check(|| scenario(|traffic| drop(traffic.end())));
    check(|| scenario(Traffic::stop));
    // Also if a pause holds it up.
    check(|| {
        scenario(|traffic| {
            let pause = traffic.pause();
            traffic.stop();
            drop(pause);
        });
    });
}

#[test]
fn memory_is_gone_when_its_closure_has_changed_it() {
    check(|| {
        let traffic = Arc::new(Traffic::default());
        let ranges = Arc::new(Ranges::default());
        traffic.pause().set_memory(&ranges);
        let period = traffic.period().unwrap();
        let changed = Arc::new(AtomicBool::new(false));
        let (theirs, has_changed) = (Arc::clone(&traffic), Arc::clone(&changed));
        let old = Arc::as_ptr(&ranges) as usize;
        let client = thread::spawn(move || {
            for _ in 0..2 {
                let passage = theirs.enter(period).unwrap();
                let is_old = std::ptr::from_ref(passage.memory()) as usize == old;
                assert!(!(is_old && has_changed.load(Ordering::SeqCst)));
            }
        });
        let pause = traffic.pause();
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
