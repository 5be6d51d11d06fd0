// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::sync::mpsc;
use std::time::Duration;

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
    /// Asserts that somebody waits until all of these have ended.
    fn settle_after(self: &Arc<Self>, old: [UnderWay; 2]) {
        let (sender, settled) = mpsc::channel();
        let jobs = Arc::clone(self);
        let waits = std::thread::spawn(move || {
            jobs.settle();
            sender.send(()).unwrap();
        });
        for job in old {
            assert!(settled.recv_timeout(Duration::from_millis(50)).is_err());
            drop(job);
        }
        settled.recv_timeout(Duration::from_secs(60)).unwrap();
        waits.join().unwrap();
    }
}
