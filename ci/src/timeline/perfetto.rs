// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A timeline in Perfetto's own format: messages of `protos/perfetto/trace`, as far as a timeline needs them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use prost::Message;
use serde_json::Value;

use super::event::TraceEvent;

/// All packets are of one writer.
const SEQUENCE: u32 = 1;

#[derive(Clone, PartialEq, Message)]
struct Trace {
    #[prost(message, repeated, tag = "1")]
    packet: Vec<TracePacket>,
}

#[derive(Clone, PartialEq, Message)]
struct TracePacket {
    /// In nanoseconds.
    #[prost(uint64, optional, tag = "8")]
    timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "10")]
    trusted_packet_sequence_id: Option<u32>,
    #[prost(message, optional, tag = "11")]
    track_event: Option<TrackEvent>,
    #[prost(message, optional, tag = "60")]
    track_descriptor: Option<TrackDescriptor>,
}

#[derive(Clone, PartialEq, Message)]
struct TrackDescriptor {
    #[prost(uint64, optional, tag = "1")]
    uuid: Option<u64>,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
    #[prost(uint64, optional, tag = "5")]
    parent_uuid: Option<u64>,
    #[prost(message, optional, tag = "8")]
    counter: Option<CounterDescriptor>,
}

#[derive(Clone, PartialEq, Message)]
struct CounterDescriptor {}

#[derive(Clone, PartialEq, Message)]
struct TrackEvent {
    #[prost(message, repeated, tag = "4")]
    debug_annotations: Vec<DebugAnnotation>,
    #[prost(enumeration = "Kind", optional, tag = "9")]
    r#type: Option<i32>,
    #[prost(uint64, optional, tag = "11")]
    track_uuid: Option<u64>,
    #[prost(string, repeated, tag = "22")]
    categories: Vec<String>,
    #[prost(string, optional, tag = "23")]
    name: Option<String>,
    #[prost(int64, optional, tag = "30")]
    counter_value: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum Kind {
    Unspecified = 0,
    SliceBegin = 1,
    SliceEnd = 2,
    Instant = 3,
    Counter = 4,
}

#[derive(Clone, PartialEq, Message)]
struct DebugAnnotation {
    #[prost(bool, optional, tag = "2")]
    bool_value: Option<bool>,
    #[prost(int64, optional, tag = "4")]
    int_value: Option<i64>,
    #[prost(string, optional, tag = "6")]
    string_value: Option<String>,
    #[prost(string, optional, tag = "10")]
    name: Option<String>,
}

/// Track of events: a process, one of its tracks, or a counter of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Track {
    Process(u64),
    Thread(u64, u64),
    Counter(u64, String),
}

impl Track {
    fn of(event: &TraceEvent) -> Self {
        match event.ph {
            'C' => Self::Counter(event.pid, event.name.clone()),
            _ => Self::Thread(event.pid, event.tid),
        }
    }

    fn process(&self) -> u64 {
        let (Self::Process(pid) | Self::Thread(pid, _) | Self::Counter(pid, _)) = self;
        *pid
    }
}

/// The tracks, with their numbers and names.
#[derive(Default)]
struct Tracks(BTreeMap<Track, (u64, Option<String>)>);

impl Tracks {
    fn entry(&mut self, track: Track) -> &mut (u64, Option<String>) {
        let next = self.0.len() as u64 + 1;
        self.0.entry(track).or_insert((next, None))
    }

    fn uuid(&mut self, track: Track) -> u64 {
        self.entry(Track::Process(track.process()));
        self.entry(track).0
    }

    /// Takes a name from a metadata event.
    fn name(&mut self, event: &TraceEvent) {
        let track = match event.name.as_str() {
            "process_name" => Track::Process(event.pid),
            "thread_name" => Track::Thread(event.pid, event.tid),
            _ => return,
        };
        let name = event.args.get("name").and_then(Value::as_str);
        self.uuid(track.clone());
        self.entry(track).1 = name.map(str::to_owned);
    }

    fn descriptors(&self) -> impl Iterator<Item = TracePacket> + '_ {
        self.0.iter().map(|(track, (uuid, name))| {
            let parent = self
                .0
                .get(&Track::Process(track.process()))
                .map(|(uuid, _)| *uuid);
            let named = match track {
                Track::Counter(_, name) => Some(name.clone()),
                Track::Process(_) | Track::Thread(..) => name.clone(),
            };
            packet(
                None,
                None,
                Some(TrackDescriptor {
                    uuid: Some(*uuid),
                    name: named,
                    parent_uuid: parent.filter(|parent| parent != uuid),
                    counter: matches!(track, Track::Counter(..)).then_some(CounterDescriptor {}),
                }),
            )
        })
    }
}

