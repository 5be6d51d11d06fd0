// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Hostile clients. After each case the server is alive, has not grown, and serves a good client from a clean state.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use integration_tests::raw::{NO_REPLY, RawClient, access, header, message, words};
use integration_tests::served::{MSIX, Served, region, registers};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, memfd_create};

const EINVAL: u32 = 22;
const EACCES: u32 = 13;
const E2BIG: u32 = 7;
const ENOSPC: u32 = 28;
const EOPNOTSUPP: u32 = 95;

/// Runs a case against a server of its own and looks at what is left.
fn hostile(case: impl FnOnce(&Served)) {
    let program = Path::new(env!("CARGO_BIN_EXE_server-under-test"));
    let mut served = Served::start(program, &["a", "b"], "").unwrap();
    case(&served);
    served.check(&["a", "b"]).unwrap();
}

fn connect(served: &Served) -> RawClient {
    RawClient::connect(&served.socket("a")).unwrap()
}

fn negotiated(served: &Served) -> RawClient {
    RawClient::negotiated(&served.socket("a")).unwrap()
}

/// The next message of the connection is understood: nothing of the one before is left in the stream.
fn in_step(client: &mut RawClient) {
    let info = client.call(4, &words(&[16, 0, 0, 0])).unwrap();
    assert_eq!(info.payload, words(&[16, 3, 9, 5]));
}

fn refused(client: &mut RawClient, command: u16, payload: &[u8], errno: u32) {
    let reply = client.call(command, payload).unwrap();
    assert_eq!(reply.errno(), Some(errno), "command {command}: {reply:?}");
    in_step(client);
}

#[test]
fn version_without_json() {
    hostile(|served| {
        let mut client = connect(served);
        assert!(client.call(1, &[0; 4]).unwrap().is_ok(), "JSON is optional");
        in_step(&mut client);
    });
}

#[test]
fn version_shorter_than_its_numbers() {
    hostile(|served| {
        let mut client = connect(served);
        for length in 0..4 {
            let reply = client.call(1, &[0; 4][..length]).unwrap();
            assert_eq!(reply.errno(), Some(EINVAL), "{length} bytes");
        }
        assert!(client.call(1, &[0; 4]).unwrap().is_ok());
    });
}

#[test]
fn version_with_bad_json() {
    hostile(|served| {
        let mut client = connect(served);
        let nested = "[".repeat(500_000);
        for json in [
            "{}",
            "\0",
            "{\0",
            "null\0",
            "[]\0",
            "{\"capabilities\":[]}\0",
            "{}\0\0",
            &nested,
        ] {
            let reply = client.call(1, &[&[0; 4], json.as_bytes()].concat()).unwrap();
            assert_eq!(reply.errno(), Some(EINVAL), "{json:.20}");
        }
        let reply = client.call(1, &[0, 0, 0, 0, 0xff, 0xfe, 0]).unwrap();
        assert_eq!(reply.errno(), Some(EINVAL), "not UTF-8");
        assert_eq!(
            client.call(1, &[9, 0, 9, 0]).unwrap().errno(),
            Some(EOPNOTSUPP),
            "version 9.9"
        );
        assert!(client.call(1, &[0; 4]).unwrap().is_ok());
    });
}

#[test]
fn version_twice_late_or_never() {
    hostile(|served| {
        let mut client = connect(served);
        let before = client.call(9, &access(region::BAR0, 0, 4)).unwrap();
        assert_eq!(before.errno(), Some(EINVAL), "nothing before VERSION");
        assert!(client.call(1, &[0; 4]).unwrap().is_ok());
        refused(&mut client, 1, &[0; 4], EINVAL);
        drop(client);
        let mut silent = connect(served);
        assert!(
            silent.is_ended().unwrap(),
            "a client that never negotiates does not keep others out"
        );
    });
}

#[test]
fn size_smaller_than_the_header() {
    hostile(|served| {
        for size in 0..16 {
            for handshake in [false, true] {
                let mut client = if handshake {
                    negotiated(served)
                } else {
                    connect(served)
                };
                client.send(&header(1, 4, size, 0)).unwrap();
                assert!(client.is_ended().unwrap(), "size {size}");
            }
        }
    });
}

