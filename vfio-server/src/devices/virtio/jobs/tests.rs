// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[test]
fn only_what_a_reset_left_behind_is_waited_for() {
    let jobs = Arc::new(Jobs::default());
    let old = [jobs.begin(), jobs.begin()];
    assert!(jobs.are_settled());
    jobs.leave_behind();
    let new = jobs.begin();
    jobs.settle_after(old);
    assert!(jobs.are_settled());
    jobs.leave_behind();
    jobs.leave_behind();
    assert!(!jobs.are_settled());
    drop(new);
    assert!(jobs.are_settled());
    drop(jobs.begin());
    jobs.settle();
}

impl Jobs {
    /// Asserts that a queue waits until all of these have ended.
    fn settle_after(self: &Arc<Self>, old: [UnderWay; 2]) {
        let ended = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                self.settle();
                assert_eq!(ended.load(Ordering::SeqCst), 2);
            });
            for job in old {
                ended.fetch_add(1, Ordering::SeqCst);
                drop(job);
            }
        });
    }
}

#[cfg(shuttle)]
mod shuttle;
