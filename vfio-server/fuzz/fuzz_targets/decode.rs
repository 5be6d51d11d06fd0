// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Any bytes: a stream of messages, decoded and checked.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vfio_server::client::request::{Request, parse};
use vfio_server::client::wire::{Decoded, HEADER_SIZE, MAX_DATA_TRANSFER, decode};

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Decoded::Frame(header, payload)) = decode(rest) {
        for fds in [0, 1, 16] {
            match parse(&header, payload, fds) {
                Ok(Request::Read(access)) => assert!(access.count.get() <= MAX_DATA_TRANSFER),
                Ok(Request::Write(access, data)) => assert_eq!(access.count.get() as usize, data.len()),
                Ok(Request::WriteMulti(writes)) => {
                    assert!(writes.iter().all(|one| one.access.count.get() <= 8))
                }
                Ok(Request::Trigger(set, chosen)) => assert_eq!(set.count.get() as usize, chosen.len()),
                Ok(Request::Version | Request::Forward(_)) | Err(_) => {}
            }
        }
        rest = &rest[HEADER_SIZE + payload.len()..];
    }
});
