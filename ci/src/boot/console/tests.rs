// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::{LINE_MAX, Lines};

fn lines(chunks: &[&[u8]]) -> Vec<String> {
    let mut out = Vec::new();
    let mut splitter = Lines::default();
    for chunk in chunks {
        splitter.feed(chunk, |line| out.push(line.to_owned()));
    }
    splitter.finish(|line| out.push(line.to_owned()));
    out
}

#[test]
fn carriage_returns_escapes_and_chunk_borders_do_not_show() {
    assert_eq!(
        lines(&[
            b"[    0.0] a\r\n\x1b[1;3",
            b"1mred\x1b[0m\n\x1b=x\x07y\tz\r",
            b"\nlast"
        ]),
        ["[    0.0] a", "red", "xy z", "last"]
    );
}

#[test]
fn an_unfinished_escape_ends_with_its_line() {
    assert_eq!(lines(&[b"a\x1b[12\nb\n"]), ["a", "b"]);
}

#[test]
fn invalid_utf8_is_replaced() {
    assert_eq!(lines(&[b"a\xff\xfeb\n"]), ["a\u{fffd}\u{fffd}b"]);
}

#[test]
fn a_line_without_end_does_not_grow() {
    let mut splitter = Lines::default();
    for _ in 0..1000 {
        splitter.feed(&[b'x'; 100], |_| unreachable!("no line feed was sent"));
    }
    let mut last = String::new();
    splitter.finish(|line| last = line.to_owned());
    assert_eq!(last.len(), LINE_MAX);
}

proptest! {
    /// However the stream is cut, the lines are the same.
    #[test]
    fn chunking_is_invisible(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0usize..400) {
        let cut = cut.min(bytes.len());
        let (head, tail) = bytes.split_at(cut);
        prop_assert_eq!(lines(&[&bytes]), lines(&[head, tail]));
    }
}
