// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Chrome's trace events, as far as the server and the timeline write them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Names and values of an event.
pub type Args = Map<String, Value>;

/// The object form of a trace.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Document {
    /// Unit in which a viewer shows times.
    #[serde(rename = "displayTimeUnit")]
    pub unit: String,
    /// The events, in any order.
    #[serde(rename = "traceEvents")]
    pub events: Vec<TraceEvent>,
    /// Properties of the whole.
    #[serde(rename = "otherData", default)]
    pub other: Value,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceEvent {
    /// Text in the viewer, or the kind of a metadata event.
    pub name: String,
    /// `X` a slice, `i` an instant, `C` a counter, `M` metadata.
    pub ph: char,
    /// Process: an SMMU, or the guest.
    pub pid: u64,
    /// Track of the process.
    #[serde(default)]
    pub tid: u64,
    /// Time in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts: Option<f64>,
    /// Length of a slice in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dur: Option<f64>,
    /// Category.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cat: String,
    /// Scope of an instant.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<char>,
    /// Other names and values.
    #[serde(default)]
    pub args: Args,
}

impl TraceEvent {
    /// An event without time.
    pub fn new(name: &str, ph: char, pid: u64, tid: u64) -> Self {
        Self {
            name: name.to_owned(),
            ph,
            pid,
            tid,
            ts: None,
            dur: None,
            cat: String::new(),
            scope: None,
            args: Args::new(),
        }
    }
}

/// Arguments of an event.
pub fn args<const N: usize>(entries: [(&str, Value); N]) -> Args {
    entries
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
