// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! DMA_MAP, DMA_UNMAP and the files behind them.

use std::fs::Permissions;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use integration_tests::raw::{RawClient, words};
use integration_tests::served::{MSIX, Served, good_client};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::{EACCES, EINVAL, ENOSPC, connect, hostile, in_step, negotiated, refused};

#[test]
fn unmap_with_dirty_bitmap() {
    hostile(|served| {
        let mut client = negotiated(served);
        let unmap = words(&[48, 1, 0, 0, 4096, 0]);
        refused(&mut client, 3, &[unmap.clone(), vec![0; 24]].concat(), EINVAL);
        refused(&mut client, 3, &unmap, EINVAL);
        refused(&mut client, 3, &words(&[24, 0, 0, 0, 0, 0]), EINVAL);
        refused(&mut client, 3, &words(&[24, 0, 0, 0, u32::MAX, u32::MAX]), 2);
        refused(&mut client, 3, &words(&[24, 2, 1, 0, 1, 0]), EINVAL);
    });
}

#[test]
fn map_with_descriptors_that_are_no_guest_memory() {
    hostile(|served| {
        let mut client = negotiated(served);
        let map = words(&[32, 3, 0, 0, 0x4000_0000, 0, 1 << 20, 0]);
        let short = memfd_create("short", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&short, 4096).unwrap();
        let unsealable = memfd_create("unsealable", MemfdFlags::empty()).unwrap();
        rustix::fs::ftruncate(&unsealable, 1 << 20).unwrap();
        let file = |path: &str| OwnedFd::from(std::fs::File::open(path).unwrap());
        let others = [
            short.try_clone().unwrap(),
            unsealable,
            rustix::pipe::pipe().unwrap().0,
            file("/dev/zero"),
            file("/dev/null"),
            file("/"),
            file("/proc/self/mem"),
            OwnedFd::from(UnixStream::pair().unwrap().0),
            eventfd(0, EventfdFlags::empty()).unwrap(),
        ];
        for fd in &others {
            let errno = client.call_with_fds(2, &map, &[fd.as_fd()]).unwrap().errno();
            assert!(errno == Some(EINVAL) || errno == Some(EACCES), "{errno:?}");
            in_step(&mut client);
        }
        let two = client
            .call_with_fds(2, &map, &[short.as_fd(), short.as_fd()])
            .unwrap();
        assert_eq!(two.errno(), Some(EINVAL));
        for (offset, address, size) in [
            (4096, 0, 4096_u64),
            (u64::MAX, 0, 4096),
            (0, u64::MAX, 2),
            (0, 0, 0),
            (0, 0, u64::MAX),
            (1, 0, 100),
        ] {
            let payload = [
                words(&[32, 3]),
                [offset, address, size]
                    .iter()
                    .flat_map(|n: &u64| n.to_ne_bytes())
                    .collect(),
            ];
            let reply = client
                .call_with_fds(2, &payload.concat(), &[short.as_fd()])
                .unwrap();
            assert!(
                reply.errno().is_some(),
                "{offset:#x} {address:#x} {size:#x}: {reply:?}"
            );
        }
        in_step(&mut client);
    });
}

#[test]
fn memory_cut_short_after_it_was_mapped() {
    hostile(|served| {
        let mut client = negotiated(served);
        let memory = memfd_create("guest", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&memory, 1 << 20).unwrap();
        let map = words(&[32, 3, 0, 0, 0, 0, 1 << 20, 0]);
        assert!(client.call_with_fds(2, &map, &[memory.as_fd()]).unwrap().is_ok());
        assert!(rustix::fs::ftruncate(&memory, 0).is_err(), "the server sealed it");
        in_step(&mut client);
    });
}

#[test]
fn memory_of_huge_pages_when_there_are_none() {
    hostile(|served| {
        let mut client = negotiated(served);
        let Ok(memory) = memfd_create("guest", MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB) else {
            eprintln!("a kernel without huge pages: nothing to refuse");
            return;
        };
        rustix::fs::ftruncate(&memory, 1 << 30).unwrap();
        let map = words(&[32, 3, 0, 0, 0, 0, 1 << 30, 0]);
        let errno = client.call_with_fds(2, &map, &[memory.as_fd()]).unwrap().errno();
        assert_eq!(errno, Some(EACCES), "a table walk there would end the server");
        in_step(&mut client);
        assert!(served.log().contains("without hugetlb=on"), "{}", served.log());
    });
}

/// Maps ranges until the server has had enough; how many there are then.
fn map_all(client: &mut RawClient) -> u32 {
    let memory = memfd_create("guest", MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::fs::ftruncate(&memory, 4096).unwrap();
    let mut map = |i: u32| {
        let payload = words(&[32, 3, 0, 0, i << 13, 0, 4096, 0]);
        client.call_with_fds(2, &payload, &[memory.as_fd()]).unwrap()
    };
    let count = (0..2000).find(|&i| !map(i).is_ok()).unwrap();
    for i in 2000..2100 {
        assert_eq!(map(i).errno(), Some(ENOSPC));
    }
    count
}

#[test]
fn maps_without_end() {
    hostile(|served| {
        let mut client = connect(served);
        let version = String::from_utf8(client.call(1, &[0; 4]).unwrap().payload).unwrap();
        let count = map_all(&mut client);
        assert!(
            version.contains(&format!("\"max_dma_maps\":{count},")),
            "{version}"
        );
        assert_eq!(u32::try_from(served.mapped_memfds().unwrap()), Ok(count));
    });
}

#[test]
fn maps_and_interrupts_without_end_leave_descriptors_for_the_other_smmus() {
    // A login's usual limits are 1024 and more; a soft one below shows that the server takes the hard one.
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("server");
    let program = env!("CARGO_BIN_EXE_server-under-test");
    let text = format!("#!/bin/sh -e\nulimit -Sn 64\nulimit -Hn 1024\nexec '{program}' \"$@\"\n");
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, Permissions::from_mode(0o700)).unwrap();
    let mut served = Served::start(&script, &["a", "b", "c"], "").unwrap();
    let hogs = ["a", "b"].map(|name| {
        let mut client = RawClient::negotiated(&served.socket(name)).unwrap();
        map_all(&mut client);
        let event = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
        let vectors = client.call(7, &words(&[16, 0, MSIX, 0])).unwrap().payload[12..16].try_into();
        for vector in 0..u32::from_ne_bytes(vectors.unwrap()) {
            let one = words(&[20, 0x24, MSIX, vector, 1]);
            assert!(client.call_with_fds(8, &one, &[event.as_fd()]).unwrap().is_ok());
        }
        client
    });
    good_client(&served.socket("c")).unwrap();
    drop(hogs);
    served.check(&["a", "b", "c"]).unwrap();
}
