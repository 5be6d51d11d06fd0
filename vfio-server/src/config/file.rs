// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The configuration file: which SMMUs there are, what is late or goes wrong in them, and which marks a run has.
//!
//! ```toml
//! seed = 1
//! files = ["/run/user/1000/files"] # optional: the files of DMA devices have to be these, or below them
//! trace_ring = 65536               # optional: record events from the start, keep so many
//!
//! [[smmu]]
//! name = "a"
//! socket = "/run/user/1000/a.sock"
//! trace = "a.ndjson"               # optional
//! [smmu.model]                     # smmu_emu::Config
//! preset = "mmu-500-ats"
//! [[smmu.delay]]                   # smmu_emu::DelayRule
//! site = "ats"
//! polls = 8
//! [[smmu.injection]]               # smmu_emu::InjectionRule; `fault` is its old name
//! kind = "unmapped"
//! address = 0x1000
//!
//! [[smmu.master]]                  # DmaDeviceConfig
//! name = "dma"
//! kind = "test-master"
//! stream_id = 1
//!
//! [[mark]]                         # smmu_emu::MarkRule
//! name = "b-registering"
//! register = "SMRn"
//! access = "write"
//! ```

use std::path::{Path, PathBuf};

use host_guard::confine::Places;
use serde::{Deserialize, Serialize};
use smmu_emu::{DelayRule, InjectionRule, MarkRule, Plan};
use thiserror::Error;

use super::clock::ClockConfig;
use super::dma_devices::{self, DmaDeviceConfig, DmaDeviceError};
use super::interrupts::Interrupts;
use super::names::{NAME_RULE, is_word};
use super::reply_timeout::{MESSAGE_TIMEOUT_MS, ReplyTimeout};
use crate::trace::ring;

#[cfg(test)]
mod tests;

/// Largest configuration file that is read.
const MAX_FILE: u64 = 16 << 20;

/// The most SMMUs in one process.
pub const MAX_SMMUS: usize = 32;

/// Configuration of the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Seed of all chance of the run.
    #[serde(default)]
    pub seed: u64,
    /// Records what happens from the start on, and keeps so many events ([`ring::RECORDS`]). If it is left out, only
    /// what a trace file or the control socket asks for is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_ring: Option<usize>,
    /// Time for which clients wait for a reply, in milliseconds: `x-msg-timeout` of QEMU's vfio-user-pci, 5000 unless
    /// it is given there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_timeout_ms: Option<u64>,
    /// Files and directories that the files of DMA devices are or lie below, as absolute paths. If it is left out, they
    /// may be anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<PathBuf>>,
    /// The SMMUs, one socket each.
    pub smmu: Vec<SmmuConfig>,
    /// The marks, in the order of their words in BAR2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mark: Vec<MarkRule>,
}

/// One SMMU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmmuConfig {
    /// Unique name; in the trace, in marks, in messages.
    pub name: String,
    /// Socket that QEMU connects to; relative paths are relative to the server's working directory.
    pub socket: PathBuf,
    /// File of the trace, Chrome's trace events if its name ends in `.json`, else NDJSON; SMMUs may share one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<PathBuf>,
    /// The SMMU itself.
    #[serde(default)]
    pub model: smmu_emu::Config,
    /// Rules that delay operations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delay: Vec<DelayRule>,
    /// Rules that inject errors.
    #[serde(default, alias = "fault", skip_serializing_if = "Vec::is_empty")]
    pub injection: Vec<InjectionRule>,
    /// The DMA devices behind it, in the order of their register blocks and vectors.
    #[serde(default, rename = "master", skip_serializing_if = "Vec::is_empty")]
    pub dma_devices: Vec<DmaDeviceConfig>,
    /// The clock controller that gates its registers, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockConfig>,
    /// Form of its interrupts.
    #[serde(default)]
    pub interrupts: Interrupts,
}

