// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Timeline of a boot: the probes of the guest's kernel, who holds `iommu_probe_device_lock`, and the accesses of the
//! SMMUs, on the clock of the server's trace.
//!
//! The kernel traces its own functions (`ci/assets/timeline.sh`); the server writes its trace as Chrome's trace events.
//! The guest reads the server's clock now and then, which lays the one beside the other.

mod clock;
pub mod event;
pub mod ftrace;
mod perfetto;
mod slices;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;
use serde_json::json;

use clock::Clocks;
use event::{Document, TraceEvent};
use ftrace::GuestTrace;

/// Bytes of the guest's trace and of the server's that are read.
const GUEST_MAX: u64 = 64 << 20;
const SERVER_MAX: u64 = 512 << 20;

/// Format of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Chrome's trace events, as JSON.
    Chrome,
    /// Perfetto's own, protobuf.
    Perfetto,
}

/// Place and format of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineFile {
    /// The file.
    pub path: PathBuf,
    /// Its format, which its name says.
    pub format: Format,
}

impl FromStr for TimelineFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        let extension = path.extension().and_then(|extension| extension.to_str());
        let format = match extension {
            Some("json") => Format::Chrome,
            Some("pftrace") => Format::Perfetto,
            _ => {
                return Err(
                    "the name has to end in .json (Chrome's trace events) or .pftrace (Perfetto)".to_owned(),
                );
            }
        };
        Ok(Self { path, format })
    }
}

/// Properties of a timeline that a reader of it should know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Made {
    /// Events of the guest.
    pub guest_events: usize,
    /// The two clocks differ by at most so many nanoseconds from what the timeline shows.
    #[serde(rename = "clocks_within_ns")]
    pub within_ns: Option<u64>,
    /// Parts that are missing, with the reasons.
    pub missing: Vec<String>,
}

/// Makes a timeline of the trace that the server wrote to a file, and the one that the guest sent to another.
///
/// # Errors
/// A trace of the server that cannot be read, or a timeline that cannot be written.
pub fn make(file: &TimelineFile, server: &Path, guest: &Path) -> io::Result<Made> {
    let mut made = Made::default();
    let mut document = read_server(server)?;
    let text = limited(guest, GUEST_MAX).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(Vec::new()),
        _ => Err(error),
    })?;
    let trace = GuestTrace::parse(&String::from_utf8_lossy(&text));
    made.guest_events = trace.events.len();
    if trace.overwritten > 0 {
        made.missing.push(format!(
            "the guest's trace overflowed: its first {} events are missing",
            trace.overwritten
        ));
    }
    match Clocks::of(&trace.events) {
        Ok(clocks) => {
            made.within_ns = Some(clocks.within_ns());
            let process = document.events.iter().map(|event| event.pid).max().unwrap_or(0) + 1;
            let events = slices::events(&trace.events, &clocks, process);
            document.events.extend(events);
        }
        Err(reason) => made.missing.push(reason.to_owned()),
    }
    document.other = json!(made);
    write(file, &document)?;
    Ok(made)
}

/// Events of a guest's trace alone, as those of process 1; none if its clock cannot be compared.
#[doc(hidden)]
pub fn guest_events(text: &str) -> Vec<TraceEvent> {
    let trace = GuestTrace::parse(text);
    Clocks::of(&trace.events).map_or_else(|_| Vec::new(), |clocks| slices::events(&trace.events, &clocks, 1))
}

fn limited(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read_server(path: &Path) -> io::Result<Document> {
    let bytes = limited(path, SERVER_MAX)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the server's trace is not whole: {error}"),
        )
    })
}

/// Writes under a temporary name, so that there is a whole file or none.
fn write(file: &TimelineFile, document: &Document) -> io::Result<()> {
    let mut name = file.path.clone().into_os_string();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut out = BufWriter::new(File::create(&new)?);
    match file.format {
        Format::Chrome => serde_json::to_writer(&mut out, document)?,
        Format::Perfetto => out.write_all(&perfetto::encode(&document.events))?,
    }
    out.into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()?;
    fs::rename(&new, &file.path)
}

/// Names of a process and its tracks, for both formats.
fn named(kind: &str, pid: u64, tid: u64, name: &str) -> TraceEvent {
    TraceEvent {
        args: event::args([("name", json!(name))]),
        ..TraceEvent::new(kind, 'M', pid, tid)
    }
}
