// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use super::*;

#[test]
fn only_the_owner_may_connect_and_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let socket = PublicSocket::bind(&path).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(socket.directory(), directory.path());
    UnixStream::connect(&path).unwrap();
    drop(socket);
    assert!(!path.exists());
}

#[test]
fn a_live_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let first = PublicSocket::bind(&path).unwrap();
    let error = PublicSocket::bind(&path).unwrap_err();
    assert!(matches!(&error, SocketError::InUse(at) if *at == path), "{error}");
    UnixStream::connect(&path).unwrap();
    drop(first);
}

#[test]
fn a_live_socket_whose_queue_is_full_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let _listener = listen(&path, 0).unwrap();
    let _waiting = UnixStream::connect(&path).unwrap();
    assert!(matches!(PublicSocket::bind(&path), Err(SocketError::InUse(_))));
}

#[test]
fn a_stale_socket_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let _socket = PublicSocket::bind(&path).unwrap();
    UnixStream::connect(&path).unwrap();
}

#[test]
fn other_files_are_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(
        PublicSocket::bind(&path),
        Err(SocketError::NotASocket(_))
    ));
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    assert!(matches!(
        PublicSocket::bind(&path),
        Err(SocketError::NotASocket(_))
    ));
    let missing = directory.path().join("no/such/directory.sock");
    let error = PublicSocket::bind(&missing).unwrap_err();
    assert!(error.to_string().contains("no/such/directory.sock"), "{error}");
}

#[test]
fn a_file_put_in_its_place_survives() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let socket = PublicSocket::bind(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "precious").unwrap();
    drop(socket);
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[test]
fn the_length_is_checked_to_the_byte() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().as_os_str().len() + 1;
    let longest = directory.path().join("x".repeat(MAX_PATH - base));
    drop(PublicSocket::bind(&longest).unwrap());
    let too_long = directory.path().join("x".repeat(MAX_PATH - base + 1));
    let error = PublicSocket::bind(&too_long).unwrap_err();
    assert!(
        matches!(error, SocketError::TooLong { length: 108, .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .starts_with("socket path of 108 bytes is too long: a Unix socket takes 107")
    );
}
