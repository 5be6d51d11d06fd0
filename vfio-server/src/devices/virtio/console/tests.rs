// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;
use crate::devices::virtio::ring::Next;
use crate::devices::virtio::testing::{BUFFERS, Driver, End};

struct Files {
    directory: tempfile::TempDir,
}

impl Files {
    fn new(input: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("in"), input).unwrap();
        std::fs::write(directory.path().join("out"), "before ").unwrap();
        Self { directory }
    }

    fn open(&self) -> [Driver<Console>; 2] {
        let path = |name| self.directory.path().join(name);
        let queues = open(
            &path("out"),
            Some(&path("in")),
            &Places::anywhere(),
            &Arc::new(Complaints::new("log")),
        )
        .unwrap();
        queues.map(|queue| Driver::new(queue, true))
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("out")).unwrap()
    }
}

#[test]
fn what_the_guest_writes_is_appended() {
    let files = Files::new("");
    let [_, mut output] = files.open();
    output.put(BUFFERS, b"hello world\n");
    output.chain(&[(BUFFERS, 6)], &[]);
    output.chain(&[(BUFFERS + 6, 3), (BUFFERS + 9, 3)], &[]);
    assert_eq!(output.run(), End::Waits);
    assert_eq!((output.used(), output.used()), (Some((0, 0)), Some((1, 0))));
    assert_eq!(files.output(), "before hello world\n");
}

#[test]
fn nothing_is_appended_twice_for_a_stall() {
    let files = Files::new("");
    let [_, mut output] = files.open();
    output.put(BUFFERS, b"once");
    for stall in [BUFFERS + 2, crate::devices::virtio::testing::USED + 2] {
        output.chain(&[(BUFFERS, 2), (BUFFERS + 2, 2)], &[]);
        output.memory.stalls.replace(stall..stall + 1);
        assert_eq!((output.run(), output.run()), (End::Stalls, End::Stalls));
        output.memory.stalls.replace(0..0);
        assert_eq!(output.run(), End::Waits);
    }
    assert_eq!(files.output(), "before onceonce");
}

#[test]
fn the_guest_reads_the_input_once() {
    let files = Files::new("0123456789");
    let [mut input, _] = files.open();
    for chain in [4, 3, 8, 8] {
        input.chain(&[], &[(BUFFERS, 1), (BUFFERS + 1, chain - 1)]);
    }
    assert_eq!(input.run(), End::Waits);
    let lengths: Vec<_> = std::iter::from_fn(|| input.used())
        .map(|(_, length)| length)
        .collect();
    assert_eq!(
        (lengths, input.get(BUFFERS, 4)),
        (vec![4, 3, 3], b"7893".to_vec())
    );
    input.ring.handler().reset();
    assert_eq!(
        (input.run(), input.get(BUFFERS, 8)),
        (End::Waits, b"01234567".to_vec())
    );
}

/// A slow file so keeps no TLB synchronisation waiting.
#[test]
fn the_input_is_read_after_the_view() {
    let files = Files::new("early");
    let [mut input, _] = files.open();
    input.chain(&[], &[(BUFFERS, 8)]);
    let Next::Work(ticket, job) = input.ring.run(&input.memory, &input.state).next else {
        panic!("no job");
    };
    std::fs::write(files.directory.path().join("in"), "late").unwrap();
    input.ring.finish(ticket, Console::work(job));
    assert_eq!((input.run(), input.used()), (End::Waits, Some((0, 4))));
    assert_eq!(input.get(BUFFERS, 4), b"late");
}

#[test]
fn nothing_is_read_twice_or_lost_for_a_stall() {
    let files = Files::new("0123456789");
    let [mut input, _] = files.open();
    for (stall, expected) in [
        (BUFFERS + 2, b"0123"),
        (crate::devices::virtio::testing::USED + 2, b"4567"),
    ] {
        input.chain(&[], &[(BUFFERS, 2), (BUFFERS + 2, 2)]);
        input.memory.stalls.replace(stall..stall + 1);
        assert_eq!((input.run(), input.run()), (End::Stalls, End::Stalls));
        input.memory.stalls.replace(0..0);
        assert_eq!(input.run(), End::Waits);
        assert_eq!(input.get(BUFFERS, 4), expected);
    }
    // What is not written to the guest stays to be read.
    input.chain(&[], &[(BUFFERS, 4)]);
    input.memory.stalls.replace(BUFFERS..BUFFERS + 1);
    assert_eq!(input.run(), End::Stalls);
    input.memory.stalls.replace(0..0);
    input.restart(true);
    input.chain(&[], &[(BUFFERS, 4)]);
    assert_eq!((input.run(), input.used()), (End::Waits, Some((0, 2))));
    assert_eq!(input.get(BUFFERS, 2), b"89");
}

