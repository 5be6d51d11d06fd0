// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! SET_IRQS and the descriptors that come with it.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use integration_tests::raw::{PATIENCE, RawClient, words};
use integration_tests::served::{MSIX, Served, region, registers, within_patience};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::OFlags;
use rustix::process::Signal;

use crate::{EINVAL, hostile, in_step, negotiated, refused, start};

#[test]
fn set_irqs_with_booleans_and_other_nonsense() {
    hostile(|served| {
        let mut client = negotiated(served);
        for booleans in [vec![], vec![1; 2], vec![1; 4], vec![1; 1 << 19]] {
            let payload = [words(&[23, 0x22, MSIX, 0, 3]), booleans].concat();
            refused(&mut client, 8, &payload, EINVAL);
        }
        let all = vec![1; 1 << 19];
        refused(
            &mut client,
            8,
            &[words(&[20 + (1 << 19), 0x22, MSIX, 0, 1 << 19]), all].concat(),
            EINVAL,
        );
        refused(
            &mut client,
            8,
            &[words(&[23, 0x22, 0, 0, 3]), vec![1; 3]].concat(),
            EINVAL,
        );
        for flags in [0, 1, 0x20, 0x25, 0x09, 0x11, 0x3f, u32::MAX] {
            let reply = client.call(8, &words(&[20, flags, MSIX, 0, 1])).unwrap();
            assert!(reply.errno().is_some(), "flags {flags:#x}: {reply:?}");
            in_step(&mut client);
        }
        for index in [0, 1, 3, 4] {
            refused(&mut client, 8, &words(&[20, 0x24, index, 0, 1]), EINVAL);
        }
        refused(&mut client, 8, &words(&[20, 0x24, MSIX, 1000, 1]), EINVAL);
    });
}

#[test]
fn set_irqs_with_descriptors_that_could_block() {
    hostile(|served| {
        let mut client = negotiated(served);
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let full = eventfd(0, EventfdFlags::empty()).unwrap();
        rustix::io::write(&full, &(u64::MAX - 1).to_ne_bytes()).unwrap();
        let (socket, _peer) = UnixStream::pair().unwrap();
        let one = words(&[20, 0x24, MSIX, 0, 1]);
        for fd in [reader.as_fd(), writer.as_fd(), socket.as_fd()] {
            let reply = client.call_with_fds(8, &one, &[fd]).unwrap();
            assert_eq!(reply.errno(), Some(EINVAL));
        }
        let count = client
            .call_with_fds(8, &words(&[20, 0x24, MSIX, 0, 3]), &[full.as_fd()])
            .unwrap();
        assert_eq!(count.errno(), Some(EINVAL), "three vectors, one descriptor");
        assert!(client.call_with_fds(8, &one, &[full.as_fd()]).unwrap().is_ok());
        client
            .write32(region::BAR0, registers::SCR0, registers::SCR0_GFIE)
            .unwrap();
        client.write32(region::BAR0, registers::SGFSRRESTORE, 2).unwrap();
        in_step(&mut client);
    });
}

/// An eventfd that a write of the server waits for: assigned to vector 0, its counter full, and, behind the server's
/// back, its description blocking again.
fn full_and_blocking(client: &mut RawClient) -> OwnedFd {
    let full = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    let assign = words(&[20, 0x24, MSIX, 0, 1]);
    assert!(client.call_with_fds(8, &assign, &[full.as_fd()]).unwrap().is_ok());
    rustix::io::write(&full, &(u64::MAX - 1).to_ne_bytes()).unwrap();
    rustix::fs::fcntl_setfl(&full, OFlags::empty()).unwrap();
    full
}

/// Raises vector 0 in both ways.
fn raise(client: &mut RawClient) {
    assert!(client.call(8, &words(&[20, 0x21, MSIX, 0, 1])).unwrap().is_ok());
    client
        .write32(region::BAR0, registers::SCR0, registers::SCR0_GFIE)
        .unwrap();
    client.write32(region::BAR0, registers::SGFSRRESTORE, 2).unwrap();
}

fn threads(served: &Served) -> usize {
    std::fs::read_dir(format!("/proc/{}/task", served.pid()))
        .unwrap()
        .count()
}

#[test]
fn eventfds_that_block_in_spite_of_the_server() {
    hostile(|served| {
        let before = threads(served);
        let mut kept = Vec::new();
        // More clients than threads may block, and their eventfds outlive them.
        for _ in 0..12 {
            let mut client = negotiated(served);
            kept.push(full_and_blocking(&mut client));
            for _ in 0..20 {
                raise(&mut client);
            }
            in_step(&mut client);
        }
        let deadline = Instant::now() + PATIENCE;
        while threads(served) > before {
            assert!(
                Instant::now() < deadline,
                "{} threads, {before} before",
                threads(served)
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        // For the good clients that come now.
        std::mem::forget(kept);
    });
}

#[test]
fn a_blocking_eventfd_does_not_keep_the_server_from_ending() {
    let mut served = start();
    let mut client = negotiated(&served);
    let _full = full_and_blocking(&mut client);
    raise(&mut client);
    in_step(&mut client);
    within_patience(move || {
        let status = served.signal(Signal::TERM)?;
        served.is_clean(status)
    })
    .unwrap();
}
