// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::retries::MAX_RETRIES;
use super::*;
use crate::devices::virtio::buffers::Buffers;
use crate::devices::virtio::testing::{
    AVAILABLE, BUFFERS, DESCRIPTORS, Driver, End, INDIRECT, NEXT, RAM, SIZE, USED, setup,
};

/// Answers every chain by a job, whose completion says how often it was asked.
#[derive(Debug, Default)]
struct Echo {
    served: u32,
    buffers: Buffers,
}

impl Handler for Echo {
    type Job = u32;

    fn serve<M: Dma>(&mut self, memory: &M, chain: DescriptorChain<&M>) -> Result<Step<u32>, Problem> {
        self.buffers.gather(chain)?;
        let mut byte = [0];
        crate::devices::virtio::buffers::take(memory, &mut self.buffers.readable, &mut byte)?;
        self.served += 1;
        Ok(match byte {
            [0] => Step::Later(self.served),
            [1] => Step::NotYet,
            [_] => Step::Done(echo(self.served)),
        })
    }

    fn refuse<M: Dma>(&mut self, _: &M, _: DescriptorChain<&M>) -> Result<Completion, Problem> {
        Ok(echo(1000))
    }

    fn work(job: u32) -> Worked<u32> {
        Worked::Done(echo(job))
    }
}

fn echo(written: u32) -> Completion {
    Completion {
        written,
        status: None,
        moved: 1,
    }
}

fn driver(event_idx: bool) -> Driver<Echo> {
    Driver::new(Echo::default(), event_idx)
}

#[test]
fn one_interrupt_for_a_batch() {
    let mut driver = driver(true);
    driver.put(BUFFERS, &[2]);
    for n in 1..=50 {
        for _ in 0..10 {
            driver.chain(&[(BUFFERS, 1)], &[]);
        }
        driver.set_used_event(n * 10 - 10);
        assert_eq!(driver.run(), End::Waits);
        assert_eq!(driver.interrupts, u32::from(n));
    }
    // None before the driver wants one.
    driver.set_used_event(501);
    driver.chain(&[(BUFFERS, 1)], &[]);
    assert_eq!((driver.run(), driver.interrupts), (End::Waits, 50));
    driver.chain(&[(BUFFERS, 1)], &[]);
    assert_eq!((driver.run(), driver.interrupts), (End::Waits, 51));
    // The event for which the driver notifies: the next buffer.
    assert_eq!(
        driver.get(USED + 4 + 8 * u64::from(SIZE), 2),
        502_u16.to_le_bytes()
    );
    assert_eq!(driver.state.interrupt(), 1);
    let lengths: Vec<_> = std::iter::from_fn(|| driver.used()).collect();
    assert_eq!(lengths.len(), 502);
}

#[test]
fn nothing_is_served_unless_the_driver_runs() {
    let mut driver = driver(false);
    driver.chain(&[(BUFFERS, 1)], &[]);
    driver.state.set_status(0xb);
    assert_eq!((driver.run(), driver.used()), (End::Waits, None));
    driver.state.set_status(0xf);
    assert_eq!((driver.run(), driver.used()), (End::Waits, Some((0, 1))));
    driver.ring.stop();
    driver.chain(&[(BUFFERS, 1)], &[]);
    assert_eq!((driver.run(), driver.used()), (End::Waits, None));
}

#[test]
fn rings_that_make_no_sense_need_a_reset() {
    for (what, at, value) in [
        ("more chains than entries", AVAILABLE + 2, SIZE + 1),
        ("a chain beyond the table", AVAILABLE + 4, SIZE),
    ] {
        let mut driver = driver(true);
        driver.chain(&[(BUFFERS, 1)], &[]);
        driver.put(at, &value.to_le_bytes());
        assert!(matches!(driver.run(), End::Broken(_)), "{what}");
        assert!(driver.needs_reset());
    }
}