#[test]
fn size_of_4_gib() {
    hostile(|served| {
        for size in [u32::MAX, 1 << 31, 2 << 20] {
            let mut client = negotiated(served);
            client.send(&header(1, 10, size, 0)).unwrap();
            assert!(client.is_ended().unwrap(), "size {size}");
        }
    });
}

#[test]
fn counts_of_4_gib() {
    hostile(|served| {
        let mut client = negotiated(served);
        for count in [u32::MAX, 1 << 31, (1 << 20) + 1] {
            refused(&mut client, 9, &access(region::BAR0, 0, count), E2BIG);
            refused(&mut client, 10, &access(region::BAR0, 0, count), EINVAL);
            refused(
                &mut client,
                10,
                &[access(region::BAR0, 0, count), vec![1; 64]].concat(),
                EINVAL,
            );
        }
        refused(&mut client, 15, &[0xff; 8], EINVAL);
        refused(
            &mut client,
            15,
            &[vec![0xff; 8], access(0, 0, u32::MAX), vec![0; 8]].concat(),
            EINVAL,
        );
        refused(&mut client, 8, &words(&[20, 0x21, MSIX, 0, u32::MAX]), EINVAL);
        refused(
            &mut client,
            8,
            &words(&[20, 0x24, MSIX, u32::MAX, u32::MAX]),
            EINVAL,
        );
    });
}

#[test]
fn largest_transfers_again_and_again() {
    hostile(|served| {
        let mut client = negotiated(served);
        let size = client
            .call(5, &words(&[32, 0, 0, 0, 0, 0, 0, 0]))
            .unwrap()
            .payload;
        let size = u32::from_ne_bytes(size[16..20].try_into().unwrap()).min(1 << 20);
        for _ in 0..30 {
            let read = client.call(9, &access(region::BAR0, 0, size)).unwrap();
            assert_eq!(read.payload.len(), 16 + size as usize);
            let data = vec![0xff; size as usize];
            assert!(
                client
                    .call(10, &[access(region::BAR0, 0, size), data].concat())
                    .unwrap()
                    .is_ok()
            );
        }
        in_step(&mut client);
    });
}

#[test]
fn regions_and_offsets_that_are_not_there() {
    hostile(|served| {
        let mut client = negotiated(served);
        for (region, offset) in [
            (9, 0),
            (u32::MAX, 0),
            (1, 0),
            (8, 0),
            (0, 1 << 40),
            (7, 253),
            (2, u64::MAX - 1),
        ] {
            let payload = access(region, offset, 4);
            refused(&mut client, 9, &payload, EINVAL);
            refused(&mut client, 10, &[payload.clone(), vec![1; 4]].concat(), EINVAL);
            let multi = [1_u64.to_ne_bytes().to_vec(), payload, vec![1; 8]].concat();
            refused(&mut client, 15, &multi, EINVAL);
        }
        refused(&mut client, 5, &words(&[32, 0, u32::MAX, 0, 0, 0, 0, 0]), EINVAL);
        refused(&mut client, 7, &words(&[16, 0, u32::MAX, 0]), EINVAL);
        refused(&mut client, 8, &words(&[20, 0x21, u32::MAX, 0, 0]), EINVAL);
    });
}

#[test]
fn payloads_that_nobody_reads() {
    hostile(|served| {
        let mut client = negotiated(served);
        for payload in [0, 1, 15, 16, 100, 4096, 1 << 20] {
            let payload = vec![0x5a; payload];
            // DMA_READ, DMA_WRITE, dirty pages, features, unknown
            for command in [0, 6, 11, 12, 14, 16, 17, 18, 999, u16::MAX] {
                refused(&mut client, command, &payload, EOPNOTSUPP);
            }
            if !payload.is_empty() {
                refused(&mut client, 13, &payload, EINVAL);
            }
        }
    });
}

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

