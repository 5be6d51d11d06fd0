// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use smmu_emu::{Config, Marks, Plan, Smmu};

use super::super::*;
use crate::host::Host;
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
fn a_later_time_does_not_take_the_place_of_an_earlier_one() {
    check(|| {
        let timer = timer();
        let thread = start(&timer);
        timer.set(0, 0);
        timer.set(0, FAR);
        while timer.state.lock().due[0] == Some(0) {
            thread::yield_now();
        }
        timer.end();
        assert_eq!(thread.join().unwrap(), [1, 0]);
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

/// One mark wakes the thread, and the one that the interrupt waits for is raised while the SMMU has no time: the thread
/// has taken it, and sets the next one when it has looked in vain.
#[test]
fn a_mark_between_two_times_is_not_missed() {
    check(|| {
        let marks = ["first", "second"].map(|name| toml::from_str(&format!("name = {name:?}")).unwrap());
        let run = Arc::new(Run::new(Marks::new(marks.into(), &["a"]).unwrap()));
        let host = Host::new("a".into(), Arc::clone(&run), 1);
        let late = "site = \"interrupt\"\nline = \"global\"\nuntil = \"second\"\nat_most_us = 60_000_000\n";
        let plan = Plan {
            delays: vec![toml::from_str(late).unwrap()],
            ..Plan::default()
        };
        let smmu = SmmuHandle::new(Smmu::new(&Config::default(), plan).unwrap());
        let target = TimerTarget {
            smmu: smmu.clone(),
            shared: Arc::clone(host.shared()),
        };
        let timer = Timer::start(&run, vec![target]).unwrap();
        // sCR0.GFIE, and a fault by sGFSRRESTORE.
        for (offset, value) in [(0, 1_u32 << 2), (0x4c, 1 << 1)] {
            smmu.lock()
                .write(&mut host.observer(), offset, &value.to_le_bytes());
        }
        assert!(smmu.lock().next_due().is_some());
        run.raise(0);
        run.raise(1);
        while smmu.lock().next_due().is_some() {
            thread::yield_now();
        }
        drop(timer);
    });
}
