// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Views and file accesses in turns.

use super::*;
use crate::devices::virtio::jobs::Ticket;
use crate::devices::virtio::ring::Next;
use crate::devices::virtio::testing::{AVAILABLE, setup};

/// Bytes of a request that takes two pieces.
const LONG: u32 = 100 << 10;

impl Disks {
    /// Runs a batch up to a job.
    fn job(&mut self) -> (Ticket, Job) {
        match self.driver.ring.run(&self.driver.memory, &self.driver.state).next {
            Next::Work(ticket, job) => (ticket, job),
            other => panic!("{other:?}"),
        }
    }

    fn work(&mut self, (ticket, job): (Ticket, Job)) {
        self.driver.ring.finish(ticket, Blk::work(job));
    }

    /// Makes a request of [`LONG`] bytes available.
    fn long(&mut self, kind: u32) {
        self.header(kind, 0);
        let (header, data, status) = ((HEADER, 16), (DATA, LONG), (STATUS, 1));
        if kind == VIRTIO_BLK_T_IN {
            self.driver.chain(&[header], &[data, status]);
        } else {
            self.driver.chain(&[header, data], &[status]);
        }
    }
}

#[test]
fn the_image_is_read_and_written_without_a_view() {
    let mut disks = Disks::new(false);
    disks.long(VIRTIO_BLK_T_IN);
    for at in [0, 64 << 10] {
        let job = disks.job();
        assert_eq!(disks.driver.get(DATA + at, 512), [0; 512]);
        disks.work(job);
        assert_eq!(disks.driver.get(DATA + at, 512), [0; 512]);
        assert_eq!(disks.driver.used(), None);
    }
    assert_eq!(disks.driver.run(), End::Waits);
    assert_eq!(disks.answer(), (LONG + 1, OK));
    assert_eq!(disks.driver.get(DATA, 512), content(0));
    disks.driver.put(DATA, &vec![7; LONG as usize]);
    disks.long(VIRTIO_BLK_T_OUT);
    for sector in [0, 128] {
        let job = disks.job();
        assert_eq!(disks.on_disk(sector), content(sector));
        // What the guest changes now comes too late.
        disks.driver.put(DATA + sector * SECTOR, &[8; 512]);
        disks.work(job);
        assert_eq!(disks.on_disk(sector), [7; 512]);
        assert_eq!(disks.driver.used(), None);
    }
    assert_eq!(disks.driver.run(), End::Waits);
    assert_eq!(disks.answer(), (1, OK));
    assert_eq!(
        (disks.on_disk(199), disks.on_disk(200)),
        (vec![7; 512], content(200))
    );
}

#[test]
fn a_stall_in_the_middle_repeats_or_fails_one_piece() {
    let mut disks = Disks::new(false);
    for kind in [VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT] {
        for goes_on in [true, false] {
            let middle = DATA + (80 << 10);
            disks.driver.memory.stalls.replace(middle..middle + 1);
            disks.long(kind);
            disks.driver.jobs = 0;
            assert_eq!(disks.driver.run(), End::Stalls);
            let jobs = disks.driver.jobs;
            assert_eq!((disks.driver.run(), disks.driver.jobs), (End::Stalls, jobs));
            assert_eq!(disks.driver.used(), None);
            if goes_on {
                disks.driver.memory.stalls.replace(0..0);
            } else {
                assert_eq!(disks.driver.terminate(), None);
            }
            assert_eq!(disks.driver.run(), End::Waits);
            let (length, status) = disks.answer();
            assert_eq!(status, if goes_on { OK } else { IOERR }, "{kind}");
            let all = if kind == VIRTIO_BLK_T_IN { LONG + 1 } else { 1 };
            assert_eq!(length, if goes_on { all } else { 0 });
            assert_eq!(disks.driver.jobs, if goes_on { 2 } else { jobs });
            disks.driver.memory.stalls.replace(0..0);
            assert_eq!(disks.request(VIRTIO_BLK_T_IN, 300, 512), (513, OK));
            assert_eq!(disks.driver.get(DATA, 512), content(300));
        }
    }
}

#[test]
fn memory_that_goes_away_in_the_middle_fails_the_request() {
    let mut disks = Disks::new(false);
    for kind in [VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT] {
        disks.long(kind);
        let job = disks.job();
        disks.work(job);
        disks.driver.memory.hole.replace(DATA..DATA + u64::from(LONG));
        assert_eq!(disks.driver.run(), End::Waits);
        assert_eq!(disks.answer(), (0, IOERR));
        disks.driver.memory.hole.replace(0..0);
        assert_eq!(disks.request(VIRTIO_BLK_T_IN, 300, 512), (513, OK));
    }
}

#[test]
fn a_reset_forgets_a_request_at_any_time() {
    for kind in [VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT] {
        for during_job in [true, false] {
            let mut disks = Disks::new(false);
            disks.long(kind);
            let job = disks.job();
            let mut left = Some(job);
            if !during_job {
                left.take().into_iter().for_each(|job| disks.work(job));
            }
            disks.driver.ring.stop();
            disks.driver.ring.set_up(&setup(true)).unwrap();
            disks.driver.put(AVAILABLE + 2, &[0, 0]);
            left.into_iter().for_each(|job| disks.work(job));
            assert_eq!((disks.driver.run(), disks.driver.used()), (End::Waits, None));
            assert_eq!(disks.driver.get(STATUS, 1), [0xff]);
            // The new life has everything that it needs; the driver of the test counts on.
            let mut fresh = Disks::new(false);
            std::mem::swap(&mut fresh.driver.ring, &mut disks.driver.ring);
            fresh.driver.ring.stop();
            fresh.driver.ring.set_up(&setup(true)).unwrap();
            assert_eq!(fresh.request(VIRTIO_BLK_T_IN, 300, 512), (513, OK));
            assert_eq!(fresh.driver.get(DATA, 512), content(300));
        }
    }
}

#[test]
fn the_driver_is_told_once_for_a_batch_and_before_a_flush() {
    let mut disks = Disks::new(false);
    disks.driver.ring.stop();
    disks.driver.ring.set_up(&setup(false)).unwrap();
    disks.header(VIRTIO_BLK_T_IN, 3);
    disks.driver.chain(&[(HEADER, 16)], &[(DATA, 512), (STATUS, 1)]);
    (1..16).for_each(|_| disks.driver.offer(0));
    assert_eq!((disks.driver.run(), disks.driver.interrupts), (End::Waits, 1));
    assert_eq!(std::iter::from_fn(|| disks.driver.used()).count(), 16);
    disks.driver.offer(0);
    disks
        .driver
        .put(HEADER + 0x200, &VIRTIO_BLK_T_FLUSH.to_le_bytes());
    disks.driver.chain(&[(HEADER + 0x200, 16)], &[(STATUS + 1, 1)]);
    loop {
        let (ticket, job) = disks.job();
        let is_flush = matches!(job.task, Task::Flush);
        disks.work((ticket, job));
        if is_flush {
            break;
        }
    }
    assert!(disks.driver.used().is_some() && disks.driver.used().is_none());
    assert_eq!((disks.driver.run(), disks.driver.interrupts), (End::Waits, 2));
}