#[test]
fn unmap_with_dirty_bitmap() {
    hostile(|served| {
        let mut client = negotiated(served);
        let unmap = words(&[48, 1, 0, 0, 4096, 0]);
        refused(&mut client, 3, &[unmap.clone(), vec![0; 24]].concat(), EOPNOTSUPP);
        refused(&mut client, 3, &unmap, EOPNOTSUPP);
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
fn guest_memory_cut_short_after_it_was_mapped() {
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
fn maps_without_end() {
    hostile(|served| {
        let mut client = negotiated(served);
        let memory = memfd_create("guest", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&memory, 4096).unwrap();
        let map = |i: u32| words(&[32, 3, 0, 0, i << 13, 0, 4096, 0]);
        for i in 0..1024 {
            assert!(
                client
                    .call_with_fds(2, &map(i), &[memory.as_fd()])
                    .unwrap()
                    .is_ok(),
                "map {i}"
            );
        }
        for i in 1024..1100 {
            assert_eq!(
                client
                    .call_with_fds(2, &map(i), &[memory.as_fd()])
                    .unwrap()
                    .errno(),
                Some(ENOSPC)
            );
        }
        assert_eq!(served.mapped_memfds().unwrap(), 1024);
    });
}

#[test]
fn messages_in_the_smallest_parts() {
    hostile(|served| {
        let mut client = connect(served);
        let version = message(1, 1, 0, b"\0\0\0\0{\"capabilities\":{}}\0");
        let read = message(2, 9, 0, &access(region::BAR0, registers::IDR0, 4));
        for byte in [version, read].concat() {
            client.send(&[byte]).unwrap();
            std::thread::sleep(Duration::from_micros(200));
        }
        assert!(client.receive().unwrap().is_ok());
        assert_eq!(client.receive().unwrap().payload.len(), 20);
    });
}

#[test]
fn half_a_message_and_then_silence() {
    hostile(|served| {
        let bytes = message(2, 10, 0, &[access(region::BAR0, 0, 4), vec![0; 4]].concat());
        // In the header and in the payload; at the same time, because each takes its time.
        let mut clients = [("a", 1), ("b", 35)].map(|(name, length)| {
            let mut client = RawClient::negotiated(&served.socket(name)).unwrap();
            client.send(&bytes[..length]).unwrap();
            client
        });
        for client in &mut clients {
            assert!(client.is_ended().unwrap());
        }
        assert_eq!(
            served.log().matches("a message was still incomplete").count(),
            2,
            "{}",
            served.log()
        );
    });
}

#[test]
fn half_a_message_does_not_keep_other_smmus_waiting() {
    hostile(|served| {
        let mut half = negotiated(served);
        half.send(&[1]).unwrap();
        let mut other = RawClient::negotiated(&served.socket("b")).unwrap();
        assert_ne!(other.read32(region::BAR0, registers::IDR0).unwrap(), 0);
    });
}

#[test]
fn a_second_client_at_the_same_socket() {
    hostile(|served| {
        let mut first = negotiated(served);
        let mut second = connect(served);
        assert!(second.is_ended().unwrap());
        in_step(&mut first);
        assert!(served.log().contains("turned a client away"), "{}", served.log());
        // The one that has been turned away does not have to wait for the server's next breath.
        drop(first);
        let mut third = negotiated(served);
        in_step(&mut third);
    });
}

#[test]
fn messages_that_are_no_commands() {
    hostile(|served| {
        let mut client = negotiated(served);
        for command in 0..20 {
            client.send(&message(7, command, 1, &[0; 40])).unwrap();
            client.send(&message(7, command, 0x21, &[])).unwrap();
        }
        in_step(&mut client);
        for kind in 2..16 {
            client.send(&message(7, 4, kind, &words(&[16, 0, 0, 0]))).unwrap();
            assert_eq!(client.receive().unwrap().errno(), Some(EINVAL), "type {kind}");
        }
        in_step(&mut client);
    });
}

#[test]
fn mistakes_do_not_fill_the_log() {
    hostile(|served| {
        let mut client = negotiated(served);
        for _ in 0..5000 {
            client.send(&message(7, 9, 1, &[0; 40])).unwrap();
            client
                .send(&message(7, 2, NO_REPLY, &words(&[32, 3, 0, 0, 0, 0, 4096, 0])))
                .unwrap();
        }
        in_step(&mut client);
        let lines = served.log().lines().count();
        assert!(
            (1..=100).contains(&lines),
            "{lines} lines:\n{:.4000}",
            served.log()
        );
    });
}

#[test]
fn no_reply_means_no_reply() {
    hostile(|served| {
        let mut client = negotiated(served);
        for command in 0..20 {
            for length in [0, 4, 16, 20, 24, 32, 100] {
                client
                    .send(&message(7, command, NO_REPLY, &vec![0; length]))
                    .unwrap();
            }
        }
        client.send(&message(7, 9, NO_REPLY, &access(99, 0, 4))).unwrap();
        client
            .send(&message(7, 4, NO_REPLY, &words(&[16, 0, 0, 0])))
            .unwrap();
        client.send(&message(7, 13, NO_REPLY, &[])).unwrap();
        in_step(&mut client);
    });
}

#[test]
fn a_flood_whose_replies_nobody_reads() {
    hostile(|served| {
        let mut client = negotiated(served);
        client
            .stream()
            .set_write_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        let burst = message(1, 9, 0, &access(region::BAR0, 0, 4096)).repeat(1000);
        let blocked = (0..10_000).find_map(|_| client.send(&burst).err());
        assert_eq!(
            blocked.map(|error| error.kind()),
            Some(ErrorKind::WouldBlock),
            "the server has to push back"
        );
    });
}

#[test]
fn a_flood_whose_replies_nobody_reads_and_that_stays() {
    hostile(|served| {
        let mut client = negotiated(served);
        client.stream().set_nonblocking(true).unwrap();
        let burst = message(1, 9, 0, &access(region::BAR0, 0, 4096)).repeat(1000);
        // The client stays, blocked; the server ends it and serves the next one.
        while client.send(&burst).is_ok() {}
        let mut next = loop {
            match RawClient::negotiated(&served.socket("a")) {
                Ok(next) => break next,
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        in_step(&mut next);
    });
}

#[test]
fn a_flood_of_posted_writes() {
    hostile(|served| {
        let mut client = negotiated(served);
        let one = message(
            1,
            10,
            NO_REPLY,
            &[access(region::BAR0, registers::SMR0, 4), vec![1; 4]].concat(),
        );
        let burst = one.repeat(1000);
        for _ in 0..200 {
            client.send(&burst).unwrap();
        }
        in_step(&mut client);
    });
}

#[test]
fn a_flood_of_bad_messages_that_are_answered() {
    hostile(|served| {
        let mut client = negotiated(served);
        for _ in 0..5000 {
            assert_eq!(client.call(11, &[0; 16]).unwrap().errno(), Some(EOPNOTSUPP));
        }
        in_step(&mut client);
    });
}

#[test]
fn descriptors_without_end() {
    hostile(|served| {
        let file = std::fs::File::open("/dev/null").unwrap();
        let many = vec![file.as_fd(); 253];
        // One message with too many.
        let mut client = negotiated(served);
        client
            .send_with_fds(&message(1, 4, 0, &words(&[16, 0, 0, 0])), &many)
            .unwrap();
        assert!(client.is_ended().unwrap());
        // A message in many parts, each with some.
        let mut client = negotiated(served);
        client.send(&header(1, 10, 1 << 20, 0)).unwrap();
        let sent = (0..100)
            .take_while(|_| client.send_with_fds(&[0], &many[..10]).is_ok())
            .count();
        assert!(sent >= 1);
        assert!(client.is_ended().unwrap());
        // As many as allowed, on messages that take none: refused, closed, in step.
        let mut client = negotiated(served);
        for _ in 0..500 {
            let reply = client
                .call_with_fds(9, &access(region::BAR0, 0, 4), &many[..16])
                .unwrap();
            assert_eq!(reply.errno(), Some(EINVAL));
        }
        in_step(&mut client);
        // Descriptors on messages without reply.
        for _ in 0..500 {
            client
                .send_with_fds(
                    &message(1, 8, NO_REPLY, &words(&[20, 0x24, MSIX, 0, 16])),
                    &many[..16],
                )
                .unwrap();
        }
        in_step(&mut client);
    });
}

#[test]
fn connect_and_leave() {
    hostile(|served| {
        for i in 0..2000 {
            let mut client = connect(served);
            match i % 4 {
                0 => {}
                1 => drop(client.send(&[0; 7])),
                2 => drop(client.send(&message(1, 1, 0, &[0; 4]))),
                _ => drop(client.send(&message(1, 9, 0, &access(0, 0, 4)).repeat(20))),
            }
        }
    });
}

#[test]
fn a_storm_of_connections_at_once() {
    hostile(|served| {
        let socket = served.socket("a");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        if let Ok(mut stream) = UnixStream::connect(&socket) {
                            let _ = stream.write_all(&message(1, 1, 0, &[0; 4]));
                        }
                    }
                });
            }
        });
    });
}