#[test]
fn chains_that_make_no_sense_are_named_at_once() {
    for (what, flags, length, next) in [
        ("may be a loop", NEXT, 1, 0),
        ("goes on at 16, beyond", NEXT, 1, SIZE),
        ("an invalid indirect table", INDIRECT, 17, 0),
        // It is its own indirect table.
        ("an invalid indirect table", INDIRECT, 16, 0),
        ("goes on at 0, beyond", INDIRECT, 0, 0),
        ("longer than 2^32 bytes", NEXT, 1 << 31, 0),
    ] {
        let mut driver = driver(true);
        driver.descriptor(DESCRIPTORS, 0, (DESCRIPTORS, length), flags, next);
        driver.offer(0);
        match driver.ring.run(&driver.memory, &driver.state).next {
            Next::Broken(problem) => assert!(problem.to_string().contains(what), "{what}: {problem}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn rings_that_cannot_be_reached_need_a_reset() {
    for hole in [DESCRIPTORS, AVAILABLE + 2, AVAILABLE + 4, USED + 2, USED + 4] {
        let mut driver = driver(true);
        driver.memory.hole.replace(hole..hole + 2);
        driver.chain(&[(BUFFERS, 1)], &[]);
        assert!(matches!(driver.run(), End::Broken(_)), "{hole:#x}");
        assert_eq!((driver.needs_reset(), driver.state.interrupt() & 2), (true, 2));
    }
    let mut driver = driver(true);
    for address in [RAM, !15] {
        let beyond = Setup {
            available: address,
            ..setup(true)
        };
        driver.ring.set_up(&beyond).unwrap();
        driver.state.reset();
        driver.state.set_status(0xf);
        assert!(matches!(driver.run(), End::Broken(_)));
    }
}

#[test]
fn rings_that_can_be_reached_again_are_enough() {
    for hole in [
        AVAILABLE + 2..AVAILABLE + 4,
        AVAILABLE + 4..AVAILABLE + 10,
        DESCRIPTORS..DESCRIPTORS + 48,
        BUFFERS..BUFFERS + 1,
        USED + 2..USED + 4,
        USED + 4..USED + 28,
    ] {
        let mut driver = driver(true);
        driver.chain(&[(BUFFERS, 1)], &[]);
        driver.put(BUFFERS, &[2]);
        for _ in 0..3 {
            driver.memory.hole.replace(hole.clone());
            let mut pauses = Duration::ZERO;
            for _ in 0..MAX_RETRIES {
                match driver.ring.run(&driver.memory, &driver.state).next {
                    Next::Retry(pause) => pauses += pause,
                    other => panic!("{hole:x?}: {other:?}"),
                }
            }
            assert!(
                pauses > Duration::from_secs(1) && pauses < Duration::from_secs(2),
                "{pauses:?}"
            );
            driver.memory.hole.replace(0..0);
            assert_eq!(driver.run(), End::Waits);
            assert!(driver.used().is_some() && driver.used().is_none(), "{hole:x?}");
            driver.chain(&[(BUFFERS, 1)], &[]);
        }
    }
}

#[test]
fn time_in_which_a_bank_holds_a_fault_does_not_count() {
    let mut driver = driver(true);
    driver.chain(&[(BUFFERS, 1)], &[]);
    driver.memory.hole.replace(0..RAM);
    driver.memory.blocked.set(true);
    for _ in 0..1000 {
        let next = driver.ring.run(&driver.memory, &driver.state).next;
        assert!(matches!(next, Next::Retry(pause) if pause <= Duration::from_millis(256)));
    }
    driver.memory.blocked.set(false);
    assert!(matches!(driver.run(), End::Broken(_)));
}

#[test]
fn what_was_done_is_not_done_again_for_a_stalled_used_ring() {
    let mut driver = driver(true);
    driver.put(BUFFERS, &[2]);
    driver.chain(&[(BUFFERS, 1)], &[]);
    driver.memory.stalls.replace(USED + 2..USED + 4);
    assert_eq!((driver.run(), driver.run()), (End::Stalls, End::Stalls));
    driver.memory.stalls.replace(0..0);
    assert_eq!(
        (driver.run(), driver.used(), driver.used()),
        (End::Waits, Some((0, 1)), None)
    );
    // Nor a job.
    driver.put(BUFFERS, &[0]);
    driver.chain(&[(BUFFERS, 1)], &[]);
    driver.memory.stalls.replace(USED + 4..USED + 20);
    assert_eq!(
        (driver.run(), driver.run(), driver.jobs),
        (End::Stalls, End::Stalls, 1)
    );
    driver.memory.stalls.replace(0..0);
    assert_eq!(
        (driver.run(), driver.used(), driver.jobs),
        (End::Waits, Some((1, 2)), 1)
    );
}

#[test]
fn every_chain_is_done_once_wherever_an_access_stalls() {
    for (after, goes_on) in (0..40).flat_map(|after| [(after, true), (after, false)]) {
        let mut driver = driver(true);
        // Done, a job, done.
        driver.put(BUFFERS, &[2, 0]);
        for address in [BUFFERS, BUFFERS + 1, BUFFERS] {
            driver.chain(&[(address, 1)], &[]);
        }
        driver.memory.stalls_after.set(after);
        let mut end = driver.run();
        let stalled = end == End::Stalls;
        if stalled {
            // The token of another would take its place.
            assert_eq!(driver.memory.stalled.get(), 1, "{after}");
            driver.memory.stalls_after.set(u64::MAX);
            let broken = if goes_on { None } else { driver.terminate() };
            end = broken.unwrap_or_else(|| driver.run());
        }
        let heads: Vec<_> = std::iter::from_fn(|| driver.used())
            .map(|(head, _)| head)
            .collect();
        if end == End::Waits {
            assert_eq!(heads, [0, 1, 2], "{after} {goes_on}");
            assert!(
                driver.jobs == 1 || stalled && !goes_on,
                "{after}: {}",
                driver.jobs
            );
        } else {
            assert!(driver.needs_reset() && !goes_on, "{after}: {end:?}");
        }
        assert!(stalled || after > 10);
    }
}

#[test]
fn a_terminated_read_of_the_used_event_fails_no_job() {
    let mut driver = driver(true);
    driver.put(BUFFERS, &[2, 0]);
    driver.chain(&[(BUFFERS, 1)], &[]);
    driver.chain(&[(BUFFERS + 1, 1)], &[]);
    let used_event = AVAILABLE + 4 + 2 * u64::from(SIZE);
    driver.memory.stalls.replace(used_event..used_event + 2);
    // The job is done, and the driver told of both chains.
    assert_eq!(
        (driver.run(), driver.jobs, driver.interrupts),
        (End::Stalls, 1, 2)
    );
    assert_eq!((driver.terminate(), driver.needs_reset()), (None, false));
    assert_eq!((driver.used(), driver.used()), (Some((0, 1)), Some((1, 2))));
}

#[test]
fn chains_before_a_stall_are_told() {
    let mut driver = driver(true);
    driver.put(BUFFERS, &[2]);
    driver.chain(&[(BUFFERS, 1)], &[]);
    driver.chain(&[(BUFFERS + 0x1000, 1)], &[]);
    driver.memory.stalls.replace(BUFFERS + 0x1000..BUFFERS + 0x1001);
    assert_eq!(
        (driver.run(), driver.interrupts, driver.used()),
        (End::Stalls, 1, Some((0, 1)))
    );
}

#[test]
fn a_terminated_stall_fails_the_chain_or_needs_a_reset() {
    let mut driver = driver(true);
    driver.chain(&[(BUFFERS, 1)], &[]);
    driver.memory.stalls.replace(BUFFERS..BUFFERS + 1);
    assert_eq!(driver.run(), End::Stalls);
    assert_eq!(driver.terminate(), None);
    assert_eq!((driver.run(), driver.used()), (End::Waits, Some((0, 1000))));
    // The next one is served as usual.
    driver.memory.stalls.replace(0..0);
    driver.chain(&[(BUFFERS, 1)], &[]);
    assert_eq!((driver.run(), driver.used()), (End::Waits, Some((1, 1))));
    driver.memory.stalls.replace(AVAILABLE..AVAILABLE + 4);
    assert_eq!(driver.run(), End::Stalls);
    assert!(matches!(driver.terminate(), Some(End::Broken(_))));
    assert!(driver.needs_reset());
}

#[test]
fn a_stall_terminated_after_a_reset_concerns_no_later_chain() {
    for stall in [BUFFERS, AVAILABLE + 2] {
        let mut driver = driver(true);
        driver.put(BUFFERS, &[2]);
        driver.chain(&[(BUFFERS, 1)], &[]);
        driver.memory.stalls.replace(stall..stall + 1);
        assert_eq!(driver.run(), End::Stalls);
        driver.restart(true);
        driver.chain(&[(BUFFERS, 1)], &[]);
        driver.memory.stalls.replace(0..0);
        assert_eq!((driver.terminate(), driver.needs_reset()), (None, false));
        assert_eq!((driver.run(), driver.used()), (End::Waits, Some((0, 1))));
    }
}

#[test]
fn a_job_that_outlasts_its_queue_is_forgotten() {
    let mut driver = driver(true);
    driver.chain(&[(BUFFERS, 1)], &[]);
    let Next::Work(ticket, job) = driver.ring.run(&driver.memory, &driver.state).next else {
        panic!("no job");
    };
    driver.ring.stop();
    driver.ring.set_up(&setup(true)).unwrap();
    driver.put(AVAILABLE + 2, &[0, 0]);
    driver.ring.finish(ticket, Echo::work(job));
    assert_eq!((driver.run(), driver.used()), (End::Waits, None));
}

/// Another queue of the device would do things in the wrong order.
#[test]
fn nothing_begins_before_jobs_of_before_a_reset_end() {
    let mut driver = driver(true);
    driver.chain(&[(BUFFERS, 1)], &[]);
    let Next::Work(ticket, _) = driver.ring.run(&driver.memory, &driver.state).next else {
        panic!("no job");
    };
    let mut other = self::driver(true);
    std::mem::swap(&mut other.state, &mut driver.state);
    other.chain(&[(BUFFERS, 1)], &[]);
    let next = |other: &mut Driver<Echo>| {
        let next = other.ring.run(&other.memory, &other.state).next;
        other.ring.stop();
        other.ring.set_up(&setup(true)).unwrap();
        next
    };
    // A job of the same generation is nothing to wait for.
    assert!(matches!(next(&mut other), Next::Work(..)));
    other.state.reset();
    other.state.set_status(0xf);
    assert!(matches!(next(&mut other), Next::Settle));
    drop(ticket);
    assert!(matches!(next(&mut other), Next::Work(..)));
}

#[test]
fn a_chain_added_while_the_queue_is_looked_at_is_served_at_once() {
    for after in 0..4 {
        let mut driver = driver(true);
        driver.put(BUFFERS, &[2]);
        driver.chain(&[(BUFFERS, 1)], &[]);
        driver.put(AVAILABLE + 2, &[0, 0]);
        driver
            .memory
            .then
            .replace(Some((after, AVAILABLE + 2, vec![1, 0])));
        let next = driver.ring.run(&driver.memory, &driver.state).next;
        assert!(matches!(next, Next::Wait), "{after}: {next:?}");
        assert_eq!(driver.used(), Some((0, 1)), "{after}");
    }
}

#[test]
fn a_chain_that_cannot_be_served_yet_stays() {
    let mut driver = driver(true);
    driver.put(BUFFERS, &[1]);
    driver.chain(&[(BUFFERS, 1)], &[]);
    assert_eq!((driver.run(), driver.used()), (End::Waits, None));
    driver.put(BUFFERS, &[2]);
    assert_eq!((driver.run(), driver.used()), (End::Waits, Some((0, 2))));
}

#[test]
fn queues_that_virtio_does_not_allow_are_refused() {
    let mut driver = driver(true);
    let good = setup(true);
    for (what, setup) in [
        ("size 0", Setup { size: 0, ..good }),
        ("size 3", Setup { size: 3, ..good }),
        ("size 512", Setup { size: 512, ..good }),
        (
            "size 64 Ki + 16",
            Setup {
                size: 0x1_0010,
                ..good
            },
        ),
        (
            "descriptors",
            Setup {
                descriptors: 8,
                ..good
            },
        ),
        ("available", Setup { available: 1, ..good }),
        ("available at 0", Setup { available: 0, ..good }),
        ("used", Setup { used: 2, ..good }),
    ] {
        assert!(driver.ring.set_up(&setup).is_err(), "{what}");
    }
}

proptest! {
    #[test]
    fn random_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0x2100), event_idx: bool) {
        let mut driver = driver(event_idx);
        driver.put(DESCRIPTORS, &bytes);
        let _ = driver.run();
        prop_assert_eq!(driver.run(), End::Waits);
    }
}
