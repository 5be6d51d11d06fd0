// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Any conversation: messages that are almost right, in any order.

use std::os::fd::AsFd;

use integration_tests::raw::{NO_REPLY, access, header, message, words};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::{connect, hostile};

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
        1 => (any::<u16>(), any::<u32>(), flags)
            .prop_map(|(command, size, flags)| Step::Header { command, size, flags }),
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
