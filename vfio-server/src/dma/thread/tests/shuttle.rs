// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::sync::atomic::{AtomicBool, Ordering};

use smmu_emu::{Config, Intent, Marks, Plan, Smmu, SmmuHandle};

use super::super::*;
use crate::dma::Revoked;
use crate::host::dma_gate::Generation;
use crate::host::{Host, Run};
use crate::sync::testing::check;

fn host() -> Host {
    let run = Arc::new(Run::new(Marks::new(Vec::new(), &["a"]).unwrap()));
    Host::new("a".into(), run, 1)
}

fn start(host: &Host, work: impl FnMut(&mut Port) + Send + 'static) -> Thread {
    let smmu = SmmuHandle::new(Smmu::new(&Config::default(), Plan::default()).unwrap());
    let port = Port::new(&smmu, Arc::clone(host.shared()), 1, Arc::default());
    Thread::start("a", Arc::clone(host.shared()), port, work).unwrap()
}

#[test]
fn no_ring_is_lost() {
    check(|| {
        let host = host();
        let jobs = Arc::new((Mutex::new((0, 0)), Condvar::default()));
        let theirs = Arc::clone(&jobs);
        let thread = start(&host, move |_| {
            let mut counts = theirs.0.lock();
            counts.1 += std::mem::take(&mut counts.0);
            theirs.1.notify_all();
        });
        for _ in 0..3 {
            jobs.0.lock().0 += 1;
            thread.doorbell().ring();
        }
        let counts = jobs.1.wait_while(jobs.0.lock(), |counts| counts.1 < 3);
        drop(counts);
        host.shared().dma_gate().stop();
        drop(thread);
    });
}

/// As `Function::detach` does, at any time.
#[test]
fn a_thread_ends_whatever_it_does() {
    check(|| {
        let host = host();
        let thread = start(&host, |port| {
            for _ in 0..3 {
                if port.with_view(Intent::default(), |_| ()).is_err() {
                    return;
                }
            }
        });
        thread.doorbell().ring();
        drop(host.shared().dma_gate().end());
        thread.doorbell().ring();
        host.shared().dma_gate().stop();
        drop(thread);
    });
}

/// A reset clears the jobs; what a thread found before makes no access afterwards.
#[test]
fn work_of_before_a_reset_makes_no_access() {
    check(|| {
        let host = host();
        let job = Arc::new(Mutex::new(None));
        let is_over = Arc::new(AtomicBool::new(false));
        let (theirs, over) = (Arc::clone(&job), Arc::clone(&is_over));
        let thread = start(&host, move |port| {
            let Some(is_old) = theirs.lock().take() else {
                return;
            };
            let made = port.with_view(Intent::default(), |_| {
                assert!(
                    !(is_old && over.load(Ordering::SeqCst)),
                    "an access of before the reset"
                );
            });
            assert!(is_old || made == Ok(()), "new work is made");
        });
        *job.lock() = Some(true);
        thread.doorbell().ring();
        let end = host.shared().dma_gate().end();
        *job.lock() = None;
        is_over.store(true, Ordering::SeqCst);
        drop(end);
        assert_eq!(
            host.shared().dma_gate().check(Generation::default()),
            Err(Revoked)
        );
        *job.lock() = Some(false);
        thread.doorbell().ring();
        while job.lock().is_some() {
            thread::yield_now();
        }
        thread.close();
        drop(thread);
    });
}
