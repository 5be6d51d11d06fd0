// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Lines that begin a kernel report, and the titles of such reports.

use super::line::Line;
use super::report::clip;
use crate::recipe::FindingKind::{self, Bug, HungTask, Oops, RcuStall, SoftLockup, Warning};

/// Longest title in bytes.
const TITLE_MAX: usize = 160;

/// Texts that begin a report. The first that is found decides: `BUG: soft lockup` is no `BUG: `.
const HEADLINES: [(&str, FindingKind); 9] = [
    ("BUG: soft lockup", SoftLockup),
    ("WARNING: ", Warning),
    ("BUG: ", Bug),
    ("kernel BUG at ", Bug),
    ("UBSAN: ", Bug),
    ("Internal error: ", Oops),
    ("Unable to handle kernel ", Oops),
    ("detected stall", RcuStall),
    ("blocked for more than ", HungTask),
];

/// Kind and title of the report that a line begins. An oops gets its title from the report.
pub(super) fn headline(line: &Line<'_>) -> Option<(FindingKind, String)> {
    let text = line.text;
    let &(mark, kind) = HEADLINES.iter().find(|(mark, _)| text.contains(mark))?;
    let (before, after) = text.split_once(mark)?;
    let title = match kind {
        Warning => warning(line, after)?,
        SoftLockup => after
            .split_once('[')
            .and_then(|(_, task)| task.rsplit_once(':'))
            .map_or("", |(task, _)| task)
            .to_owned(),
        HungTask => before
            .split_once("task ")
            .map_or("", |(_, task)| task)
            .trim_end()
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .trim_end_matches(':')
            .to_owned(),
        RcuStall => String::new(),
        _ => {
            let place = if mark.ends_with("at ") {
                after
            } else {
                &text[before.len()..]
            };
            normal(place.trim_start_matches("BUG: ").trim_end_matches('!'))
        }
    };
    Some((kind, clip(title.trim(), TITLE_MAX).to_owned()))
}

/// Source file and function of a warning. A program's output may begin with the word, too.
fn warning(line: &Line<'_>, at: &str) -> Option<String> {
    if !at.starts_with("at ") && !at.contains(" at ") {
        return line.time.map(|_| normal(at));
    }
    let at = at.split_once(", CPU#").map_or(at, |(place, _)| place);
    let at = match at.split_once(" at ") {
        Some((cpu, place)) if cpu.starts_with("CPU: ") => place.to_owned(),
        Some((source, function)) => format!("{source} {function}"),
        None => at.strip_prefix("at ").unwrap_or(at).to_owned(),
    };
    let mut words = at.split_whitespace();
    let source = words.next().unwrap_or("");
    let function = words.next().unwrap_or("");
    Some(format!(
        "{} {}",
        source.split(':').next().unwrap_or(source),
        function.split('+').next().unwrap_or(function)
    ))
}

/// Returns a text without what differs from boot to boot and kernel to kernel: offsets in functions go, and other
/// numbers that do not belong to a name become `N`.
pub(super) fn normal(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    for (number, word) in text.split_whitespace().enumerate() {
        if number > 0 {
            normal.push(' ');
        }
        let word = word.split_once("+0x").map_or(word, |(function, _)| function);
        let mut rest = word.chars().peekable();
        let mut in_name = false;
        while let Some(letter) = rest.next() {
            if letter.is_ascii_digit() && !in_name {
                let hexadecimal = letter == '0' && rest.peek() == Some(&'x');
                if hexadecimal {
                    rest.next();
                }
                let digit = |c: &char| c.is_ascii_digit() || hexadecimal && c.is_ascii_hexdigit();
                while rest.next_if(digit).is_some() {}
                normal.push('N');
            } else {
                in_name = letter.is_alphanumeric() || letter == '_';
                normal.push(letter);
            }
        }
    }
    clip(&normal, TITLE_MAX).to_owned()
}
