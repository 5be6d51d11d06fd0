// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::process::Command;

use super::{describe, read_stderr};
use std::collections::VecDeque;
use std::sync::Mutex;

#[test]
fn only_the_last_lines_of_standard_error_are_kept() {
    let text: String = (0..100).map(|i| format!("line {i}\n\n")).collect();
    let lines = Mutex::new(VecDeque::new());
    read_stderr(text.as_bytes(), &lines, |_| {});
    let lines = lines.into_inner().unwrap();
    assert_eq!(lines.len(), super::STDERR_LINES);
    assert_eq!(
        (lines.front().unwrap().as_str(), lines.back().unwrap().as_str()),
        ("line 60", "line 99")
    );
}

#[test]
fn a_line_without_end_is_cut() {
    let lines = Mutex::new(VecDeque::new());
    read_stderr(&[b'x'; 1_000_000][..], &lines, |_| {});
    assert!(
        lines
            .into_inner()
            .unwrap()
            .iter()
            .all(|line| line.len() <= super::STDERR_WIDTH)
    );
}

#[test]
fn ends_are_told_in_words() {
    let status = |script: &str| Command::new("sh").args(["-c", script]).status().unwrap();
    assert_eq!(describe(status("exit 3")), "exit status 3");
    assert_eq!(describe(status("kill -9 $$")), "killed (signal 9)");
    assert_eq!(describe(status("kill -15 $$")), "signal 15");
}
