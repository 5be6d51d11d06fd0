// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::*;

/// An eventfd and another descriptor of it.
fn event() -> (OwnedFd, OwnedFd) {
    let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap();
    (fd.try_clone().unwrap(), fd)
}

/// Number of times that the eventfd was raised since the last call.
fn count(fd: &OwnedFd) -> u64 {
    let mut value = [0; 8];
    match rustix::io::read(fd, &mut value) {
        Ok(_) => u64::from_ne_bytes(value),
        Err(error) => {
            assert_eq!(error, Errno::AGAIN);
            0
        }
    }
}

/// Waits until the eventfd is raised; then as [`count`].
fn wait(fd: &OwnedFd) -> u64 {
    let minute = Timespec {
        tv_sec: 60,
        tv_nsec: 0,
    };
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    assert_eq!(poll(&mut fds, Some(&minute)), Ok(1), "it is not raised");
    count(fd)
}

/// All of `count` vectors.
fn all(count: usize) -> impl ExactSizeIterator<Item = bool> {
    std::iter::repeat_n(true, count)
}

#[test]
fn lines_have_a_vector_each() {
    assert_eq!(Vectors::of(Line::Global), 0);
    assert_eq!(Vectors::of(Line::Context(0)), 1);
    assert_eq!(Vectors::of(Line::Context(127)), 128);
    assert_eq!(Vectors::of(Line::Pmu(3)), 0);
}

#[test]
fn every_high_level_is_an_edge() {
    let mut vectors = Vectors::new(4);
    let (a, ours) = event();
    let (b, theirs) = event();
    let (c, fence) = event();
    vectors.assign(1, vec![a, b, c]).unwrap();
    for _ in 0..2 {
        vectors.set_line(Line::Context(0), true);
        assert_eq!(wait(&ours), 1);
    }
    vectors.set_line(Line::Context(0), false);
    vectors.set_line(Line::Global, true);
    vectors.remove(1, 1).unwrap();
    vectors.set_line(Line::Context(0), true);
    // Vectors are raised in order: what comes before the fence has come.
    vectors.trigger(3, all(1)).unwrap();
    wait(&fence);
    assert_eq!((count(&ours), count(&theirs)), (0, 0));
}

#[test]
fn the_next_client_starts_without_eventfds() {
    let mut vectors = Vectors::new(1);
    let (fd, ours) = event();
    vectors.assign(0, vec![fd]).unwrap();
    drop(vectors.disconnect());
    vectors.trigger(0, all(1)).unwrap();
    vectors.set_line(Line::Global, true);
    let mut bits = [0];
    vectors.pending(0, &mut bits);
    assert_eq!(bits, [1]);
    let (fd, theirs) = event();
    vectors.assign(0, vec![fd]).unwrap();
    assert_eq!((wait(&theirs), count(&ours)), (1, 0));
}

#[test]
fn a_line_that_is_high_is_pending_until_someone_listens() {
    let mut vectors = Vectors::new(12);
    vectors.set_line(Line::Context(8), true);
    let mut bits = [0; 4];
    vectors.pending(0, &mut bits);
    assert_eq!(bits, [0, 2, 0, 0]);
    let mut second = [0];
    vectors.pending(1, &mut second);
    assert_eq!(second, [2]);
    vectors.pending(u64::MAX, &mut second);
    assert_eq!(second, [0]);
    let (fd, ours) = event();
    vectors.assign(9, vec![fd]).unwrap();
    assert_eq!(wait(&ours), 1);
    vectors.pending(0, &mut bits);
    assert_eq!(bits, [0; 4]);
}

#[test]
fn ranges_stay_within_the_vectors() {
    let mut vectors = Vectors::new(4);
    assert_eq!(vectors.assign(3, vec![event().0, event().0]), Err(Errno::INVAL));
    assert_eq!(vectors.assign(u32::MAX, vec![event().0]), Err(Errno::INVAL));
    assert_eq!(vectors.remove(0, 5), Err(Errno::INVAL));
    assert_eq!(vectors.remove(2, u32::MAX), Err(Errno::INVAL));
    assert_eq!(vectors.trigger(u32::MAX, all(1 << 32)), Err(Errno::INVAL));
    assert_eq!(vectors.trigger(0, all(4)), Ok(()));
    vectors.set_line(Line::Context(100), true);
}

#[test]
fn nothing_but_eventfds_is_taken() {
    let mut vectors = Vectors::new(4);
    let (pipe, _writer) = rustix::pipe::pipe().unwrap();
    let file = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let (good, ours) = event();
    assert_eq!(vectors.assign(0, vec![pipe]), Err(Errno::INVAL));
    assert_eq!(vectors.assign(0, vec![good, file]), Err(Errno::INVAL));
    let (fd, fence) = event();
    vectors.assign(3, vec![fd]).unwrap();
    vectors.trigger(0, all(4)).unwrap();
    wait(&fence);
    assert_eq!(count(&ours), 0, "all or nothing");
}

#[test]
fn a_full_counter_does_not_block() {
    let fd = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    let ours = fd.try_clone().unwrap();
    rustix::io::write(&fd, &(u64::MAX - 1).to_ne_bytes()).unwrap();
    let mut vectors = Vectors::new(2);
    let (second, fence) = event();
    vectors.assign(0, vec![fd, second]).unwrap();
    vectors.set_line(Line::Global, true);
    vectors.trigger(0, all(2)).unwrap();
    assert_eq!(wait(&fence), 1);
    assert!(count(&ours) >= u64::MAX - 1);
}

#[test]
fn an_edge_of_a_master_is_pending_until_someone_listens() {
    let mut vectors = Vectors::new(4);
    vectors.set_dma_devices(2);
    let bits = |vectors: &Vectors| {
        let mut bits = [0];
        vectors.pending(0, &mut bits);
        bits[0]
    };
    let (c, fence) = event();
    vectors.assign(0, vec![c]).unwrap();
    let listen = |vectors: &mut Vectors| {
        let (fd, ours) = event();
        vectors.assign(2, vec![fd]).unwrap();
        assert_eq!(bits(vectors), 0);
        vectors.trigger(0, all(1)).unwrap();
        wait(&fence);
        count(&ours)
    };
    // Several events are one edge.
    vectors.raise(2);
    vectors.raise(2);
    vectors.raise(100);
    assert_eq!((bits(&vectors), listen(&mut vectors)), (4, 1));
    // It is told once.
    assert_eq!(listen(&mut vectors), 0);
    for forget in [
        |vectors: &mut Vectors| drop(vectors.disconnect()),
        Vectors::forget_edges,
    ] {
        vectors.remove_all();
        vectors.raise(2);
        assert_eq!(bits(&vectors), 4);
        forget(&mut vectors);
        assert_eq!(bits(&vectors), 0);
    }
}

#[test]
fn lines_that_are_levels_are_raised_again_while_they_are_high() {
    let mut vectors = Vectors::new(4);
    let (theirs, event) = event();
    vectors.assign(1, vec![theirs]).unwrap();
    assert!(!vectors.set_line(Line::Context(0), true), "an edge");
    assert!(!vectors.raise_levels());
    vectors.set_levels();
    assert!(vectors.set_line(Line::Context(0), true));
    for _ in 0..3 {
        wait(&event);
        assert!(vectors.raise_levels());
    }
    assert!(!vectors.set_line(Line::Context(0), false));
    assert!(!vectors.raise_levels(), "it is low");
}
