// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};
use rustix::pipe::{PipeFlags, fcntl_getpipe_size, pipe_with};

use smmu_emu::{Config, Line, Marks, Plan};

use super::*;
use crate::function::{Function, irq};
use crate::host::{Host, Run};
use crate::msix::Vectors;

/// A full pipe: writing blocks, and no read of the write end makes room, as if a client always filled it again.
fn stuck() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let full = vec![0; fcntl_getpipe_size(&writer).unwrap()];
    rustix::io::write(&writer, &full).unwrap();
    (reader, writer)
}

fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it does not happen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn is_writing(notifier: &Notifier) -> bool {
    notifier.shared.lock().writing.is_some()
}

/// The vectors that the thread has not looked at yet.
fn queue(notifier: &Notifier) -> Vec<usize> {
    notifier.shared.lock().queue.iter().copied().collect()
}

#[test]
fn a_blocked_write_keeps_nobody_waiting_and_the_queue_bounded() {
    let mut notifiers = Notifiers::default();
    let (_reader, writer) = stuck();
    let notifier = notifiers.start(3).unwrap();
    notifier.assign(0, Some(writer));
    notifier.raise(0);
    until(|| is_writing(notifier));
    for _ in 0..1000 {
        for vector in [2, 0, 1, 99] {
            let fd = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
            notifier.assign(vector, Some(fd));
            notifier.raise(vector);
            notifier.raise(vector);
        }
        notifier.assign(1, None);
        notifier.raise(1);
    }
    assert_eq!(queue(notifier), [2, 0, 1], "each once, in order");
    notifiers.retire();
    assert_eq!(notifiers.former.len(), 1, "it blocks, and was not waited for");
}

#[test]
fn a_full_counter_is_emptied_when_the_client_leaves() {
    let mut notifiers = Notifiers::default();
    let fd = eventfd(1, EventfdFlags::CLOEXEC).unwrap();
    for _ in 0..2 * MAX_THREADS {
        rustix::io::read(&fd, &mut [0; 8]).unwrap();
        rustix::io::write(&fd, &(u64::MAX - 1).to_ne_bytes()).unwrap();
        let notifier = notifiers.start(1).unwrap();
        notifier.assign(0, Some(fd.try_clone().unwrap()));
        notifier.raise(0);
        until(|| is_writing(notifier));
        // Now or a moment later it blocks.
        std::thread::sleep(Duration::from_millis(10));
        notifiers.retire();
        until(|| {
            notifiers.retire();
            notifiers.former.is_empty()
        });
    }
}

/// As many clients as there may be threads come, block theirs, and go. The threads end with the pipes.
fn keep_all(notifiers: &mut Notifiers) -> Vec<OwnedFd> {
    let mut pipes = Vec::new();
    for _ in 0..MAX_THREADS {
        let (reader, writer) = stuck();
        let notifier = notifiers.start(1).unwrap();
        notifier.assign(0, Some(writer));
        notifier.raise(0);
        until(|| is_writing(notifier));
        notifiers.retire();
        pipes.push(reader);
    }
    pipes
}

#[test]
fn threads_that_clients_keep_are_bounded() {
    let mut notifiers = Notifiers::default();
    let mut pipes = keep_all(&mut notifiers);
    assert_eq!(notifiers.start(1).unwrap_err(), Errno::BUSY);
    assert_eq!(notifiers.former.len(), MAX_THREADS);
    // The end of the process that kept one is its end.
    pipes.pop();
    until(|| notifiers.start(1).is_ok());
}

#[test]
fn nobody_waits_for_the_vectors_while_a_client_waits_for_threads() {
    let host = Host::new("a".into(), Arc::new(Run::new(Marks::default())), 1);
    let mut function = Function::new(&Config::default(), Plan::default(), host).unwrap();
    let shared = Arc::clone(function.host().shared());
    let mut pipes = keep_all(&mut shared.vectors().notifiers);
    let mut assign = |until: &mut dyn FnMut()| {
        let fd = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        std::thread::scope(|scope| {
            let client = scope.spawn(|| function.set_irqs(irq::MSIX, 0x24, 0, 1, vec![fd]));
            while !client.is_finished() {
                until();
                std::thread::sleep(Duration::from_millis(1));
            }
            client.join().unwrap()
        })
    };
    let mut looks = 0;
    let result = assign(&mut || {
        drop(shared.vectors());
        looks += 1;
    });
    assert_eq!(result, Err(Errno::BUSY));
    assert!(looks > 10, "{looks}");
    // A thread that ends in time is room for the client.
    assert_eq!(assign(&mut || pipes.truncate(1)), Ok(()));
}

#[test]
fn an_edge_of_a_master_outlives_its_eventfd() {
    let mut vectors = Vectors::new(3);
    vectors.set_masters(1);
    // The thread is busy, so that no edge is written.
    let (_reader, writer) = stuck();
    let notifier = vectors.notifiers.start(3).unwrap();
    notifier.assign(2, Some(writer));
    notifier.raise(2);
    until(|| is_writing(notifier));
    let fd = || eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    vectors.assign(0, vec![fd(), fd()]).unwrap();
    vectors.set_line(Line::Global, true);
    vectors.set_line(Line::Global, false);
    vectors.raise(1);
    let pending = |vectors: &Vectors| {
        let notifier = vectors.notifiers.current().unwrap();
        let state = notifier.shared.lock();
        [0, 1].map(|vector| state.vectors[vector].pending)
    };
    assert_eq!(pending(&vectors), [true, true]);
    // A line that is low again has nothing to tell.
    vectors.assign(0, vec![fd(), fd()]).unwrap();
    assert_eq!(pending(&vectors), [false, true]);
    vectors.remove_all();
    let mut bits = [0];
    vectors.pending(0, &mut bits);
    assert_eq!((pending(&vectors), bits), ([false, false], [2]));
    vectors.assign(0, vec![fd(), fd()]).unwrap();
    assert_eq!(pending(&vectors), [false, true]);
}