#[test]
fn a_client_that_stops_reading_in_the_middle_of_a_reply() {
    hostile(|served| {
        for _ in 0..50 {
            let mut client = negotiated(served);
            client
                .send(&message(1, 9, 0, &access(region::BAR0, 0, 65536)).repeat(16))
                .unwrap();
            client.stream().read_exact(&mut [0; 40]).unwrap();
        }
    });
}

/// A payload that is more or less what the command wants.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![0_u32..64, any::<u32>(), Just(4096), Just(u32::MAX)];
    prop_oneof![
        proptest::collection::vec(word, 0..10).prop_map(|list| words(&list)),
        proptest::collection::vec(any::<u8>(), 0..80),
        (0_u32..10, any::<u16>(), 0_u32..5000).prop_map(|(region, at, count)| access(
            region,
            at.into(),
            count
        )),
        (
            0_u32..10,
            any::<u16>(),
            proptest::collection::vec(any::<u8>(), 0..64)
        )
            .prop_map(|(region, at, data)| {
                [
                    access(region, at.into(), u32::try_from(data.len()).unwrap()),
                    data,
                ]
                .concat()
            }),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Message {
        command: u16,
        flags: u32,
        payload: Vec<u8>,
        fds: usize,
    },
    Header {
        command: u16,
        size: u32,
        flags: u32,
    },
    Bytes(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let flags = prop_oneof![8 => Just(0_u32), 2 => Just(NO_REPLY), 1 => any::<u32>()];
    prop_oneof![
        20 => (0_u16..20, flags.clone(), payload(), 0_usize..3)
            .prop_map(|(command, flags, payload, fds)| Step::Message { command, flags, payload, fds }),
        1 => (any::<u16>(), any::<u32>(), flags).prop_map(|(command, size, flags)| Step::Header { command, size, flags }),
        1 => proptest::collection::vec(any::<u8>(), 0..64).prop_map(Step::Bytes),
    ]
}

#[test]
fn any_conversation() {
    hostile(|served| {
        let memory = memfd_create("guest", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&memory, 1 << 20).unwrap();
        let event = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
        let mut runner = TestRunner::new(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(300)
        });
        let strategy = (any::<bool>(), proptest::collection::vec(step(), 1..30));
        runner
            .run(&strategy, |(handshake, steps)| {
                let mut client = connect(served);
                if handshake {
                    prop_assert!(client.call(1, &[0; 4]).unwrap().is_ok());
                }
                for step in steps {
                    let (bytes, fds) = match step {
                        Step::Message {
                            command,
                            flags,
                            payload,
                            fds,
                        } => (message(1, command, flags, &payload), fds),
                        Step::Header { command, size, flags } => (header(1, command, size, flags), 0),
                        Step::Bytes(bytes) => (bytes, 0),
                    };
                    let fds = [memory.as_fd(), event.as_fd()]
                        .into_iter()
                        .cycle()
                        .take(fds)
                        .collect::<Vec<_>>();
                    let sent = if fds.is_empty() {
                        client.send(&bytes)
                    } else {
                        client.send_with_fds(&bytes, &fds)
                    };
                    if sent.is_err() {
                        break;
                    }
                }
                Ok(())
            })
            .unwrap();
    });
}
