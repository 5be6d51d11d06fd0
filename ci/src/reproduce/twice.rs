// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Comparison of two boots of one seed, down to the first line of the console or event of the trace that differs.

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use host_guard::text::printable;
use vfio_server::trace::{Line, What};

use crate::boot::outcome::Console;
use crate::boot::run::is_of_server;

/// Longest line that is read, in bytes: a guest may print one without an end.
const LINE_MAX: u64 = 1 << 16;
/// Characters of a line that are shown.
const SHOWN: usize = 300;

/// A boot as files.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The console up to the line that decided the boot; absent if no line did.
    pub decided: Option<Console>,
    /// Copy of the console, which has lines of the server too.
    pub console: PathBuf,
    /// Trace of the SMMUs, NDJSON.
    pub trace: PathBuf,
}

/// First difference of two boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Thing that differs: `line 7 of the console`.
    place: String,
    /// Text in the two boots; `None` after the end.
    texts: [Option<String>; 2],
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} differs", self.place)?;
        for text in &self.texts {
            let text = text.as_deref().unwrap_or("(nothing)");
            let shown: String = text.chars().take(SHOWN).collect();
            write!(f, "\n  | {}", printable(&shown))?;
        }
        Ok(())
    }
}

/// The first difference of two boots, if there is one: of their consoles up to the lines that decided them, else of
/// their traces as far as both go.
///
/// # Errors
/// A file cannot be read.
pub fn compare(first: &Recorded, second: &Recorded) -> io::Result<Option<Difference>> {
    if first.decided.is_none() || first.decided != second.decided {
        let [a, b] = [first, second].map(console);
        let difference = first_difference("line {} of the console", a?, b?, true)?;
        if difference.is_some() {
            return Ok(difference);
        }
    }
    let [a, b] = [first, second].map(|boot| events(&boot.trace));
    first_difference("event {} of the trace", a?, b?, false)
}

/// Lines of the guest's, up to the one that decided the boot.
fn console(boot: &Recorded) -> io::Result<impl Iterator<Item = io::Result<String>>> {
    let of_guest = |line: &io::Result<String>| !line.as_ref().is_ok_and(|line| is_of_server(line));
    let most = boot.decided.as_ref().map_or(u64::MAX, |console| console.lines);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    Ok(lines(&boot.console)?.filter(of_guest).take(most))
}

/// Events without what is the host's: their times, and the order in which QEMU's end resets the SMMUs.
fn events(trace: &Path) -> io::Result<impl Iterator<Item = io::Result<String>>> {
    let without_time = |line: io::Result<String>| {
        let line = line?;
        match serde_json::from_str::<Line>(&line) {
            Ok(mut event) => {
                event.ns = 0;
                if event.what == What::Reset {
                    // At its end QEMU leaves the SMMUs in an order of the host's.
                    event.smmu = None;
                }
                serde_json::to_string(&event).map_err(io::Error::from)
            }
            // Cut: compared as it stands.
            Err(_) => Ok(line),
        }
    };
    Ok(lines(trace)?.map(without_time))
}

fn lines(path: &Path) -> io::Result<impl Iterator<Item = io::Result<String>>> {
    let mut file = BufReader::new(File::open(path)?);
    Ok(std::iter::from_fn(move || {
        let mut line = Vec::new();
        match file.by_ref().take(LINE_MAX).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(Ok(String::from_utf8_lossy(&line).into_owned())),
            Err(error) => Some(Err(error)),
        }
    }))
}

/// The first two lines that differ; with `whole` an end before that of the other is a difference, too.
fn first_difference(
    place: &str,
    mut first: impl Iterator<Item = io::Result<String>>,
    mut second: impl Iterator<Item = io::Result<String>>,
    whole: bool,
) -> io::Result<Option<Difference>> {
    for number in 1_u64.. {
        let texts = [first.next().transpose()?, second.next().transpose()?];
        match &texts {
            [None, None] => break,
            [None, _] | [_, None] if !whole => break,
            [a, b] if a == b => {}
            _ => {
                let place = place.replace("{}", &number.to_string());
                return Ok(Some(Difference { place, texts }));
            }
        }
    }
    Ok(None)
}