/// A chain that found the end of the file waits in its place.
#[test]
fn what_comes_to_the_input_later() {
    let files = Files::new("");
    let [mut input, _] = files.open();
    input.chain(&[], &[(BUFFERS, 4)]);
    input.chain(&[], &[(BUFFERS + 4, 4)]);
    assert_eq!((input.run(), input.run()), (End::Waits, End::Waits));
    assert_eq!((input.used(), input.interrupts), (None, 0));
    std::fs::write(files.directory.path().join("in"), "abcdef").unwrap();
    assert_eq!(input.run(), End::Waits);
    assert_eq!((input.used(), input.used()), (Some((0, 4)), Some((1, 2))));
    assert_eq!(input.get(BUFFERS, 6), b"abcdef");
}

#[test]
fn a_chain_that_is_not_mapped_or_endless() {
    let files = Files::new("");
    let [_, mut output] = files.open();
    output.put(BUFFERS, &[b'x'; 1 << 20]);
    output.chain(&[(BUFFERS, 1 << 20), (BUFFERS, 1 << 20)], &[]);
    assert_eq!(output.run(), End::Waits);
    assert_eq!(files.output().len(), 7 + (1 << 20));
    output.memory.hole.replace(BUFFERS..BUFFERS + 1);
    output.chain(&[(BUFFERS, 1)], &[]);
    assert!(matches!(output.run(), End::Broken(_)));
}

#[test]
fn no_more_is_translated_than_is_moved() {
    let files = Files::new(&"x".repeat(2 << 20));
    let [mut input, mut output] = files.open();
    input.chain(&[], &[(BUFFERS, 3 << 20); 8]);
    assert_eq!((input.run(), input.used()), (End::Waits, Some((0, 1 << 20))));
    output.chain(&[(BUFFERS, 3 << 20); 8], &[]);
    assert_eq!((output.run(), output.used()), (End::Waits, Some((0, 0))));
    for driver in [input, output] {
        let slices = driver.memory.slices.get();
        assert!(slices < 256 + 8 + 20, "{slices}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let complaints = Arc::new(Complaints::new("log"));
    let error = |output: &Path, input: &Path| {
        open(output, Some(input), &Places::anywhere(), &complaints).unwrap_err()
    };
    assert!(error(&path.join("out"), &path.join("none")).starts_with("`input`: cannot open"));
    assert!(error(&path.join("out"), path).contains("no regular file"));
    assert!(
        open(path, None, &Places::anywhere(), &complaints)
            .unwrap_err()
            .starts_with("`output`: cannot open")
    );
    // A pipe without a reader does not hold the server up.
    rustix::fs::mkfifoat(rustix::fs::CWD, path.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
    assert!(
        open(&path.join("pipe"), None, &Places::anywhere(), &complaints)
            .unwrap_err()
            .starts_with("`output`: cannot open")
    );
    // Others are out of reach.
    let allowed = Places::new(vec![path.join("files")]);
    std::fs::create_dir(path.join("files")).unwrap();
    std::fs::write(path.join("in"), "").unwrap();
    let error = open(
        &path.join("files/out"),
        Some(&path.join("in")),
        &allowed,
        &complaints,
    )
    .unwrap_err();
    assert!(
        error.starts_with("`input`: ") && error.contains("allowed"),
        "{error}"
    );
    let error = open(&path.join("out"), None, &allowed, &complaints).unwrap_err();
    assert!(
        error.starts_with("`output`: ") && error.contains("allowed"),
        "{error}"
    );
    assert!(open(&path.join("files/out"), None, &allowed, &complaints).is_ok());
}
