// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fmt;
use std::sync::atomic::AtomicU64;

use super::*;
use crate::packages::testing::{Answer, TestMirror, locked};

#[derive(Debug, Default)]
struct Counted {
    bytes: AtomicU64,
    notes: Mutex<Vec<String>>,
}

impl Progress for Counted {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
    fn end(&self) {}
    fn note(&self, line: &str) {
        self.notes.lock().unwrap().push(line.to_owned());
    }
}

struct Case {
    server: TestMirror,
    directory: tempfile::TempDir,
    progress: Counted,
}

impl Case {
    fn new() -> Self {
        Self {
            server: TestMirror::start(),
            directory: tempfile::tempdir().unwrap(),
            progress: Counted::default(),
        }
    }

    fn with<R>(&self, f: impl FnOnce(&Downloader<'_>) -> R) -> R {
        let mirror = Mirror {
            url: self.server.url.clone(),
            from: "the test".into(),
        };
        let mut downloader = Downloader::new(&mirror, &self.progress);
        downloader.pause = Duration::ZERO;
        f(&downloader)
    }

    fn fetch(&self, package: &Package) -> Result<(), FetchError> {
        self.with(|d| d.fetch(package, self.directory.path()))
    }

    fn ranges(&self) -> Vec<String> {
        self.server
            .requests()
            .into_iter()
            .map(|(_, range)| range)
            .collect()
    }

    fn part(&self, package: &Package) -> PathBuf {
        self.directory
            .path()
            .join(format!("{}.{}.part", package.file_name(), &package.sha256[..12]))
    }

    /// Names in the directory, and whether the package is there and right.
    fn stored(&self, package: &Package) -> (usize, bool) {
        let count = fs::read_dir(self.directory.path()).unwrap().count();
        let right = digest::of_file(&self.directory.path().join(package.file_name()))
            .is_ok_and(|d| d == package.sha256);
        (count, right)
    }

    fn text(&self, e: impl fmt::Display) -> String {
        e.to_string().replace(&self.server.url, "http://mirror.invalid")
    }
}

fn contents() -> Vec<u8> {
    (0..300_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

#[test]
fn a_package_is_fetched_and_verified() {
    let (case, body) = (Case::new(), contents());
    let package = locked("x", &body);
    case.server.answer(&package.path, Answer::Whole(body));
    case.fetch(&package).unwrap();
    assert_eq!(case.stored(&package), (1, true));
    assert_eq!(case.progress.bytes.load(Ordering::Relaxed), package.size);
    // What is there is checked and not fetched again.
    case.fetch(&package).unwrap();
    assert_eq!(case.ranges(), [""]);
}

#[test]
fn a_broken_connection_is_continued() {
    let (case, body) = (Case::new(), contents());
    let package = locked("x", &body);
    case.server.answer(&package.path, Answer::Cut(body, 100_000));
    case.fetch(&package).unwrap();
    assert_eq!(case.stored(&package), (1, true));
    let ranges = case.ranges();
    assert!(ranges.len() >= 3 && ranges[0].is_empty(), "{ranges:?}");
    assert!(
        ranges[1..]
            .iter()
            .all(|r| r.starts_with("bytes=") && r != "bytes=0-"),
        "{ranges:?}"
    );
    let shown = case.progress.bytes.load(Ordering::Relaxed);
    assert_eq!(shown, package.size, "what was there is counted once");
}

#[test]
fn what_another_run_left_is_continued() {
    let (case, body) = (Case::new(), contents());
    let package = locked("x", &body);
    fs::write(case.part(&package), &body[..123]).unwrap();
    case.server.answer(&package.path, Answer::Whole(body));
    case.fetch(&package).unwrap();
    assert_eq!(
        (case.stored(&package), case.ranges()),
        ((1, true), vec!["bytes=123-".to_owned()])
    );
    assert_eq!(case.progress.bytes.load(Ordering::Relaxed), package.size);
}

#[test]
fn a_whole_part_needs_no_network() {
    let (case, body) = (Case::new(), contents());
    let package = locked("x", &body);
    fs::write(case.part(&package), &body).unwrap();
    case.fetch(&package).unwrap();
    assert_eq!((case.stored(&package), case.ranges().len()), ((1, true), 0));
}

#[test]
fn servers_without_ranges_start_over() {
    let (case, body) = (Case::new(), contents());
    let package = locked("x", &body);
    fs::write(case.part(&package), b"other bytes").unwrap();
    case.server.answer(&package.path, Answer::NoRanges(body));
    case.fetch(&package).unwrap();
    assert_eq!(case.stored(&package), (1, true));
}

#[test]
fn a_wrong_range_is_not_glued_on() {
    let (case, body) = (Case::new(), contents());
    let package = locked("x", &body);
    fs::write(case.part(&package), &body[..100]).unwrap();
    case.server.answer(&package.path, Answer::WrongRange(body));
    case.fetch(&package).unwrap();
    assert_eq!(case.ranges(), ["bytes=100-", ""]);
    assert_eq!(case.stored(&package), (1, true));
}

#[test]
fn a_damaged_part_is_fetched_anew() {
    let (case, body) = (Case::new(), contents());
    let package = locked("x", &body);
    fs::write(case.part(&package), vec![0; 500]).unwrap();
    case.server.answer(&package.path, Answer::Whole(body));
    case.fetch(&package).unwrap();
    assert_eq!(case.ranges(), ["bytes=500-", ""]);
    assert_eq!(case.stored(&package), (1, true));
}

#[test]
fn damage_in_the_cache_is_noticed() {
    let (case, body) = (Case::new(), contents());
    let package = locked("x", &body);
    let mut damaged = body.clone();
    damaged[7] ^= 1;
    fs::write(case.directory.path().join(package.file_name()), damaged).unwrap();
    case.server.answer(&package.path, Answer::Whole(body));
    case.fetch(&package).unwrap();
    assert_eq!(case.stored(&package), (1, true));
    assert_eq!(case.progress.notes.lock().unwrap().len(), 1);
}

#[test]
fn failures_name_the_package_and_what_to_do() {
    let body = contents();
    let package = locked("x", &body);
    let mut report = Vec::new();
    let mut other = body.clone();
    other[0] ^= 1;
    let mut longer = body.clone();
    longer.push(0);
    for answer in [
        Answer::Status(404),
        Answer::Status(403),
        Answer::Status(503),
        Answer::Whole(other),
        Answer::Whole(longer),
        Answer::Whole(body[1..].to_vec()),
        Answer::Cut(body.clone(), 0),
    ] {
        let case = Case::new();
        case.server.answer(&package.path, answer);
        let error = case.text(case.fetch(&package).unwrap_err());
        assert!(!case.stored(&package).1);
        report.push(error);
    }
    insta::assert_snapshot!(report.join("\n"));
}

#[test]
fn a_failing_server_is_tried_three_times() {
    let case = Case::new();
    let package = locked("x", &contents());
    case.server.answer(&package.path, Answer::Status(500));
    case.fetch(&package).unwrap_err();
    assert_eq!(case.ranges().len(), 3);
}

#[test]
fn nobody_listening_is_an_error_soon() {
    let mirror = Mirror {
        url: "http://127.0.0.1:1".into(),
        from: "the test".into(),
    };
    let progress = Counted::default();
    let mut downloader = Downloader::new(&mirror, &progress);
    downloader.pause = Duration::ZERO;
    let directory = tempfile::tempdir().unwrap();
    let error = downloader
        .fetch(&locked("x", b"x"), directory.path())
        .unwrap_err();
    assert!(matches!(error, FetchError::Network { .. }), "{error}");
}

#[test]
fn several_packages_come_at_once_and_the_first_failure_ends_it() {
    let case = Case::new();
    let bodies: Vec<Vec<u8>> = (0..9_u8).map(|n| vec![n; 5000]).collect();
    let packages: Vec<Package> = bodies
        .iter()
        .zip(0..)
        .map(|(b, n)| locked(&format!("p{n}"), b))
        .collect();
    let all: Vec<&Package> = packages.iter().collect();
    for (package, body) in packages.iter().zip(&bodies) {
        case.server.answer(&package.path, Answer::Whole(body.clone()));
    }
    case.with(|d| d.fetch_all(&all, case.directory.path())).unwrap();
    assert!(packages.iter().all(|p| case.stored(p).1));

    let case = Case::new();
    let error = case
        .with(|d| d.fetch_all(&all, case.directory.path()))
        .unwrap_err();
    assert!(matches!(error, FetchError::Gone { .. }));
    assert!(case.ranges().len() < all.len(), "the others are not asked for");
}

#[test]
fn a_failure_ends_what_is_under_way() {
    let case = Case::new();
    let (gone, slow) = (locked("gone", b"gone"), locked("slow", &contents()));
    // A byte per attempt: on its own it takes all attempts that there are, and ten seconds.
    case.server.answer(&slow.path, Answer::Cut(contents(), 1));
    let error = case.with(|d| {
        let d = Downloader {
            pause: Duration::from_millis(200),
            ..Downloader::new(d.mirror, &case.progress)
        };
        d.fetch_all(&[&gone, &slow], case.directory.path()).unwrap_err()
    });
    assert!(matches!(error, FetchError::Gone { .. }));
    let requests = case.ranges().len();
    assert!(requests < ATTEMPTS as usize, "{requests}");
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let case = Case::new();
    let missing = case.directory.path().join("missing");
    let error = case.with(|d| d.fetch(&locked("x", b"x"), &missing)).unwrap_err();
    assert!(
        matches!(&error, FetchError::Write { path, .. } if path.starts_with(&missing)),
        "{error}"
    );
    let full = FetchError::Write {
        path: "p".into(),
        source: io::ErrorKind::StorageFull.into(),
    };
    assert_eq!(
        full.to_string(),
        "p: no storage space; free some space, or choose another place with `--cache`"
    );
    let read_only = FetchError::Write {
        path: "p".into(),
        source: io::ErrorKind::ReadOnlyFilesystem.into(),
    };
    assert!(
        read_only
            .to_string()
            .ends_with("choose a place that can be written with `--cache`")
    );
}

#[test]
fn a_mirror_that_lies_in_pieces_is_given_up() {
    let (case, body) = (Case::new(), contents());
    let package = locked("x", &body);
    let mut wrong = body;
    wrong[0] ^= 1;
    case.server.answer(&package.path, Answer::Cut(wrong, 100_000));
    let error = case.fetch(&package).unwrap_err();
    assert!(case.text(error).contains("damaged"));
    let starts = case.ranges().iter().filter(|range| range.is_empty()).count();
    assert_eq!(starts, 2, "one more try from the start");
}

/// It is never silent, and would hold the lock of the cache for days.
#[test]
fn a_mirror_that_sends_a_byte_now_and_then_is_given_up() {
    let (case, body) = (Case::new(), contents());
    let package = locked("x", &body);
    case.server.answer(&package.path, Answer::Dripping(body.clone()));
    case.server.answer("dists/x/InRelease", Answer::Dripping(body));
    let mirror = Mirror {
        url: case.server.url.clone(),
        from: "the test".into(),
    };
    let mut downloader = Downloader::new(&mirror, &case.progress);
    downloader.pause = Duration::ZERO;
    downloader.pace = Pace {
        bytes: 250_000,
        time: Duration::from_millis(20),
    };
    for error in [
        downloader.fetch(&package, case.directory.path()).unwrap_err(),
        downloader.get("dists/x/InRelease").unwrap_err(),
    ] {
        assert!(error.to_string().contains("too slow: "), "{error}");
    }
    let attempts = case.server.requests().len();
    assert_eq!(attempts, usize::try_from(FRUITLESS_ATTEMPTS).unwrap() + 1);
}

#[test]
fn a_pipe_in_the_place_of_a_package_holds_nothing_up() {
    let (case, body) = (Case::new(), contents());
    let package = locked("x", &body);
    let path = case.directory.path().join(package.file_name());
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let error = case.fetch(&package).unwrap_err().to_string();
    assert!(error.ends_with("a pipe, and no regular file"), "{error}");
}
