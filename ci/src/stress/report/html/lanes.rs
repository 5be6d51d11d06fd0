// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Timeline of a boot as lanes: who holds the lock, what each task of the guest probes, when each SMMU is accessed.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::timeline::event::{Document, TraceEvent};

/// Width of the picture, and the part of it that is time.
const WIDTH: f64 = 640.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 630.0;
/// Height of a lane, of a slice in it, and of the axis.
const LANE: f64 = 30.0;
const DEEPEST: usize = 3;
const AXIS: f64 = 24.0;
/// Lanes, boxes and calls in words at most.
const LANES_MAX: usize = 12;
const BOXES_MAX: usize = 2000;
const WORDS_MAX: usize = 40;
/// Characters of a lane's name that fit before it.
const NAME_MAX: usize = 22;
/// Calls that are told in words: those that make the order of a late probe.
const TOLD: [&str; 6] = [
    "really_probe",
    "__iommu_probe_device",
    "iommu_device_register",
    "arm_smmu_device_probe",
    "arm_smmu_attach_dev",
    "waits for",
];

/// The picture.
#[derive(Debug)]
pub struct Lanes {
    /// Width in units of the picture.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// Lanes from above.
    pub lanes: Vec<Lane>,
    /// Positions of the axis' labels.
    pub ticks: Vec<(f64, String)>,
    /// Calls in their order, in words.
    pub words: Vec<String>,
}

/// A lane.
#[derive(Debug)]
pub struct Lane {
    /// Its name, shortened.
    pub name: String,
    /// Vertical position of the name.
    pub y: f64,
    /// Number of its colour.
    pub colour: usize,
    /// Slices and accesses.
    pub boxes: Vec<Box>,
}

/// A slice, or a moment.
#[derive(Debug)]
pub struct Box {
    /// Horizontal position.
    pub x: f64,
    /// Vertical position.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// Text, for people who point at it.
    pub label: String,
}

/// Kind of a lane, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Lock,
    Task,
    Smmu,
}

/// Time that is shown, in microseconds.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: f64,
    to: f64,
}

impl Span {
    /// Calls of the guest from the first step on; an end that was not seen counts for nothing.
    fn of(events: &[TraceEvent]) -> Option<Self> {
        let begin = events
            .iter()
            .find(|event| event.cat == "step" && event.name == "begin");
        let begin = begin.and_then(|event| event.ts).unwrap_or(0.0);
        let calls = events
            .iter()
            .filter(|event| event.cat == "probe" && !is_unfinished(event));
        let times = calls.filter_map(|event| Some((event.ts?, event.ts? + event.dur?)));
        let span = times
            .filter(|(from, _)| *from >= begin)
            .fold(None, |span: Option<Self>, (from, to)| {
                let span = span.unwrap_or(Self { from, to });
                Some(Self {
                    from: span.from.min(from),
                    to: span.to.max(to),
                })
            });
        span.filter(|span| span.to > span.from)
    }

    fn x(&self, at: f64) -> f64 {
        LEFT + (at - self.from) / (self.to - self.from) * (RIGHT - LEFT)
    }

    fn has(&self, event: &TraceEvent) -> bool {
        event
            .ts
            .is_some_and(|ts| ts <= self.to && ts + event.dur.unwrap_or(0.0) >= self.from)
    }
}

fn is_unfinished(event: &TraceEvent) -> bool {
    event.args.contains_key("unfinished")
}

impl Lanes {
    /// Lanes of a timeline; none if it has nothing of the guest.
    pub fn of(document: &Document) -> Option<Self> {
        let events = &document.events;
        let span = Span::of(events)?;
        let names = names(events);
        let mut lanes: BTreeMap<(Kind, u64, u64), Vec<&TraceEvent>> = BTreeMap::new();
        for event in events.iter().filter(|event| span.has(event)) {
            let name = names.get(&(event.pid, event.tid)).copied().unwrap_or_default();
            let (kind, track) = match event.cat.as_str() {
                "lock" if name == "iommu_probe_device_lock" => (Kind::Lock, event.tid),
                "lock" | "probe" => (Kind::Task, event.tid),
                "register" => (Kind::Smmu, 0),
                _ => continue,
            };
            lanes.entry((kind, event.pid, track)).or_default().push(event);
        }
        let mut left = BOXES_MAX;
        let lanes: Vec<Lane> = (lanes.into_iter().take(LANES_MAX).enumerate())
            .map(|(number, ((kind, pid, track), events))| {
                let name = match kind {
                    Kind::Lock => "probe lock",
                    Kind::Task | Kind::Smmu => names.get(&(pid, track)).copied().unwrap_or("?"),
                };
                lane(kind, name, number, &events, span, &mut left)
            })
            .collect();
        let height = AXIS + lanes.iter().map(|_| LANE).sum::<f64>();
        let ticks = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| {
            let at = (span.to - span.from) * share;
            (span.x(span.from + at), format!("{:.1} ms", at / 1000.0))
        });
        Some(Self {
            width: WIDTH,
            height,
            lanes,
            ticks: ticks.into(),
            words: words(events, &names, span),
        })
    }
}

