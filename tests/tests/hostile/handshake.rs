// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! VERSION: the first message, and all that can be wrong with it.

use integration_tests::raw::access;
use integration_tests::served::region;

use crate::{EINVAL, connect, hostile, in_step, refused};

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
            "{\"capabilities\":{\"max_msg_fds\":-1}}\0",
            "{\"capabilities\":{\"max_msg_fds\":1e400}}\0",
            "{\"capabilities\":{\"twin_socket\":{\"supported\":{}}}}\0",
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
            Some(EINVAL),
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
