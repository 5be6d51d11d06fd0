// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Findings of a boot: kernel trouble and events of the guest's life, by kind, device and title.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::recipe::{FindingKind, FindingRef};

/// Place at which the kernel noticed the late probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// In the walk over the bus when the IOMMU registered (`probe_iommu_group`).
    Walk,
    /// Replayed when a driver bound to the device (`of_iommu_configure` under `really_probe`).
    Replay,
    /// The trace does not say, or is missing.
    Unknown,
}

/// One line of a call trace as printed, `__iommu_probe_device+0x1f8/0x560 (P)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Frame(String);

impl Frame {
    /// The line as printed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One occurrence of the warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateProbe {
    /// The device, `a000000.virtio_mmio`.
    pub device: String,
    /// The driver that is bound to it (empty if the line does not say).
    pub driver: String,
    /// The kernel's time stamp, seconds as printed.
    pub time: Option<String>,
    /// CPU that noticed.
    pub cpu: Option<u32>,
    /// Task that noticed.
    pub pid: Option<u32>,
    /// Name of that task.
    pub comm: Option<String>,
    /// Source file and line as printed.
    pub source: Option<String>,
    /// Place at which it was noticed.
    pub kind: Kind,
    /// The call trace, innermost first.
    pub trace: Vec<Frame>,
    /// The report as it stood on the console.
    pub raw: Vec<String>,
}

impl Frame {
    /// ` sym+0x1c/0x40 [module] (P)`; anything else is a line of someone else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (place, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (symbol, offset) = place.split_once("+0x")?;
        let (offset, size) = offset.split_once("/0x")?;
        let hex = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let known = rest.is_empty() || rest.starts_with('[') || rest.starts_with('(');
        let named = symbol
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$' | b':'));
        (hex(offset) && hex(size) && known && named && !symbol.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The function, without offset and without the suffixes that compilers add (`.isra.0`, `.constprop.0`).
    pub fn function(&self) -> &str {
        let name = self.0.split('+').next().unwrap_or(&self.0);
        name.split_once('.').map_or(name, |(name, _)| name)
    }
}

impl LateProbe {
    /// Source line, CPU and task that noticed it, as far as they are known.
    pub fn noticed_by(&self) -> Option<String> {
        let parts = [
            self.source.clone(),
            self.cpu.map(|cpu| format!("CPU {cpu}")),
            self.comm.clone(),
            self.pid.map(|pid| format!("PID {pid}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

impl Kind {
    /// Place at which it was noticed, for people.
    pub fn place(self) -> &'static str {
        match self {
            Self::Walk => "In the walk over the bus when the IOMMU registered",
            Self::Replay => "Replayed when the driver was bound",
            Self::Unknown => "Seen, and the call trace does not say where",
        }
    }

    /// Name in recipes and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Walk => "walk",
            Self::Replay => "replay",
            Self::Unknown => "unknown",
        }
    }

    /// The innermost frame that tells: a replay at bind inside a walk (`arm_smmu_device_probe` is itself called by
    /// `really_probe`) is told apart by the order.
    pub(super) fn of(frames: &[Frame]) -> Self {
        frames
            .iter()
            .find_map(|frame| match frame.function() {
                "probe_iommu_group" | "bus_iommu_probe" | "iommu_device_register" => Some(Self::Walk),
                "of_iommu_configure"
                | "acpi_iommu_configure_id"
                | "acpi_dma_configure_id"
                | "really_probe" => Some(Self::Replay),
                _ => None,
            })
            .unwrap_or(Self::Unknown)
    }
}

/// Something found on the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its kind.
    pub kind: FindingKind,
    /// The device that the kernel named, `30000000.iommu`.
    pub device: Option<String>,
    /// Name of the trouble within its kind; the same on each boot and kernel.
    pub title: String,
    /// Occurrences.
    pub count: u32,
    /// Decoded fields of the first occurrence.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, u64>,
    /// The kernel's time stamp of the first occurrence, seconds as printed.
    pub time: Option<String>,
    /// The line of the first occurrence, without its prefixes.
    pub text: String,
    /// The call trace of the first occurrence, innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<Frame>,
}

impl Finding {
    /// The finding as expectations see it.
    pub fn as_ref(&self) -> FindingRef<'_> {
        FindingRef {
            kind: self.kind,
            title: &self.title,
            device: self.device.as_deref(),
            fields: &self.fields,
        }
    }

    /// One occurrence, without fields.
    pub fn new(kind: FindingKind, device: Option<String>, title: String, text: String) -> Self {
        Self {
            kind,
            device,
            title,
            count: 1,
            fields: BTreeMap::new(),
            time: None,
            text,
            trace: Vec::new(),
        }
    }
}

/// Title under which a kind's findings are counted that have one title too many.
pub const MORE: &str = "(other titles)";
/// Distinct findings of one kind that are kept.
const TITLES_MAX: usize = 32;

type Key = (FindingKind, Option<String>, String);

/// Findings by kind, device and title, bounded whatever a guest prints.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    all: BTreeMap<Key, Finding>,
    kinds: BTreeMap<FindingKind, usize>,
}

impl Findings {
    /// Counts one; of those with its kind, device and title the first is kept.
    pub fn add(&mut self, mut finding: Finding) {
        let mut key = (finding.kind, finding.device.clone(), finding.title.clone());
        let kept = self.kinds.entry(finding.kind).or_default();
        if !self.all.contains_key(&key) {
            if *kept == TITLES_MAX {
                key = (finding.kind, None, MORE.to_owned());
                (finding.device, finding.title) = (None, MORE.to_owned());
            } else {
                *kept += 1;
            }
        }
        match self.all.get_mut(&key) {
            Some(known) => known.count = known.count.saturating_add(finding.count),
            None => {
                self.all.insert(key, finding);
            }
        }
    }

    /// All of them, by kind.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.all.values()
    }
}
