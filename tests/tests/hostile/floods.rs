// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! More than anybody needs: messages, mistakes, descriptors, connections.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use integration_tests::raw::{NO_REPLY, RawClient, access, header, message, words};
use integration_tests::served::{MSIX, region, registers};

use crate::{EINVAL, connect, hostile, in_step, negotiated};

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
            assert_eq!(client.call(11, &[0; 16]).unwrap().errno(), Some(EINVAL));
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
