// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The machine that a recipe describes: what the device tree shows to the kernel beyond QEMU's own devices.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::machine::gic::Gic;

mod compatible;
mod iommu;
#[cfg(test)]
pub(crate) mod tests;
mod validate;

pub use compatible::Compatible;
pub use iommu::{IommuRef, StreamIdRange};

/// Most SMMUs of a board: one PCI slot with 16 MiB of the 32-bit window each.
pub const MAX_SMMUS: usize = 14;
/// QEMU's `virt` machine has this many virtio-mmio transports.
pub const VIRTIO_MMIO_SLOTS: u8 = 32;
/// Most stream IDs of one client, over all its SMMUs.
pub const MAX_STREAM_IDS: usize = 4096;
/// Least guest memory: the initramfs starts at half of it, above the kernel.
pub const MIN_MEMORY_MIB: u32 = 256;
/// Most regulators with a start-up delay: each is switched by a GPIO line of its own.
pub const MAX_SWITCHED_REGULATORS: usize = 7;
/// Most guest memory, from 1 GiB on: a guest's DMA may then lie above 4 GiB.
pub const MAX_MEMORY_MIB: u32 = 16 << 10;

/// Error in a board.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("board: {place}: {problem}")]
pub struct BoardError {
    /// The key or the named item, as it is written in a recipe.
    pub place: String,
    /// Description of the problem, and what is allowed.
    pub problem: String,
}

impl BoardError {
    pub(crate) fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
        }
    }
}

/// A machine: QEMU's `virt` with SMMUs, their clients, and what they get clocks and power from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// Number of CPUs: up to 8, or up to 123 with a GICv3.
    #[serde(default = "default_cpus")]
    pub cpus: u8,
    /// Version of the interrupt controller; by the number of CPUs if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gic: Option<Gic>,
    /// Guest memory in MiB.
    #[serde(default = "default_memory_mib")]
    pub memory_mib: u32,
    /// The SMMUs, in PCI slot order.
    #[serde(default, rename = "smmu")]
    pub smmus: Vec<BoardSmmu>,
    /// Regulators and clocks.
    #[serde(default, rename = "supplier")]
    pub suppliers: Vec<Supplier>,
    /// Devices behind the SMMUs.
    #[serde(default, rename = "client")]
    pub clients: Vec<Client>,
}

fn default_cpus() -> u8 {
    4
}

fn default_memory_mib() -> u32 {
    512
}

impl Default for Board {
    fn default() -> Self {
        Self {
            cpus: default_cpus(),
            gic: None,
            memory_mib: default_memory_mib(),
            smmus: Vec::new(),
            suppliers: Vec::new(),
            clients: Vec::new(),
        }
    }
}

impl Board {
    /// The interrupt controller: the one that was chosen, else a GICv2 as long as it serves all CPUs.
    #[must_use]
    pub fn gic(&self) -> Gic {
        self.gic.unwrap_or(if self.cpus <= Gic::V2.max_cpus() {
            Gic::V2
        } else {
            Gic::V3
        })
    }
}

/// One SMMU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardSmmu {
    /// Name by which clients refer to it.
    pub name: String,
    /// `compatible` of the device tree node; it selects the quirks of Linux's arm-smmu.
    #[serde(default)]
    pub compatible: Compatible,
    /// Table walks are coherent with the CPUs' caches (`dma-coherent`); has to agree with the model's IDR0.CTTW.
    #[serde(default = "yes")]
    pub coherent: bool,
    /// Clock supplier without which the SMMU does not probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
    /// Bits of a stream ID that the SMMU does not compare, for all its clients (`stream-match-mask`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_match_mask: Option<u16>,
    /// The SMMU is in a power domain, a register of its clock controller: arm-smmu then suspends at run time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub power_domain: bool,
}

fn yes() -> bool {
    true
}

