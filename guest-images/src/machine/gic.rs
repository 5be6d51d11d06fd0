// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The interrupt controller of a board: its version, and what of the machine depends on it.

use serde::{Deserialize, Serialize};
use vm_fdt::FdtWriter;

/// Version of the GIC. In TOML the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Gic {
    /// GICv2: up to eight CPUs.
    V2,
    /// GICv3, with a GICv2m frame for MSIs.
    V3,
}

/// Version of the GIC that there is none of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("GIC version {0}; there are 2 and 3")]
pub struct UnknownGic(u8);

impl TryFrom<u8> for Gic {
    type Error = UnknownGic;

    fn try_from(version: u8) -> Result<Self, UnknownGic> {
        match version {
            2 => Ok(Self::V2),
            3 => Ok(Self::V3),
            other => Err(UnknownGic(other)),
        }
    }
}

impl From<Gic> for u8 {
    fn from(gic: Gic) -> Self {
        match gic {
            Gic::V2 => 2,
            Gic::V3 => 3,
        }
    }
}

/// Distributor, and the CPU interfaces of a GICv2 or the redistributors of a GICv3: base and size in bytes
/// (`base_memmap` of QEMU's `hw/arm/virt.c`).
const DISTRIBUTOR: (u64, u64) = (0x0800_0000, 0x1_0000);
const CPU_INTERFACES: (u64, u64) = (0x0801_0000, 0x1_0000);
const REDISTRIBUTORS: (u64, u64) = (0x080a_0000, 0xf6_0000);
const _: () = assert!(Gic::V3.max_cpus() as u64 == REDISTRIBUTORS.1 / 0x2_0000);

impl Gic {
    /// Most CPUs that it serves on this machine: as many redistributors of a GICv3 fit, 128 KiB each.
    #[must_use]
    pub const fn max_cpus(self) -> u8 {
        match self {
            Self::V2 => 8,
            Self::V3 => 123,
        }
    }

    /// Affinity of a CPU as `reg` of its node has it (`arm_build_mp_affinity()` of QEMU): a cluster has as many CPUs as
    /// one SGI reaches, 8 or 16.
    #[must_use]
    pub fn affinity(self, cpu: u8) -> u32 {
        let cluster = match self {
            Self::V2 => 8,
            Self::V3 => 16,
        };
        u32::from(cpu / cluster) << 8 | u32::from(cpu % cluster)
    }

    /// CPUs as the flags of a PPI name them: a mask in the second byte, which a GICv3 does not have.
    #[must_use]
    pub fn ppi_cpus(self, cpus: u8) -> u32 {
        match self {
            Self::V2 => ((1 << cpus) - 1) << 8,
            Self::V3 => 0,
        }
    }

    /// Options of QEMU's `virt` machine.
    #[must_use]
    pub fn machine_options(self) -> &'static str {
        match self {
            Self::V2 => "gic-version=2",
            Self::V3 => "gic-version=3,msi=gicv2m",
        }
    }

    /// Its node, and that of the GICv2m frame at the address `v2m`.
    ///
    /// # Errors
    ///
    /// The tree cannot be written.
    pub fn node(self, fdt: &mut FdtWriter, phandle: u32, v2m: u64) -> Result<(), vm_fdt::Error> {
        let (compatible, second) = match self {
            Self::V2 => ("arm,cortex-a15-gic", CPU_INTERFACES),
            Self::V3 => ("arm,gic-v3", REDISTRIBUTORS),
        };
        let gic = fdt.begin_node("intc@8000000")?;
        fdt.property_string("compatible", compatible)?;
        fdt.property_null("interrupt-controller")?;
        fdt.property_u32("#interrupt-cells", 3)?;
        fdt.property_u32("#address-cells", 2)?;
        fdt.property_u32("#size-cells", 2)?;
        fdt.property_null("ranges")?;
        if self == Self::V3 {
            fdt.property_u32("#redistributor-regions", 1)?;
        }
        fdt.property_array_u64("reg", &[DISTRIBUTOR.0, DISTRIBUTOR.1, second.0, second.1])?;
        fdt.property_phandle(phandle)?;
        let frame = fdt.begin_node(&format!("v2m@{v2m:x}"))?;
        fdt.property_string("compatible", "arm,gic-v2m-frame")?;
        fdt.property_null("msi-controller")?;
        fdt.property_array_u64("reg", &[v2m, 0x1000])?;
        fdt.end_node(frame)?;
        fdt.end_node(gic)
    }
}
