// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A line of a trace in NDJSON: what is written, and read back by replay tests. `docs/trace.md` describes every field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use smmu_emu::plan::InjectionKind;
use smmu_emu::{AccessKind, Site};
use thiserror::Error;

/// Version of the format, in the first line. A reader that does not know it cannot read the trace.
pub const VERSION: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Nanoseconds since the start of the server.
    pub ns: u64,
    /// Name of the SMMU; not of lines about the trace itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smmu: Option<String>,
    /// The event.
    #[serde(flatten)]
    pub what: What,
}

/// Event of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum What {
    /// The trace begins.
    Begin {
        /// [`VERSION`].
        version: u32,
        /// The SMMUs of the server.
        smmus: Vec<String>,
    },
    /// Software read a register.
    Read(Register),
    /// Software wrote a register.
    Write(Register),
    /// An access of a client, or an address translation operation, was answered.
    Translation(Translation),
    /// A TBU has translated accesses on its own since it last asked the SMMU.
    UnitHits {
        /// Stream of the access that made it ask.
        stream: u16,
        /// Reads.
        reads: u64,
        /// Writes.
        writes: u64,
    },
    /// An access left the SMMU and met no memory.
    NoMemory(NoMemory),
    /// A fault was recorded.
    Fault(Fault),
    /// An interrupt line changed, or asked for another edge.
    Interrupt {
        /// `global`, `context` or `pmu`.
        line: String,
        /// Context bank or counter group.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<u8>,
        /// Its level.
        level: bool,
    },
    /// A rule of the plan hit an operation.
    Injection(Injection),
    /// The SMMU was reset.
    Reset,
    /// Events are missing here.
    Lost {
        /// Number of them, of all SMMUs.
        records: u64,
    },
}

/// A rule of the plan hit an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Injection {
    /// `delay` or `fault`.
    pub what: String,
    /// Number of the rule.
    pub rule: u64,
    /// Number of the operation among those of the rule.
    pub operation: u64,
    /// Delayed operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
    /// Kind of the injection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<InjectionKind>,
    /// The context bank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank: Option<u8>,
    /// The stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<u16>,
    /// The bus address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<u64>,
    /// Address of the descriptor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<u64>,
    /// The register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<String>,
    /// The `n` of its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u16>,
    /// The interrupt line: `global`, `context` and a bank, `pmu` and a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
}

/// A register access.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// `gr0`, `gr1`, `global<page>`, `cb<bank>` or `outside`.
    pub frame: String,
    /// Name without `SMMU_`, such as `CBn_FSR`; `RESERVED` where no register is.
    pub register: String,
    /// The `n` of the name.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub index: u16,
    /// Bytes accessed.
    pub width: u8,
    /// Value read or written, before any masking.
    #[serde(with = "hex")]
    pub value: u64,
    /// From the start of the register space.
    #[serde(with = "hex")]
    pub offset: u64,
    /// The register before a write that changed it, and after it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "hex::option")]
    pub before: Option<u64>,
    /// See `before`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "hex::option")]
    pub after: Option<u64>,
    /// All fields, when the trace sees the register for the first time.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Value>,
    /// Later: those that differ, from what to what.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub changed: BTreeMap<String, [Value; 2]>,
}

/// An access of a client or an address translation operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Stream ID; an operation has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<u16>,
    /// Bus address; of an operation what software wrote.
    #[serde(with = "hex")]
    pub address: u64,
    /// `read`, `write` or `fetch`.
    pub access: String,
    /// Whether it is privileged.
    pub privileged: bool,
}

/// A request that was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Translation {
    /// The request.
    #[serde(flatten)]
    pub request: Request,
    /// The context bank, if it came to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank: Option<u8>,
    /// Tables were walked.
    pub walked: bool,
    /// `translated`, or what is seen instead: `abort`, `ignore`, `stall`, `reported` (in PAR).
    pub result: String,
    /// The SMMU let it pass without a context bank: its stream, or the whole SMMU, is in bypass.
    #[serde(default, skip_serializing_if = "is_false")]
    pub bypass: bool,
    /// Address that it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "hex::option")]
    pub to: Option<u64>,
    /// Reason why it was not translated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Level of the walk at which it faulted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u32>,
}

/// An access that met no memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoMemory {
    /// The access.
    #[serde(flatten)]
    pub request: Request,
    /// Physical address.
    #[serde(with = "hex")]
    pub to: u64,
}

/// A fault that was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The request that took it.
    #[serde(flatten)]
    pub request: Request,
    /// The bank that records it; none for a global fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank: Option<u8>,
    /// The fault.
    pub cause: String,
    /// Level of the walk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u32>,
    /// Intermediate address of a fault of stage 2 behind a stage 1.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "hex::option")]
    pub ipa: Option<u64>,
    /// One was recorded before: only MULTI shows.
    pub multiple: bool,
    /// The transaction waits for software.
    pub stalled: bool,
}

/// A text that is no line of a trace.
#[derive(Debug, Error)]
#[error("line {line} of the trace: {error}")]
pub struct ParseError {
    /// Line number from 1.
    pub line: usize,
    /// Mistake, and its place in the line.
    pub error: serde_json::Error,
}

impl Line {
    /// The register access that the line tells of.
    #[must_use]
    pub fn access(&self) -> Option<(AccessKind, &Register)> {
        match &self.what {
            What::Read(register) => Some((AccessKind::Read, register)),
            What::Write(register) => Some((AccessKind::Write, register)),
            _ => None,
        }
    }
}

/// Reads a whole trace; empty lines are left out.
///
/// # Errors
/// [`ParseError`] of the first line that is none.
pub fn parse(text: &str) -> Result<Vec<Line>, ParseError> {
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| serde_json::from_str(line).map_err(|error| ParseError { line: i + 1, error }))
        .collect()
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(number: &u16) -> bool {
    *number == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_false(truth: &bool) -> bool {
    !*truth
}

/// Numbers of 64 bits as text such as `"0x1f"`: a JSON number has 53 bits in many readers.
mod hex {
    use serde::de::{Error, Unexpected};
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
    )]
    pub(super) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{value:#x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x");
        digits
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &"a number such as \"0x1f\""))
    }

    pub(super) mod option {
        use serde::{Deserializer, Serializer};

        #[expect(clippy::ref_option, reason = "serde calls it with a reference")]
        pub(in super::super) fn serialize<S: Serializer>(
            value: &Option<u64>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match value {
                Some(value) => super::serialize(value, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<u64>, D::Error> {
            super::deserialize(deserializer).map(Some)
        }
    }
}

#[cfg(test)]
mod tests;
