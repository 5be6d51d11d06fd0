// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Framing of messages: sizes, parts, types, replies that are not wanted.

use std::time::Duration;

use integration_tests::raw::{NO_REPLY, RawClient, access, header, message, words};
use integration_tests::served::{region, registers};

use crate::{EINVAL, connect, hostile, in_step, negotiated};

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