/// Names of the tracks; that of a process stands for its track 0.
fn names(events: &[TraceEvent]) -> BTreeMap<(u64, u64), &str> {
    let named = events.iter().filter_map(|event| {
        let track = match event.name.as_str() {
            "process_name" => 0,
            "thread_name" => event.tid,
            _ => return None,
        };
        let name = event.args.get("name").and_then(Value::as_str)?;
        Some(((event.pid, track), name))
    });
    named.collect()
}

fn lane(kind: Kind, name: &str, number: usize, events: &[&TraceEvent], span: Span, left: &mut usize) -> Lane {
    let top = f64::from(u32::try_from(number).unwrap_or(0)) * LANE + 4.0;
    let mut drawn = BTreeSet::new();
    let mut boxes = Vec::new();
    let mut order: Vec<&&TraceEvent> = events.iter().collect();
    // Of calls that begin at one time, the longer one is around the other.
    order.sort_by(|one, other| {
        let by_length = || other.dur.unwrap_or(0.0).total_cmp(&one.dur.unwrap_or(0.0));
        by_time(one, other).then_with(by_length)
    });
    let mut ends: Vec<f64> = Vec::new();
    for event in order {
        let from = event.ts.unwrap_or(0.0);
        let to = from + event.dur.unwrap_or(0.0);
        ends.retain(|end| *end > from);
        let depth = ends.len().min(DEEPEST);
        ends.push(to);
        let x = span.x(from.max(span.from));
        let width = (span.x(to.min(span.to)) - x).max(0.7);
        // Of what falls on one dot, the first is drawn.
        let dot = |x: f64| format!("{x:.0}");
        if *left == 0 || !drawn.insert((depth, dot(x), dot(x + width))) {
            continue;
        }
        *left -= 1;
        let inset = f64::from(u32::try_from(depth).unwrap_or(0)) * 6.0;
        boxes.push(Box {
            x,
            y: top + inset,
            width,
            height: if kind == Kind::Smmu { LANE - 12.0 } else { 5.0 },
            label: text(event, span),
        });
    }
    Lane {
        name: name.chars().take(NAME_MAX).collect(),
        y: top + 12.0,
        colour: match kind {
            Kind::Lock => 1,
            Kind::Task => 0,
            Kind::Smmu => 3,
        },
        boxes,
    }
}

fn by_time(one: &TraceEvent, other: &TraceEvent) -> Ordering {
    one.ts.unwrap_or(0.0).total_cmp(&other.ts.unwrap_or(0.0))
}

/// An event in words, with its time from the begin of the picture.
fn text(event: &TraceEvent, span: Span) -> String {
    let at = (event.ts.unwrap_or(0.0) - span.from) / 1000.0;
    let mut text = format!("{at:.3} ms: {}", event.name);
    match event.dur {
        Some(_) if is_unfinished(event) => text.push_str(", not over"),
        Some(dur) => text.push_str(&format!(", {:.3} ms", dur / 1000.0)),
        None => {}
    }
    for (name, before) in [
        ("driver", "driver"),
        ("returned", "returned"),
        ("holder", "held by"),
    ] {
        if let Some(value) = event.args.get(name) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text.push_str(&format!(", {before} {value}"));
        }
    }
    text
}

fn words(events: &[TraceEvent], names: &BTreeMap<(u64, u64), &str>, span: Span) -> Vec<String> {
    let mut told: Vec<&TraceEvent> = (events.iter())
        .filter(|event| matches!(event.cat.as_str(), "probe" | "lock") && span.has(event))
        .filter(|event| TOLD.iter().any(|name| event.name.starts_with(name)))
        .collect();
    told.sort_by(|one, other| by_time(one, other));
    told.truncate(WORDS_MAX);
    told.into_iter()
        .map(|event| {
            let task = names.get(&(event.pid, event.tid)).copied().unwrap_or("?");
            format!("{task}: {}", text(event, span))
        })
        .collect()
}
