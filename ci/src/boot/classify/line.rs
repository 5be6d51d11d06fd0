// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! One console line: what the kernel put in front of the text, and the sentinels of the guest's script.

/// A console line taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The time stamp as printed, without brackets and blanks (`12.345678`).
    pub(super) time: Option<&'a str>,
    /// The printing context with `CONFIG_PRINTK_CALLER`: `T12` or `C3`.
    pub(super) caller: Option<&'a str>,
    /// The text after all of it.
    pub(super) text: &'a str,
}

/// Marks the lines of the guest's own script.
pub const SENTINEL: &str = "@@boot-stress ";

/// Message of the guest's script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sentinel {
    /// The guest waits for its snapshot to be taken.
    Ready,
    /// The script runs; the kernel has booted.
    Begin,
    /// Step `index` (from 1) starts.
    Step {
        /// Number of the step, from 1.
        index: u32,
        /// Action of the step.
        text: String,
    },
    /// A wait of the script ran out of time.
    Timeout {
        /// The step, as the script named it.
        text: String,
    },
    /// A step failed in a way that makes the boot say nothing.
    Failed {
        /// The step and the reason, as the script named them.
        text: String,
    },
    /// A step has found something.
    Result {
        /// Name of the result.
        name: String,
        /// Text of the result.
        text: String,
    },
    /// An SMMU of the board has no driver at the end of the steps.
    Unbound {
        /// Its name on the board.
        name: String,
        /// Its name in sysfs.
        device: String,
    },
    /// A remark that decides nothing.
    Note {
        /// Its text.
        text: String,
    },
    /// The kernel log follows (quiet recipes).
    DmesgBegin,
    /// The kernel log was printed.
    DmesgEnd,
    /// All steps are over and the settle time has passed.
    Done,
}

impl Sentinel {
    /// The sentinel of a line, wherever in it: lines of other CPUs may have come in front.
    pub(super) fn find(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once(SENTINEL)?;
        let rest = rest.trim_end();
        let (word, text) = rest.split_once(' ').unwrap_or((rest, ""));
        Some(match (word, text) {
            ("ready", _) => Self::Ready,
            ("begin", _) => Self::Begin,
            ("done", _) => Self::Done,
            ("dmesg", "begin") => Self::DmesgBegin,
            ("dmesg", "end") => Self::DmesgEnd,
            ("step", text) => {
                let (index, text) = text.split_once(' ').unwrap_or((text, ""));
                Self::Step {
                    index: index.parse().ok()?,
                    text: text.to_owned(),
                }
            }
            ("timeout", text) => Self::Timeout {
                text: text.to_owned(),
            },
            ("result", text) => {
                let (name, text) = text.split_once(' ').unwrap_or((text, ""));
                Self::Result {
                    name: name.to_owned(),
                    text: text.to_owned(),
                }
            }
            ("unbound", text) => {
                let (name, device) = text.split_once(' ')?;
                Self::Unbound {
                    name: name.to_owned(),
                    device: device.to_owned(),
                }
            }
            ("note", text) => Self::Note {
                text: text.to_owned(),
            },
            ("failed", text) => Self::Failed {
                text: text.to_owned(),
            },
            _ => return None,
        })
    }
}

impl<'a> Line<'a> {
    /// Takes the prefixes off: `<4>`, `[    6.246790]`, `[    T1]`, in the orders that kernels print them.
    pub(super) fn parse(raw: &'a str) -> Self {
        let mut rest = level(raw.trim_start()).trim_start();
        let mut time = None;
        let mut caller = None;
        while let Some((inside, after)) = bracket(rest) {
            if time.is_none() && is_time(inside) {
                time = Some(inside);
            } else if caller.is_none() && is_caller(inside) {
                caller = Some(inside);
            } else if let (None, Some((stamp, who))) = (time, inside.split_once(' ')) {
                // `[    2.360729  T1]`: both in one pair of brackets.
                let who = who.trim_start();
                if !(is_time(stamp) && is_caller(who)) {
                    break;
                }
                (time, caller) = (Some(stamp), Some(who));
            } else {
                break;
            }
            // One blank ends the prefix; the rest of the indentation belongs to the text.
            rest = after.strip_prefix(' ').unwrap_or(after);
        }
        Self {
            time,
            caller,
            text: rest,
        }
    }
}

/// Returns a line without a raw level prefix, `<4>`.
fn level(raw: &str) -> &str {
    let Some((number, after)) = raw.strip_prefix('<').and_then(|rest| rest.split_once('>')) else {
        return raw;
    };
    if !number.is_empty() && number.len() <= 3 && number.bytes().all(|b| b.is_ascii_digit()) {
        after
    } else {
        raw
    }
}

fn bracket(text: &str) -> Option<(&str, &str)> {
    let (inside, after) = text.strip_prefix('[')?.split_once(']')?;
    Some((inside.trim(), after))
}

fn is_time(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.split_once('.')
        .is_some_and(|(seconds, fraction)| digits(seconds) && digits(fraction))
}

fn is_caller(text: &str) -> bool {
    let mut letters = text.bytes();
    matches!(letters.next(), Some(b'T' | b'C')) && letters.len() > 0 && letters.all(|b| b.is_ascii_digit())
}