impl SmmuConfig {
    /// The plan of this SMMU, with a seed.
    #[must_use]
    pub fn plan(&self, seed: u64) -> Plan {
        Plan {
            seed,
            delays: self.delay.clone(),
            injections: self.injection.clone(),
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Not TOML, or not of this form; `error` shows line and column.
    #[error("{}: {error}", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Mistake and its place.
        error: Box<toml::de::Error>,
    },
    /// There is nothing to serve, or too much.
    #[error("{0} SMMUs: give 1 to {MAX_SMMUS} `[[smmu]]`")]
    Count(usize),
    /// The ring has bounds.
    #[error("`trace_ring` is {0}: it has to be {min} to {max}", min = ring::RECORDS.start(), max = ring::RECORDS.end())]
    Ring(usize),
    /// A name has to be one word in a trace.
    #[error("smmu {0:?}: {NAME_RULE}")]
    Name(String),
    /// Two SMMUs with one name.
    #[error("smmu {0:?}: `name` is used twice")]
    NameTwice(String),
    /// Two SMMUs with one socket.
    #[error("smmu {0:?}: `socket` is used twice")]
    SocketTwice(String),
    /// The model or its plan makes no sense.
    #[error("smmu {name:?}: {error}")]
    Model {
        /// Name of the SMMU.
        name: String,
        /// Field and allowed range.
        error: smmu_emu::NewError,
    },
    /// No reply may wait for so long.
    #[error("smmu {name:?}: {problem}")]
    Stall {
        /// Name of the SMMU.
        name: String,
        /// The rule, and what to do.
        problem: String,
    },
    /// A time limit that is too short or too long.
    #[error("`message_timeout_ms`: must be 100 to 600000")]
    Timeout,
    /// A DMA device makes no sense.
    #[error("smmu {smmu:?}: {error}")]
    DmaDevice {
        /// Name of the SMMU.
        smmu: String,
        /// DMA device, field and what is allowed.
        error: DmaDeviceError,
    },
    /// A mark makes no sense.
    #[error(transparent)]
    Mark(#[from] smmu_emu::MarkError),
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`] names file, line and key. The rest is checked when a server starts.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = host_guard::file::read_text(path, MAX_FILE).map_err(|error| ConfigError::Read {
            path: path.to_owned(),
            error,
        })?;
        toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            error: Box::new(error),
        })
    }

    /// The seed of the plan of the SMMU with this number: that of the run, but another for each.
    #[must_use]
    pub const fn seed_of(&self, number: u64) -> u64 {
        self.seed.wrapping_add(number)
    }

    /// Time for which clients wait for a reply.
    #[must_use]
    pub fn reply_timeout(&self) -> ReplyTimeout {
        ReplyTimeout::of_ms(self.message_timeout_ms.unwrap_or(MESSAGE_TIMEOUT_MS))
    }

    /// The files that DMA devices may use.
    #[must_use]
    pub fn places(&self) -> Places {
        self.files.clone().map_or_else(Places::anywhere, Places::new)
    }

    /// Checks what one SMMU cannot see: number, names, sockets, and that the marks its delays wait for exist.
    ///
    /// # Errors
    /// [`ConfigError`] names the SMMU.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.smmu.is_empty() || self.smmu.len() > MAX_SMMUS {
            return Err(ConfigError::Count(self.smmu.len()));
        }
        if let Some(records) = self.trace_ring.filter(|records| !ring::RECORDS.contains(records)) {
            return Err(ConfigError::Ring(records));
        }
        if self
            .message_timeout_ms
            .is_some_and(|ms| !(100..=600_000).contains(&ms))
        {
            return Err(ConfigError::Timeout);
        }
        for (i, smmu) in self.smmu.iter().enumerate() {
            if !is_word(&smmu.name) {
                return Err(ConfigError::Name(smmu.name.clone()));
            }
            let mut others = self.smmu.iter().take(i);
            if others.clone().any(|other| other.name == smmu.name) {
                return Err(ConfigError::NameTwice(smmu.name.clone()));
            }
            if others.any(|other| other.socket == smmu.socket) {
                return Err(ConfigError::SocketTwice(smmu.name.clone()));
            }
            let marks = self.mark.iter().map(|mark| mark.name.as_str());
            let plan = smmu.plan(self.seed);
            plan.validate_marks(marks).map_err(|error| ConfigError::Model {
                name: smmu.name.clone(),
                error: error.into(),
            })?;
            self.reply_timeout()
                .check(&plan)
                .map_err(|problem| ConfigError::Stall {
                    name: smmu.name.clone(),
                    problem,
                })?;
        }
        let dma_devices = self.smmu.iter().flat_map(|smmu| &smmu.dma_devices);
        dma_devices::check_together(&dma_devices.collect::<Vec<_>>()).map_err(|error| {
            let of = |smmu: &&SmmuConfig| {
                smmu.dma_devices
                    .iter()
                    .any(|dma_device| dma_device.name == error.name)
            };
            let smmu = self.smmu.iter().rev().find(of).map(|smmu| smmu.name.clone());
            ConfigError::DmaDevice {
                smmu: smmu.unwrap_or_default(),
                error,
            }
        })
    }
}
