// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::sync::testing::check;
use crate::sync::thread;

#[test]
fn settling_waits_for_what_was_left_behind_and_nothing_else() {
    check(|| {
        let jobs = Arc::new(Jobs::default());
        let left = Arc::new(AtomicUsize::new(2));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (job, left) = (jobs.begin(), Arc::clone(&left));
                thread::spawn(move || {
                    thread::yield_now();
                    left.fetch_sub(1, Ordering::SeqCst);
                    drop(job);
                })
            })
            .collect();
        jobs.leave_behind();
        // It goes on for as long as anybody waits.
        let new = jobs.begin();
        jobs.settle();
        assert_eq!(left.load(Ordering::SeqCst), 0);
        assert!(jobs.are_settled());
        drop(new);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// A second reset while the queue waits leaves more behind, and the wait goes on.
#[test]
fn a_reset_during_the_wait_is_waited_for() {
    check(|| {
        let jobs = Arc::new(Jobs::default());
        let (first, second) = (jobs.begin(), jobs.begin());
        let theirs = Arc::clone(&jobs);
        let other = thread::spawn(move || {
            drop(first);
            theirs.leave_behind();
            drop(second);
        });
        jobs.leave_behind();
        jobs.settle();
        other.join().unwrap();
        assert!(jobs.are_settled());
    });
}
