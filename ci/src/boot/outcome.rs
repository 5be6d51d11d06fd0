// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Outcome of one boot, and its report.

use serde::Serialize;

use super::findings::{Finding, LateProbe};

/// Outcome of one boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "reason")]
pub enum Outcome {
    /// All expectations of the recipe are met.
    AsExpected,
    /// An expectation of the recipe is not met; which.
    NotAsExpected(String),
    /// The experiment did not take place, or not to its end.
    Inconclusive(String),
    /// The guest did not get as far as its first step, and another boot will not either.
    NotBooted(String),
}

/// Result that a step has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GuestResult {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Warning or error of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerMessage {
    /// Time on the guest's clock, seconds as its kernel prints them; absent before its first line.
    pub time: Option<String>,
    /// The message, from its level on.
    pub text: String,
}

/// State of one expectation after a boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Met {
    /// Whether it is met; absent if the boot does not tell.
    pub met: Option<bool>,
    /// Occurrences.
    pub count: u32,
    /// The first lines that fit, of one that looks for lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

/// Console of a deterministic boot, from its first byte to the line that decided the boot, or to the guest's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Console {
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// Its lines.
    pub lines: u64,
}

/// Report of one boot.
#[derive(Debug, Clone, Serialize)]
pub struct BootReport {
    /// Its outcome.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Occurrences of the late-probe warning.
    pub warnings: u32,
    /// The late-probe warnings, with their traces.
    pub hits: Vec<LateProbe>,
    /// Everything found on the console.
    pub findings: Vec<Finding>,
    /// The recipe's expectations, in its order.
    pub expectations: Vec<Met>,
    /// From the start of the server to the end of everything, in milliseconds.
    pub total_ms: u64,
    /// From the start of QEMU to the guest's first step, in milliseconds.
    pub boot_ms: Option<u64>,
    /// Results of the steps, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<GuestResult>,
    /// Warnings and errors of the server, the first 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub server_messages: Vec<ServerMessage>,
    /// The last lines of the console.
    #[serde(skip)]
    pub tail: Vec<String>,
    /// Standard error of the server and of QEMU, its last lines.
    #[serde(skip)]
    pub stderr_tail: Vec<String>,
    /// Console of a deterministic boot that was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console: Option<Console>,
    /// Reason why the trace of this boot is incomplete, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

impl BootReport {
    /// Whether there was kernel trouble of any kind.
    pub fn has_trouble(&self) -> bool {
        self.findings.iter().any(|finding| finding.kind.is_trouble())
    }
}
