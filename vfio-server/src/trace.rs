// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The access trace: one text line per register access, written by the server and read back by replay tests.
//!
//! ```text
//! <ns> <smmu> R|W <frame> <register>[<index>] <width> <value> <offset>
//! 183502 a W gr0 sCR0 4 0x1 0x0
//! 191077 a R cb3 CBn_FSR[3] 4 0x0 0x43058
//! ```
//!
//! `ns` counts from the start of the server. `smmu` is the name from the configuration. `frame` is `gr0`, `gr1`,
//! `global<page>`, `cb<bank>` or `outside`. `[<index>]` is left out when it is 0. `width` is in bytes; `value` (what was
//! read, or what was written before masking) and `offset` (from the start of the register space) are hexadecimal.
//! Lines that begin with `#` are comments.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use smmu_emu::{Access, AccessKind, Frame};
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Text is written in portions of about this size, whole lines each.
const PORTION: usize = 32 << 10;

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Nanoseconds since the start of the server.
    pub ns: u64,
    /// Name of the SMMU.
    pub smmu: String,
    /// Read or write.
    pub kind: AccessKind,
    /// The frame of the register.
    pub frame: Frame,
    /// Name of the register without `SMMU_`, such as `CBn_FSR`.
    pub register: String,
    /// The `n` of the register; 0 for registers without one.
    pub index: u16,
    /// Bytes accessed.
    pub width: u8,
    /// The value read, or the value written before any masking.
    pub value: u64,
    /// Byte offset from the start of the register space.
    pub offset: u64,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fields::from(self).fmt(f)
    }
}

/// A [`Line`] that owns no text: one is written for every register access.
struct Fields<'a> {
    ns: u64,
    smmu: &'a str,
    kind: AccessKind,
    frame: Frame,
    register: &'a str,
    index: u16,
    width: u8,
    value: u64,
    offset: u64,
}

impl<'a> From<&'a Line> for Fields<'a> {
    fn from(line: &'a Line) -> Self {
        Self {
            ns: line.ns,
            smmu: &line.smmu,
            kind: line.kind,
            frame: line.frame,
            register: &line.register,
            index: line.index,
            width: line.width,
            value: line.value,
            offset: line.offset,
        }
    }
}

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ns,
            smmu,
            kind,
            frame,
            register,
            index,
            width,
            value,
            offset,
        } = self;
        let kind = match kind {
            AccessKind::Read => 'R',
            AccessKind::Write => 'W',
        };
        write!(f, "{ns} {smmu} {kind} ")?;
        match frame {
            Frame::Gr0 => f.write_str("gr0")?,
            Frame::Gr1 => f.write_str("gr1")?,
            Frame::Global(page) => write!(f, "global{page}")?,
            Frame::Context(bank) => write!(f, "cb{bank}")?,
            Frame::Outside => f.write_str("outside")?,
        }
        write!(f, " {register}")?;
        if *index != 0 {
            write!(f, "[{index}]")?;
        }
        write!(f, " {width} {value:#x} {offset:#x}")
    }
}

/// A text that is no trace line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: `{field}` is missing or malformed: {text}")]
pub struct ParseError {
    /// Line number from 1.
    pub line: usize,
    /// The field that is wrong.
    pub field: &'static str,
    /// The text of the line.
    pub text: String,
}

impl FromStr for Line {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut fields = text.split_ascii_whitespace();
        let mut next = |field| fields.next().ok_or_else(|| error(field, text));
        let ns = number(next("ns")?).ok_or_else(|| error("ns", text))?;
        let smmu = next("smmu")?.to_owned();
        let kind = match next("R|W")? {
            "R" => AccessKind::Read,
            "W" => AccessKind::Write,
            _ => return Err(error("R|W", text)),
        };
        let frame = frame(next("frame")?).ok_or_else(|| error("frame", text))?;
        let register = next("register")?;
        let (register, index) = match register.split_once('[') {
            None => (register, Some(0)),
            Some((name, index)) => (name, index.strip_suffix(']').and_then(|index| index.parse().ok())),
        };
        let index = index.ok_or_else(|| error("register", text))?;
        let width = next("width")?.parse().map_err(|_| error("width", text))?;
        let value = number(next("value")?).ok_or_else(|| error("value", text))?;
        let offset = number(next("offset")?).ok_or_else(|| error("offset", text))?;
        if fields.next().is_some() {
            return Err(error("end of line", text));
        }
        Ok(Self {
            ns,
            smmu,
            kind,
            frame,
            register: register.to_owned(),
            index,
            width,
            value,
            offset,
        })
    }
}

fn error(field: &'static str, text: &str) -> ParseError {
    ParseError {
        line: 1,
        field,
        text: text.to_owned(),
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn frame(text: &str) -> Option<Frame> {
    match text {
        "gr0" => Some(Frame::Gr0),
        "gr1" => Some(Frame::Gr1),
        "outside" => Some(Frame::Outside),
        _ => match text.strip_prefix("global") {
            Some(page) => page.parse().ok().map(Frame::Global),
            None => text.strip_prefix("cb")?.parse().ok().map(Frame::Context),
        },
    }
}

/// Reads a whole trace.
///
/// # Errors
/// [`ParseError`] of the first line that is none.
pub fn parse(text: &str) -> Result<Vec<Line>, ParseError> {
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(i, line)| line.parse().map_err(|error| ParseError { line: i + 1, ..error }))
        .collect()
}

/// A trace file; several SMMUs may share it.
///
/// The file always ends with a whole line: text is kept back and written in portions that end with one.
#[derive(Debug)]
pub struct Trace {
    sink: Mutex<Sink>,
}

#[derive(Debug)]
struct Sink {
    file: File,
    text: String,
    /// Writing failed once: the run goes on without a trace.
    failed: bool,
}

impl Trace {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    /// Those of creating a file.
    pub fn create(path: &Path) -> io::Result<Self> {
        File::create(path).map(Self::to)
    }

    /// Creates the file; one that is there, even as a symbolic link, is an error.
    ///
    /// # Errors
    /// Those of creating a file.
    pub fn create_new(path: &Path) -> io::Result<Self> {
        File::create_new(path).map(Self::to)
    }

    fn to(file: File) -> Self {
        let sink = Sink {
            file,
            text: String::new(),
            failed: false,
        };
        Self {
            sink: Mutex::new(sink),
        }
    }

    /// Appends the line of an access of the SMMU `smmu` at `ns`.
    pub fn record(&self, ns: u64, smmu: &str, access: &Access) {
        let Access {
            name: register,
            frame,
            index,
            kind,
            width,
            value,
            offset,
        } = *access;
        let line = Fields {
            ns,
            smmu,
            kind,
            frame,
            register,
            index,
            width,
            value,
            offset,
        };
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string cannot fail.
        let _ = writeln!(sink.text, "{line}");
        if sink.text.len() >= PORTION {
            sink.flush();
        }
    }

    /// Writes all lines out. An error is logged, once.
    pub fn flush(&self) {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner).flush();
    }
}

impl Sink {
    fn flush(&mut self) {
        if !self.text.is_empty()
            && !self.failed
            && let Err(error) = self.file.write_all(self.text.as_bytes())
        {
            tracing::error!(%error, "cannot write the access trace; it ends here");
            self.failed = true;
        }
        self.text.clear();
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.flush();
    }
}
