// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Console bytes into lines: a serial console may carry anything, so everything is bounded.

#[cfg(test)]
mod tests;

/// Longest line kept, in bytes; what a guest prints beyond it, up to the next line feed, is dropped.
pub const LINE_MAX: usize = 2048;

/// Splits a byte stream into printable lines.
///
/// Ends lines at LF, drops CR and other control bytes, removes ANSI escape sequences (CSI and two-byte ones),
/// replaces invalid UTF-8. Memory use is bounded by [`LINE_MAX`] whatever is fed.
#[derive(Debug, Default)]
pub struct Lines {
    line: Vec<u8>,
    escape: Escape,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    /// ESC was seen.
    Start,
    /// Inside `ESC [ … final`.
    Csi,
}

impl Lines {
    /// Feeds a chunk; calls `line` for each line that it completes.
    pub fn feed(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for &byte in bytes {
            match (self.escape, byte) {
                // A line feed ends an unfinished escape sequence too: kernel output must not vanish in one.
                (_, b'\n') => {
                    self.escape = Escape::None;
                    line(&String::from_utf8_lossy(&self.line));
                    self.line.clear();
                }
                (_, 0x1b) => self.escape = Escape::Start,
                (Escape::Start, b'[') => self.escape = Escape::Csi,
                (Escape::Start, _) => self.escape = Escape::None,
                (Escape::Csi, 0x40..=0x7e) => self.escape = Escape::None,
                (Escape::Csi, _) => {}
                (Escape::None, b'\t') => self.push(b' '),
                (Escape::None, 0..0x20 | 0x7f) => {}
                (Escape::None, byte) => self.push(byte),
            }
        }
    }

    /// Ends the stream: calls `line` for a last line without a line feed.
    pub fn finish(&mut self, mut line: impl FnMut(&str)) {
        if !self.line.is_empty() {
            line(&String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
        self.escape = Escape::None;
    }

    fn push(&mut self, byte: u8) {
        if self.line.len() < LINE_MAX {
            self.line.push(byte);
        }
    }
}
