// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! SET_IRQS and the descriptors that come with it.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use integration_tests::raw::words;
use integration_tests::served::{MSIX, region, registers};
use rustix::event::{EventfdFlags, eventfd};

use crate::{EINVAL, EOPNOTSUPP, hostile, in_step, negotiated, refused};

#[test]
fn set_irqs_with_booleans_and_other_nonsense() {
    hostile(|served| {
        let mut client = negotiated(served);
        refused(
            &mut client,
            8,
            &[words(&[23, 0x22, MSIX, 0, 3]), vec![1; 3]].concat(),
            EOPNOTSUPP,
        );
        refused(&mut client, 8, &words(&[20, 0x22, MSIX, 0, 3]), EOPNOTSUPP);
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