/// Kind of a supplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SupplierKind {
    /// `regulator-fixed`; a module in many kernels, and able to sleep while it starts up.
    RegulatorFixed,
    /// `gated-fixed-clock`, supplied by a regulator.
    GatedFixedClock,
}

/// A regulator or a clock that something else needs before it can probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supplier {
    /// Name by which SMMUs and other suppliers refer to it.
    pub name: String,
    /// Kind of the supplier.
    pub kind: SupplierKind,
    /// Regulators only: how long Linux sleeps after switching it on, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_delay_us: Option<u32>,
    /// Clocks only: the regulator it hangs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supply: Option<String>,
}

/// Kind of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientKind {
    /// One of QEMU's virtio-mmio transports; driver `virtio-mmio` on the platform bus.
    VirtioMmio,
    /// A watchdog on the AMBA bus; driver `sp805-wdt`.
    Sp805,
    /// A device whose driver (`dwc3-of-simple`) adds its children to the platform bus when it binds.
    Bus,
    /// A platform device that no driver claims: there from boot, or added by the `bus` that is its parent.
    Plain,
    /// A disk; the master of this name in the SMMU's function. Driver `virtio-mmio`, then `virtio_blk` on the virtio
    /// bus.
    VirtioBlk,
    /// A source of random numbers; the master of this name. Driver `virtio-mmio`, then `virtio_rng`.
    VirtioRng,
    /// A console; the master of this name. Driver `virtio-mmio`, then `virtio_console`.
    VirtioConsole,
    /// Arm's DMA controller; the master of this name. Driver `dma-pl330` on the AMBA bus.
    Pl330,
    /// Registers that make the DMA they are told to; the master of this name. No driver claims it, the guest's steps
    /// write to it.
    TestMaster,
}

impl ClientKind {
    /// Name of the kind in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Self::VirtioMmio => "virtio-mmio",
            Self::Sp805 => "sp805",
            Self::Bus => "bus",
            Self::Plain => "plain",
            Self::VirtioBlk => "virtio-blk",
            Self::VirtioRng => "virtio-rng",
            Self::VirtioConsole => "virtio-console",
            Self::Pl330 => "pl330",
            Self::TestMaster => "test-master",
        }
    }

    /// Whether the device is a master of an SMMU's function, and not one of QEMU's or none at all.
    pub fn is_master(self) -> bool {
        match self {
            Self::VirtioMmio | Self::Sp805 | Self::Bus | Self::Plain => false,
            Self::VirtioBlk | Self::VirtioRng | Self::VirtioConsole | Self::Pl330 | Self::TestMaster => true,
        }
    }
}

/// A device behind SMMUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Name by which steps refer to it.
    pub name: String,
    /// Kind of the client.
    pub kind: ClientKind,
    /// `virtio-mmio` only: which transport; by default the next one that no client names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u8>,
    /// The `bus` that adds it (a `bus` itself has none); without one the device is there from boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The SMMUs it sits behind, in the order of the device tree's `iommus`.
    #[serde(default)]
    pub iommus: Vec<IommuRef>,
    /// Clock of this board that platform_probe() sets to its rate (`assigned-clocks`): without it the driver defers
    /// after dma_configure(). Platform devices only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_clock: Option<String>,
    /// A range of I/O addresses that has to be mapped one to one before the device's domain is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_region: Option<ReservedRegion>,
}

/// A `reserved-memory` region with `iommu-addresses`: Linux maps it one to one for the client. Clients that name the
/// same region share one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReservedRegion {
    /// First I/O address, and first physical address; a multiple of 4096, and of [`LARGEST_PAGE`] with `pages`. It lies
    /// above the memory, or in its last quarter, which the kernel then leaves alone (`no-map`).
    pub iova: u64,
    /// Size in bytes; a multiple of 4096.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Or its size in pages of the translation tables that map it, which are up to kernel and SMMU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u32>,
}

