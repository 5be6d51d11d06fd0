// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Text of the kernel's `trace` file (Documentation/trace/ftrace.rst), as far as timelines need it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

/// Line of an event: task, CPU, flags, time, event, text.
static EVENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let task = r"^\s*(?P<comm>.+)-(?P<pid>\d+)\s+\[(?P<cpu>\d+)\]\s+\S+";
    let event = r"\s+(?P<s>\d+)\.(?P<us>\d{6}): (?P<name>\w+): ?(?P<text>.*)$";
    Regex::new(&format!("{task}{event}")).ok()
});
/// A `name=value` of an event; texts are quoted.
static FIELD: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"(\w+)=("[^"]*"|\S+)"#).ok());

/// Events of a guest that are read: what follows is left out.
const EVENTS_MAX: usize = 1 << 20;

/// An event of the guest's kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestEvent {
    /// Nanoseconds of the guest's clock.
    pub ns: u64,
    /// Name of the task.
    pub comm: String,
    /// Its number.
    pub pid: u64,
    /// CPU on which it ran.
    pub cpu: u64,
    /// Name of the event.
    pub name: String,
    /// Values of a probe.
    pub fields: BTreeMap<String, String>,
    /// Text of a marker.
    pub text: String,
}

/// A trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestTrace {
    /// Its events, by time.
    pub events: Vec<GuestEvent>,
    /// Events before the first that the ring has lost.
    pub overwritten: u64,
}

impl GuestTrace {
    /// Reads a trace. Lines that are no event are left out.
    pub fn parse(text: &str) -> Self {
        let mut trace = Self::default();
        for line in text.lines() {
            if let Some(lost) = overwritten(line) {
                trace.overwritten = lost;
            }
            if trace.events.len() < EVENTS_MAX {
                trace.events.extend(event(line));
            }
        }
        trace.events.sort_by_key(|event| event.ns);
        trace
    }
}

/// Lost events, of the line `# entries-in-buffer/entries-written: 140/250   #P:4`.
fn overwritten(line: &str) -> Option<u64> {
    let (_, counts) = line.split_once("entries-in-buffer/entries-written:")?;
    let (kept, written) = counts.split_whitespace().next()?.split_once('/')?;
    written.parse::<u64>().ok()?.checked_sub(kept.parse().ok()?)
}

fn event(line: &str) -> Option<GuestEvent> {
    let parts = EVENT.as_ref()?.captures(line)?;
    let number = |name: &str| parts.name(name)?.as_str().parse::<u64>().ok();
    let text = parts.name("text").map_or("", |text| text.as_str());
    let fields = FIELD.as_ref()?.captures_iter(text);
    Some(GuestEvent {
        ns: number("s")?
            .checked_mul(1_000_000_000)?
            .checked_add(number("us")? * 1000)?,
        comm: parts.name("comm")?.as_str().trim().to_owned(),
        pid: number("pid")?,
        cpu: number("cpu")?,
        name: parts.name("name")?.as_str().to_owned(),
        fields: fields
            .filter_map(|field| {
                let value = field.get(2)?.as_str().trim_matches('"');
                Some((field.get(1)?.as_str().to_owned(), value.to_owned()))
            })
            .collect(),
        text: text.to_owned(),
    })
}