fn packet(
    timestamp: Option<u64>,
    track_event: Option<TrackEvent>,
    track_descriptor: Option<TrackDescriptor>,
) -> TracePacket {
    TracePacket {
        timestamp,
        trusted_packet_sequence_id: Some(SEQUENCE),
        track_event,
        track_descriptor,
    }
}

/// Nanoseconds of a time in microseconds; none before the start of the server.
fn ns(us: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "times are not negative, and fit"
    )]
    let ns = (us * 1000.0).round().max(0.0) as u64;
    ns
}

fn annotation(name: &str, value: &Value) -> DebugAnnotation {
    let mut annotation = DebugAnnotation {
        name: Some(name.to_owned()),
        ..DebugAnnotation::default()
    };
    match value {
        Value::Bool(value) => annotation.bool_value = Some(*value),
        Value::Number(number) if number.is_i64() => annotation.int_value = number.as_i64(),
        Value::String(text) => annotation.string_value = Some(text.clone()),
        other => annotation.string_value = Some(other.to_string()),
    }
    annotation
}

/// Encodes the events of a timeline.
pub(super) fn encode(events: &[TraceEvent]) -> Vec<u8> {
    let mut tracks = Tracks::default();
    let mut packets = Vec::new();
    // Later events of the list are outer ones: a call is in it when it ends.
    for (index, event) in (0_i64..).zip(events) {
        let Some(ts) = event.ts else {
            tracks.name(event);
            continue;
        };
        let kind = match event.ph {
            'X' => Kind::SliceBegin,
            'C' => Kind::Counter,
            _ => Kind::Instant,
        };
        let track = Some(tracks.uuid(Track::of(event)));
        let annotations = event.args.iter().map(|(name, value)| annotation(name, value));
        let counter = event.args.values().find_map(Value::as_i64);
        let is_counter = kind == Kind::Counter;
        let begin = TrackEvent {
            debug_annotations: if is_counter {
                Vec::new()
            } else {
                annotations.collect()
            },
            r#type: Some(kind.into()),
            track_uuid: track,
            categories: Some(event.cat.clone())
                .filter(|cat| !cat.is_empty())
                .into_iter()
                .collect(),
            name: Some(event.name.clone()).filter(|_| !is_counter),
            counter_value: counter.filter(|_| is_counter),
        };
        let at = ns(ts);
        // A slice without length could not end before the next one begins.
        let length = ns(event.dur.unwrap_or(0.0)).max(1);
        packets.push((
            (at, true, Reverse(length), -index),
            packet(Some(at), Some(begin), None),
        ));
        if kind == Kind::SliceBegin {
            let at = at + length;
            let end = TrackEvent {
                r#type: Some(Kind::SliceEnd.into()),
                track_uuid: track,
                ..TrackEvent::default()
            };
            packets.push((
                (at, false, Reverse(length), -index),
                packet(Some(at), Some(end), None),
            ));
        }
    }
    // At one time, slices end before others begin, and the longer of two begins first.
    packets.sort_by_key(|(order, _)| *order);
    let events = packets.into_iter().map(|(_, packet)| packet);
    let packet = tracks.descriptors().chain(events).collect();
    Trace { packet }.encode_to_vec()
}

/// Slices of an encoded timeline, with the number of those that they stand within.
#[cfg(test)]
pub(super) fn slices(bytes: &[u8]) -> Vec<(String, usize)> {
    let trace = Trace::decode(bytes).expect("a trace of this module's");
    let mut open: BTreeMap<Option<u64>, Vec<String>> = BTreeMap::new();
    let mut slices = Vec::new();
    for event in trace.packet.into_iter().filter_map(|packet| packet.track_event) {
        let stack = open.entry(event.track_uuid).or_default();
        match Kind::try_from(event.r#type.unwrap_or(0)) {
            Ok(Kind::SliceBegin) => {
                let name = event.name.unwrap_or_default();
                slices.push((name.clone(), stack.len()));
                stack.push(name);
            }
            Ok(Kind::SliceEnd) => assert!(stack.pop().is_some(), "an end without a begin"),
            _ => {}
        }
    }
    assert!(open.values().all(Vec::is_empty), "{open:?}");
    slices
}