/// Smallest page of a kernel and of an SMMU's translation tables, in bytes.
pub const SMALLEST_PAGE: u64 = 4 << 10;
/// Largest page of a kernel and of an SMMU's translation tables, in bytes.
pub const LARGEST_PAGE: u64 = 64 << 10;

impl ReservedRegion {
    /// Size in bytes where translation tables have pages of `page` bytes.
    pub fn bytes(&self, page: u64) -> u64 {
        self.size
            .unwrap_or_else(|| u64::from(self.pages.unwrap_or(0)) * page)
    }
}

impl Board {
    /// Bytes in each page of the tables that map a region, if those of the board's SMMUs have pages of `smmu_pages`
    /// bytes, in board order: of the SMMUs behind which the region's clients are, the largest.
    pub fn page_of(&self, region: ReservedRegion, smmu_pages: &[u64]) -> u64 {
        let clients = self.clients.iter();
        let iommus = clients
            .filter(|client| client.reserved_region == Some(region))
            .flat_map(|client| &client.iommus);
        let smmus = iommus.filter_map(|iommu| self.smmus.iter().position(|smmu| smmu.name == iommu.smmu));
        let pages = smmus.filter_map(|smmu| smmu_pages.get(smmu).copied());
        pages.max().unwrap_or(SMALLEST_PAGE)
    }

    /// Whether clients give masks with their stream IDs at an SMMU, as second cells of their specifiers.
    pub fn has_masks(&self, smmu: &str) -> bool {
        let iommus = self.clients.iter().flat_map(|client| &client.iommus);
        iommus
            .filter(|iommu| iommu.smmu == smmu)
            .any(|iommu| iommu.mask.is_some())
    }

    /// Whether a stream is one of a client's, masks included.
    pub fn has_stream(&self, client: &Client, stream: u16) -> bool {
        client.iommus.iter().any(|iommu| {
            let smmu = self.smmus.iter().find(|smmu| smmu.name == iommu.smmu);
            let smmu_mask = smmu.and_then(|smmu| smmu.stream_match_mask).unwrap_or(0);
            iommu.matches(stream, smmu_mask)
        })
    }

    /// Number of a regulator among those with a start-up delay; `None` for other regulators.
    pub(crate) fn switched_regulator(&self, name: &str) -> Option<usize> {
        let mut switched = self.suppliers.iter().filter(|s| s.startup_delay_us.is_some());
        switched.position(|s| s.name == name)
    }

    /// The virtio-mmio transport of each client, in client order; `None` for other kinds.
    ///
    /// # Errors
    ///
    /// A slot past the last one, one used twice, or more clients than slots.
    pub fn virtio_slots(&self) -> Result<Vec<Option<u8>>, BoardError> {
        let mut used = BTreeSet::new();
        for client in &self.clients {
            let Some(slot) = client.slot else { continue };
            let place = format!("client \"{}\"", client.name);
            if slot >= VIRTIO_MMIO_SLOTS {
                let problem = format!("slot {slot}; the last one is {}", VIRTIO_MMIO_SLOTS - 1);
                return Err(BoardError::new(place, problem));
            }
            if !used.insert(slot) {
                return Err(BoardError::new(place, format!("slot {slot} is used twice")));
            }
        }
        let mut free = (0..VIRTIO_MMIO_SLOTS).filter(|slot| !used.contains(slot));
        let slot_of = |client: &Client| match (client.kind, client.slot) {
            (ClientKind::VirtioMmio, Some(slot)) => Ok(Some(slot)),
            (ClientKind::VirtioMmio, None) => match free.next() {
                Some(slot) => Ok(Some(slot)),
                None => {
                    let problem = format!("all {VIRTIO_MMIO_SLOTS} virtio-mmio slots are taken");
                    Err(BoardError::new(format!("client \"{}\"", client.name), problem))
                }
            },
            _ => Ok(None),
        };
        self.clients.iter().map(slot_of).collect()
    }
}
