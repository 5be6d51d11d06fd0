// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

fn pipe(dir: &TempDir) -> PathBuf {
    let path = dir.path().join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    path
}

/// Each of these would block, or never end.
#[test]
fn only_regular_files_are_opened() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    let link = dir.path().join("link");
    symlink("/dev/zero", &link).unwrap();
    let cases = [
        (pipe(&dir), "a pipe"),
        ("/dev/zero".into(), "a device"),
        (link, "a device"),
        (socket, "a socket"),
        (dir.path().to_owned(), "a directory"),
    ];
    for (path, what) in cases {
        for error in [
            open(&path).unwrap_err(),
            create(&path).unwrap_err(),
            append(&path).unwrap_err(),
            read(&path, 10).unwrap_err(),
        ] {
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{}", path.display());
            assert!(error.to_string().starts_with(what), "{}: {error}", path.display());
        }
    }
}

#[test]
fn a_pipe_with_a_reader_is_refused_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = pipe(&dir);
    let _both_ends = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    assert_eq!(create(&path).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_file_is_read_up_to_the_limit_and_not_beyond() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "0123456789").unwrap();
    assert_eq!(read(&path, 10).unwrap(), b"0123456789");
    let error = read(&path, 9).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(error.to_string(), "larger than 9 bytes, the most that is read");
    assert_eq!(read_stream(&b"0123456789"[..], 10).unwrap().len(), 10);
    assert!(
        read_stream(io::repeat(0), 1 << 20)
            .unwrap_err()
            .to_string()
            .contains("1 MiB")
    );
    // Files of /proc say that they are empty.
    assert!(read("/proc/self/status".as_ref(), 1 << 20).unwrap().len() > 100);
    assert!(read("/proc/self/status".as_ref(), 10).is_err());
}

/// A sparse file, so that the test takes no room; to read it would take 4 GiB of memory.
#[test]
fn a_file_of_four_gibibytes_is_not_read_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large");
    File::create(&path).unwrap().set_len(4 << 30).unwrap();
    assert_eq!(
        read(&path, 1 << 20).unwrap_err().kind(),
        io::ErrorKind::FileTooLarge
    );
}

#[test]
fn text_says_where_it_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, b"ab\xff").unwrap();
    assert_eq!(
        read_text(&path, 10).unwrap_err().to_string(),
        "byte 2 is not UTF-8"
    );
}

#[test]
fn what_is_created_is_empty_and_what_is_appended_to_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "old").unwrap();
    io::Write::write_all(&mut append(&path).unwrap(), b"+").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old+");
    drop(create(&path).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"");
}
