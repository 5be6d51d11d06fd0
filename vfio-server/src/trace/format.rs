// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The text of a trace, piece by piece: NDJSON, or Chrome's trace events.

use std::io::Write as _;
use std::path::Path;
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use super::chrome::{self, Chrome};
use super::describe::Describer;
use super::line::{Line, VERSION, What};
use super::ring::Record;

/// Format of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object in a line ([`Line`]).
    Ndjson,
    /// Chrome's trace events, for Perfetto.
    Chrome,
}

/// A text that names no format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a format is ndjson or chrome")]
pub struct NoFormat;

impl FromStr for Format {
    type Err = NoFormat;

    fn from_str(text: &str) -> Result<Self, NoFormat> {
        match text {
            "ndjson" => Ok(Self::Ndjson),
            "chrome" => Ok(Self::Chrome),
            _ => Err(NoFormat),
        }
    }
}

impl Format {
    /// Format of a file of this name: Chrome's trace events if it ends in `.json`.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        match path.extension() {
            Some(extension) if extension == "json" => Self::Chrome,
            _ => Self::Ndjson,
        }
    }
}

/// Writes the text of one trace.
#[derive(Debug)]
pub struct Formatter {
    describer: Describer,
    chrome: Option<Chrome>,
    /// An event stands before the next one.
    comma: bool,
    last: u64,
}

impl Formatter {
    /// Begins a trace of SMMUs of these names at `ns`.
    #[must_use]
    pub fn new(format: Format, names: Vec<String>, ns: u64, out: &mut Vec<u8>) -> Self {
        let mut formatter = Self {
            chrome: (format == Format::Chrome).then(Chrome::default),
            comma: false,
            last: ns,
            describer: Describer::new(names),
        };
        let smmus = formatter.describer.names().to_vec();
        if formatter.chrome.is_some() {
            out.extend_from_slice(chrome::BEGIN.as_bytes());
            formatter.events(&Chrome::begin(&smmus), out);
        } else {
            let version = VERSION;
            let what = What::Begin { version, smmus };
            line(&Line { ns, smmu: None, what }, out);
        }
        formatter
    }

    /// Adds a record.
    pub fn record(&mut self, record: &Record, out: &mut Vec<u8>) {
        self.last = record.ns;
        let Some(described) = self.describer.line(record) else {
            return;
        };
        match &mut self.chrome {
            Some(chrome) => {
                let events = chrome.event(record, &described);
                self.events(&events, out);
            }
            None => line(&described, out),
        }
    }

    /// Says that records are missing here.
    pub fn lost(&mut self, records: u64, out: &mut Vec<u8>) {
        self.describer.forget();
        match &mut self.chrome {
            Some(chrome) => {
                let events = chrome.lost(records);
                self.events(&events, out);
            }
            None => line(
                &Line {
                    ns: self.last,
                    smmu: None,
                    what: What::Lost { records },
                },
                out,
            ),
        }
    }

    /// Ends the trace; nothing may follow.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if let Some(chrome) = &mut self.chrome {
            let events = chrome.end();
            self.events(&events, out);
            out.extend_from_slice(chrome::END.as_bytes());
        }
    }

    fn events(&mut self, events: &[Value], out: &mut Vec<u8>) {
        for event in events {
            if std::mem::replace(&mut self.comma, true) {
                out.extend_from_slice(b",\n");
            }
            json(event, out);
        }
    }
}

fn line(described: &Line, out: &mut Vec<u8>) {
    json(described, out);
    out.push(b'\n');
}

fn json(value: &impl Serialize, out: &mut Vec<u8>) {
    // Neither a vector nor these types can fail.
    if serde_json::to_writer(&mut *out, value).is_err() {
        let _ = out.write_all(b"null");
    }
}
