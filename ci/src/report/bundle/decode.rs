// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A trace as lines for people: what the SMMUs were told, what they refused, and what they let pass.

use std::fmt::Write as _;

use serde_json::Value;
use vfio_server::trace::Line;
use vfio_server::trace::line::{Injection, NoMemory, Register, Request, What};

use crate::report::mail::COLUMNS;

/// Lines at the begin and at the end of a trace that are shown.
const HEAD: usize = 24;
const TAIL: usize = 24;

/// Registers of which every write is shown: those that let accesses through or keep them out, and the status bits
/// that Linux polls.
const WRITES: &[&str] = &["sCR0", "CBn_SCTLR", "CBn_RESUME", "CBn_FSR", "sGFSR", "sTLBGSYNC"];

/// The lines; empty if nothing of the trace is worth one.
pub(super) fn decode(trace: &[Line]) -> String {
    // Equal neighbours but for the time are told once.
    let mut told: Vec<(u64, String, String, usize)> = Vec::new();
    for line in trace {
        let Some(text) = describe(&line.what) else {
            continue;
        };
        let smmu = line.smmu.clone().unwrap_or_default();
        match told.last_mut() {
            Some((_, last_smmu, last, times)) if *last_smmu == smmu && *last == text => *times += 1,
            _ => told.push((line.ns, smmu, text, 1)),
        }
    }
    let mut out = String::new();
    let left_out = HEAD..told.len().saturating_sub(TAIL);
    for (number, (ns, smmu, text, times)) in told.iter().enumerate() {
        if left_out.contains(&number) {
            if number == left_out.start {
                let _ = writeln!(out, "  ({} lines left out)", left_out.len());
            }
            continue;
        }
        let seconds = format!("{}.{:06}", ns / 1_000_000_000, ns / 1000 % 1_000_000);
        let mut line = format!("  {seconds:>11} {smmu}: {text}");
        if line.chars().count() > COLUMNS {
            line = line.chars().take(COLUMNS - 3).chain("...".chars()).collect();
        }
        let _ = writeln!(out, "{line}");
        if *times > 1 {
            let _ = writeln!(out, "  {:>11} {} more", "...", times - 1);
        }
    }
    out
}

fn describe(what: &What) -> Option<String> {
    match what {
        What::Write(register) if WRITES.contains(&&*register.register) => Some(write(register)),
        What::Translation(translation) if translation.bypass => Some(format!(
            "bypass of a {} by stream {:#x} at {:#x}",
            translation.request.access,
            translation.request.stream.unwrap_or_default(),
            translation.request.address
        )),
        What::Fault(fault) => {
            let bank = fault
                .bank
                .map(|bank| format!(" in bank {bank}"))
                .unwrap_or_default();
            Some(format!(
                "fault{bank}: {}, {}",
                fault.cause,
                request(&fault.request)
            ))
        }
        What::NoMemory(NoMemory { request: asked, to }) => {
            Some(format!("no memory at {to:#x} for {}", request(asked)))
        }
        What::Injection(injection) => Some(injected(injection)),
        What::Reset => Some("reset".to_owned()),
        What::Lost { records } => Some(format!("{records} events are missing")),
        _ => None,
    }
}

fn write(register: &Register) -> String {
    let index = if register.index == 0 {
        String::new()
    } else {
        format!(" {}", register.index)
    };
    let mut text = format!("write {}{index} {:#x}", register.register, register.value);
    for (name, [from, to]) in &register.changed {
        let _ = write!(text, ", {name} {} to {}", plain(from), plain(to));
    }
    text
}

fn plain(value: &Value) -> String {
    match value {
        Value::Bool(set) => u8::from(*set).to_string(),
        other => other.to_string(),
    }
}

fn request(request: &Request) -> String {
    let stream = request
        .stream
        .map(|stream| format!(" by stream {stream:#x}"))
        .unwrap_or_default();
    format!("{}{stream} at {:#x}", request.access, request.address)
}

fn injected(injection: &Injection) -> String {
    let site = injection.site.map(|site| site.name().to_owned());
    let kind = injection.kind.map(|kind| kind.row().name.to_owned());
    let what = site.or(kind).unwrap_or_default();
    let line = injection
        .line
        .as_ref()
        .map(|line| format!(" of {line}"))
        .unwrap_or_default();
    format!("injected: {} {what}{line}", injection.what)
}
