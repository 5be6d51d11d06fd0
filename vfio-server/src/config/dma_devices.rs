// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The configuration of DMA devices.
//!
//! ```toml
//! [[smmu.master]]
//! name = "disk"            # unique over all SMMUs
//! kind = "virtio-blk"
//! stream_id = 5
//! image = "root.img"       # raw
//! read_only = true         # optional
//! queues = 4               # optional
//!
//! [[smmu.master]]
//! name = "log"
//! kind = "virtio-console"
//! stream_id = 6
//! output = "guest.log"     # what the guest writes is appended
//! input = "keys"           # optional
//!
//! [[smmu.master]]
//! name = "dma"
//! kind = "pl330"           # or virtio-rng, or test-master
//! stream_id = 0x10
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use smmu_emu::Geometry;
use thiserror::Error;

use super::names::{NAME_RULE, is_word};

#[cfg(test)]
mod tests;

/// The most DMA devices of one SMMU.
pub const MAX_MASTERS: usize = 32;
/// The most queues of a disk.
pub const MAX_QUEUES: u16 = 8;

/// One DMA device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DmaDeviceConfig {
    /// Unique name; in messages, and in the board of a guest.
    pub name: String,
    /// Its stream ID, as the SMMU sees it.
    pub stream_id: u16,
    /// Kind of the device.
    #[serde(flatten)]
    pub kind: Kind,
}

/// Kind of a DMA device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Kind {
    /// A disk behind virtio-mmio.
    VirtioBlk(Disk),
    /// A source of random numbers behind virtio-mmio.
    VirtioRng {},
    /// A console behind virtio-mmio.
    VirtioConsole(Console),
    /// Arm's DMA controller PL330.
    Pl330 {},
    /// A register block that makes the accesses that it is told to.
    TestMaster {},
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// The image, raw; relative to the server's working directory.
    pub image: PathBuf,
    /// Whether the guest can only read it.
    #[serde(default)]
    pub read_only: bool,
    /// Number of queues, 1 to 8; each has a thread.
    #[serde(default = "one")]
    pub queues: u16,
}

/// A console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Console {
    /// File to which what the guest writes is appended.
    pub output: PathBuf,
    /// Regular file that the guest reads, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<PathBuf>,
}

/// A DMA device cannot be made.
#[derive(Debug, Error)]
#[error("DMA device {name:?}: {problem}")]
pub struct DmaDeviceError {
    /// Its name.
    pub name: String,
    /// Mistake and remedy.
    pub problem: String,
}

fn one() -> u16 {
    1
}

impl Kind {
    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::VirtioBlk(_) => "virtio-blk",
            Self::VirtioRng {} => "virtio-rng",
            Self::VirtioConsole(_) => "virtio-console",
            Self::Pl330 {} => "pl330",
            Self::TestMaster {} => "test-master",
        }
    }

    fn check(&self) -> Result<(), String> {
        let path = |field: &str, path: &Path| {
            if path.as_os_str().is_empty() {
                Err(format!("`{field}` is empty"))
            } else {
                Ok(())
            }
        };
        match self {
            Self::VirtioBlk(disk) => {
                if !(1..=MAX_QUEUES).contains(&disk.queues) {
                    return Err(format!("`queues`: {} is not 1 to {MAX_QUEUES}", disk.queues));
                }
                path("image", &disk.image)
            }
            Self::VirtioConsole(console) => {
                path("output", &console.output)?;
                path("input", console.input.as_deref().unwrap_or(Path::new("-")))
            }
            Self::VirtioRng {} | Self::Pl330 {} | Self::TestMaster {} => Ok(()),
        }
    }

    /// The file that it writes, if it does.
    fn writes(&self) -> Option<&Path> {
        match self {
            Self::VirtioBlk(disk) => (!disk.read_only).then_some(&disk.image),
            Self::VirtioConsole(console) => Some(&console.output),
            Self::VirtioRng {} | Self::Pl330 {} | Self::TestMaster {} => None,
        }
    }

    /// The files that it uses.
    fn files(&self) -> impl Iterator<Item = &Path> {
        let (first, second) = match self {
            Self::VirtioBlk(disk) => (Some(&disk.image), None),
            Self::VirtioConsole(console) => (Some(&console.output), console.input.as_ref()),
            Self::VirtioRng {} | Self::Pl330 {} | Self::TestMaster {} => (None, None),
        };
        first.into_iter().chain(second).map(PathBuf::as_path)
    }
}

/// Checks the DMA devices of one SMMU: number, stream IDs, what their kinds ask for.
///
/// # Errors
/// [`DmaDeviceError`] names the DMA device and the field.
pub fn check(dma_devices: &[DmaDeviceConfig], geometry: &Geometry) -> Result<(), DmaDeviceError> {
    // All that the field of an extended SMR compares, else as many as a stream ID has.
    let bits = if geometry.extended_stream_ids {
        16
    } else {
        geometry.stream_id_bits
    };
    for (i, dma_device) in dma_devices.iter().enumerate() {
        let problem = if i >= MAX_MASTERS {
            Err(format!(
                "is one too many: at most {MAX_MASTERS} DMA devices behind an SMMU"
            ))
        } else if u32::from(dma_device.stream_id) >> bits != 0 {
            Err(format!(
                "`stream_id`: {:#x} has more than the {bits} bits of this SMMU (see `stream_id_bits`)",
                dma_device.stream_id
            ))
        } else {
            dma_device.kind.check()
        };
        problem.map_err(|problem| DmaDeviceError {
            name: dma_device.name.clone(),
            problem,
        })?;
    }
    Ok(())
}

/// Checks the DMA devices of all SMMUs against each other: names, and files that one writes.
///
/// # Errors
/// [`DmaDeviceError`] names the DMA device and the field.
pub fn check_together(dma_devices: &[&DmaDeviceConfig]) -> Result<(), DmaDeviceError> {
    for (i, dma_device) in dma_devices.iter().enumerate() {
        let mut others = dma_devices.iter().take(i);
        let shared = |other: &&DmaDeviceConfig| {
            let (a, b) = (&other.kind, &dma_device.kind);
            let is_in = |file: &Path, kind: &Kind| kind.files().any(|used| used == file);
            let mut written = a.writes().into_iter().filter(|file| is_in(file, b));
            let mut writes = b.writes().into_iter().filter(|file| is_in(file, a));
            written.next().or(writes.next()).map(Path::to_owned)
        };
        let problem = if !is_word(&dma_device.name) {
            Some(NAME_RULE.to_owned())
        } else if others.clone().any(|other| other.name == dma_device.name) {
            Some("`name` is used twice".to_owned())
        } else {
            others.find_map(|other| {
                shared(other)
                    .map(|file| format!("{} is used by DMA device {:?} too", file.display(), other.name))
            })
        };
        if let Some(problem) = problem {
            return Err(DmaDeviceError {
                name: dma_device.name.clone(),
                problem,
            });
        }
    }
    Ok(())
}
