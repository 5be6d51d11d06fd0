// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Parts of several tests: packages built here, and a mirror on the loopback.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::packages::digest;
use crate::packages::lock::{Package, Set, SetKind};

/// An entry of a package: path, kind, mode, contents or link target.
pub(crate) struct Item<'a> {
    pub(crate) path: &'a str,
    pub(crate) kind: tar::EntryType,
    pub(crate) mode: u32,
    pub(crate) contents: &'a str,
}

pub(crate) fn file<'a>(path: &'a str, contents: &'a str) -> Item<'a> {
    Item {
        path,
        kind: tar::EntryType::Regular,
        mode: 0o755,
        contents,
    }
}

pub(crate) fn link<'a>(path: &'a str, kind: tar::EntryType, target: &'a str) -> Item<'a> {
    Item {
        path,
        kind,
        mode: 0o777,
        contents: target,
    }
}

/// A tar archive with exactly these names in it, however bad they are.
pub(crate) fn tar_of(items: &[Item<'_>]) -> Vec<u8> {
    let mut archive = Vec::new();
    for item in items {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(item.kind);
        header.set_mode(item.mode);
        let raw = header.as_mut_bytes();
        raw[..item.path.len()].copy_from_slice(item.path.as_bytes());
        let is_link = matches!(item.kind, tar::EntryType::Symlink | tar::EntryType::Link);
        let contents = if is_link {
            raw[157..157 + item.contents.len()].copy_from_slice(item.contents.as_bytes());
            &[]
        } else {
            item.contents.as_bytes()
        };
        header.set_size(contents.len() as u64);
        header.set_cksum();
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(contents);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

pub(crate) fn xz(plain: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn gz(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn ar_member(name: &str, contents: &[u8]) -> Vec<u8> {
    let mut member = format!(
        "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
        0,
        0,
        0,
        100_644,
        contents.len()
    )
    .into_bytes();
    member.extend_from_slice(contents);
    member.resize(member.len().next_multiple_of(2), b'\n');
    member
}

pub(crate) fn deb_of(data_name: &str, data: &[u8]) -> Vec<u8> {
    let mut deb = b"!<arch>\n".to_vec();
    deb.extend(ar_member("debian-binary", b"2.0\n"));
    deb.extend(ar_member("control.tar.xz", b"odd"));
    deb.extend(ar_member(data_name, data));
    deb
}

/// A package with these files.
pub(crate) fn deb(items: &[Item<'_>]) -> Vec<u8> {
    deb_of("data.tar.xz", &xz(&tar_of(items)))
}

/// The lock entry of a package.
pub(crate) fn locked(name: &str, contents: &[u8]) -> Package {
    Package {
        package: name.to_owned(),
        version: "1:1.0+x~1-1".to_owned(),
        architecture: "amd64".to_owned(),
        suite: "trixie".to_owned(),
        path: format!("pool/main/x/{name}_1.0+x~1-1_amd64.deb"),
        size: contents.len() as u64,
        sha256: digest::of_bytes(contents),
    }
}

pub(crate) fn set_of(kind: SetKind, name: &str, packages: Vec<Package>) -> Set {
    Set {
        kind,
        name: name.to_owned(),
        packages,
    }
}

/// Answer of the mirror for one path.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// The file, ranges included.
    Whole(Vec<u8>),
    /// The connection breaks after so many bytes of each answer.
    Cut(Vec<u8>, usize),
    /// The file from the start, whatever range was asked for.
    NoRanges(Vec<u8>),
    /// Another range than the one that was asked for.
    WrongRange(Vec<u8>),
    /// A status without a body.
    Status(u16),
    /// The file, a byte at a time, for as long as the client listens.
    Dripping(Vec<u8>),
}

/// A mirror on the loopback. Every request is written down, as path and Range header.
pub(crate) struct TestMirror {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<(String, String)>>>,
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
}

impl TestMirror {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (requests, answers) = (
            Arc::<Mutex<Vec<_>>>::default(),
            Arc::<Mutex<BTreeMap<_, _>>>::default(),
        );
        let mirror = Self {
            url,
            requests: Arc::clone(&requests),
            answers: Arc::clone(&answers),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (requests, answers) = (Arc::clone(&requests), Arc::clone(&answers));
                std::thread::spawn(move || serve(stream, &requests, &answers));
            }
        });
        mirror
    }

    /// Decides what happens with a path; ones that nothing was said about are 404.
    pub(crate) fn answer(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(format!("/{path}"), answer);
    }

    pub(crate) fn requests(&self) -> Vec<(String, String)> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    stream: TcpStream,
    requests: &Mutex<Vec<(String, String)>>,
    answers: &Mutex<BTreeMap<String, Answer>>,
) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.replace("%2B", "+");
    let mut range = String::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else {
            break;
        };
        if name.eq_ignore_ascii_case("range") {
            range = value.to_owned();
        }
    }
    requests.lock().unwrap().push((path.clone(), range.clone()));
    let from: usize = range
        .strip_prefix("bytes=")
        .and_then(|r| r.trim_end_matches('-').parse().ok())
        .unwrap_or(0);
    let answer = answers
        .lock()
        .unwrap()
        .get(&path)
        .cloned()
        .unwrap_or(Answer::Status(404));
    let (body, from, cut) = match answer {
        Answer::Whole(body) => (body, from, usize::MAX),
        Answer::Cut(body, cut) => (body, from, cut),
        Answer::NoRanges(body) => (body, 0, usize::MAX),
        Answer::Dripping(body) => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            )
            .ok()?;
            for byte in body {
                stream.write_all(&[byte]).ok()?;
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            return Some(());
        }
        Answer::WrongRange(body) => (body, from.saturating_sub(1), usize::MAX),
        Answer::Status(status) => {
            write!(
                stream,
                "HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            .ok()?;
            return Some(());
        }
    };
    let rest = body.get(from..)?;
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n",
        rest.len()
    )
    .ok()?;
    if from > 0 {
        write!(
            stream,
            "Content-Range: bytes {from}-{}/{}\r\n",
            body.len() - 1,
            body.len()
        )
        .ok()?;
    }
    stream.write_all(b"\r\n").ok()?;
    stream.write_all(&rest[..rest.len().min(cut)]).ok()
}
