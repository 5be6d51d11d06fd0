// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::io::{IoSlice, Write};
use std::os::fd::{AsFd, BorrowedFd};

use proptest::prelude::*;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::*;

fn message(id: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(id.to_ne_bytes());
    bytes.extend(10_u16.to_ne_bytes());
    bytes.extend(u32::try_from(16 + payload.len()).unwrap().to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(payload);
    bytes
}

fn send_with_fds(socket: &UnixStream, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
    let sent = sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::empty()).unwrap();
    assert_eq!(sent, bytes.len());
}

fn received(stream: &mut MessageStream, socket: &UnixStream) -> (u16, Vec<u8>, usize) {
    match stream.next(socket).unwrap() {
        Next::Message(header, payload, fds) => (header.message_id.get(), payload.to_vec(), fds.len()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn descriptors_stay_with_their_message() {
    let (mut client, server) = UnixStream::pair().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    client.write_all(&message(1, &[])).unwrap();
    client.write_all(&message(2, &[1; 40])).unwrap();
    send_with_fds(&client, &message(3, &[2; 32]), &[file.as_fd(), file.as_fd()]);
    client.write_all(&message(4, &[3; 16])).unwrap();
    let mut stream = MessageStream::default();
    assert_eq!(received(&mut stream, &server), (1, vec![], 0));
    assert_eq!(received(&mut stream, &server), (2, vec![1; 40], 0));
    assert_eq!(received(&mut stream, &server), (3, vec![2; 32], 2));
    assert_eq!(received(&mut stream, &server), (4, vec![3; 16], 0));
    drop(client);
    assert!(matches!(stream.next(&server), Ok(Next::Closed)));
}

#[test]
fn descriptors_of_a_message_in_parts_stay_with_it() {
    let (mut client, server) = UnixStream::pair().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    let split = message(2, &[7; 32]);
    client
        .write_all(&[message(1, &[5; 8]), split[..10].to_vec()].concat())
        .unwrap();
    let mut stream = MessageStream::default();
    assert_eq!(received(&mut stream, &server), (1, vec![5; 8], 0));
    send_with_fds(&client, &split[10..30], &[file.as_fd()]);
    client
        .write_all(&[split[30..].to_vec(), message(3, &[])].concat())
        .unwrap();
    assert_eq!(received(&mut stream, &server), (2, vec![7; 32], 1));
    assert_eq!(received(&mut stream, &server), (3, vec![], 0));
}

#[test]
fn too_many_descriptors_end_the_client() {
    let (client, server) = UnixStream::pair().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    send_with_fds(&client, &message(1, &[0; 32]), &[file.as_fd(); 17]);
    assert!(matches!(
        MessageStream::default().next(&server),
        Err(StreamError::TooManyFds)
    ));

    // In small portions, one message that never ends.
    let (client, server) = UnixStream::pair().unwrap();
    let endless = message(1, &[0; 1000]);
    for byte in endless.chunks(1).take(20) {
        send_with_fds(&client, byte, &[file.as_fd()]);
    }
    assert!(matches!(
        MessageStream::default().next(&server),
        Err(StreamError::TooManyFds)
    ));
}

#[test]
fn a_client_that_leaves_within_a_message_is_told_from_one_that_leaves() {
    let (mut client, server) = UnixStream::pair().unwrap();
    client.write_all(&message(1, &[0; 8])[..20]).unwrap();
    drop(client);
    assert!(matches!(
        MessageStream::default().next(&server),
        Err(StreamError::Truncated)
    ));
}

#[test]
fn silence_is_idle_only_between_messages() {
    let (mut client, server) = UnixStream::pair().unwrap();
    server.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let mut stream = MessageStream::default();
    assert!(matches!(stream.next(&server), Ok(Next::Idle)));
    client.write_all(&message(1, &[0; 8])[..3]).unwrap();
    assert!(matches!(stream.next(&server), Err(StreamError::Stalled)));
}

#[test]
fn long_messages_give_their_memory_back() {
    let (mut client, server) = UnixStream::pair().unwrap();
    let long = message(9, &vec![4; 1 << 20]);
    let writer = std::thread::spawn(move || {
        client.write_all(&long).unwrap();
        client.write_all(&message(10, &[])).unwrap();
        client
    });
    let mut stream = MessageStream::default();
    let (id, payload, _) = received(&mut stream, &server);
    assert_eq!((id, payload.len()), (9, 1 << 20));
    assert_eq!(received(&mut stream, &server).0, 10);
    drop(writer.join().unwrap());
    assert!(matches!(stream.next(&server), Ok(Next::Closed)));
    assert!(stream.buffer.capacity() < 2 * BUFFER_SIZE);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// However the bytes are cut, the messages are the same.
    #[test]
    fn cuts_do_not_matter(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..20),
        cuts in proptest::collection::vec(1_usize..150, 1..40),
    ) {
        let (mut client, server) = UnixStream::pair().unwrap();
        let bytes: Vec<u8> = (0_u16..).zip(&payloads).flat_map(|(id, payload)| message(id, payload)).collect();
        let writer = std::thread::spawn(move || {
            let mut rest = bytes.as_slice();
            for cut in cuts.iter().cycle() {
                let (part, after) = rest.split_at((*cut).min(rest.len()));
                client.write_all(part).unwrap();
                rest = after;
                if rest.is_empty() {
                    return;
                }
            }
        });
        let mut stream = MessageStream::default();
        for (id, payload) in (0_u16..).zip(&payloads) {
            prop_assert_eq!(received(&mut stream, &server), (id, payload.clone(), 0));
        }
        writer.join().unwrap();
        prop_assert!(matches!(stream.next(&server), Ok(Next::Closed)));
    }
}
