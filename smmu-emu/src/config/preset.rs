// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The table of presets. `docs/presets.md` is written from it and says what each number means for Linux.

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::geometry::{Geometry, Implementation};
use super::{PageSize, S1cbndx, TlbMode};

/// The implementation that the model starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[non_exhaustive]
pub enum Preset {
    /// An Arm MMU-500 r2 as in ZynqMP, with that part's reset values: 16 context banks, 48 stream-matching
    /// groups, no address translation operations (`IDR0.ATOSNS` = 1).
    #[default]
    #[cfg_attr(feature = "serde", serde(rename = "mmu-500"))]
    Mmu500,
    /// The MMU-500 of ZynqMP with address translation operations, so that Linux' `iova_to_phys` asks the hardware.
    #[cfg_attr(feature = "serde", serde(rename = "mmu-500-ats"))]
    Mmu500Ats,
    /// The MMU-401 of Juno's PCIe: SMMUv1 with stage 2 alone, the 64 KiB granule, 40 bits.
    #[cfg_attr(feature = "serde", serde(rename = "mmu-401"))]
    Mmu401,
    /// An SMMUv2 with every feature of the model but event counters, without MMU-500's implementation-defined
    /// registers.
    #[cfg_attr(feature = "serde", serde(rename = "smmuv2-generic"))]
    Generic,
    /// The GPU's SMMU of Snapdragon X Elite: stage 1 alone, few groups.
    #[cfg_attr(feature = "serde", serde(rename = "qcom-x1e-adreno"))]
    QcomX1eAdreno,
    /// One instance of an SMMU of Tegra194: 64 banks, 128 groups, register pages of 64 KiB.
    #[cfg_attr(feature = "serde", serde(rename = "tegra-mmu-500"))]
    TegraMmu500,
}

impl Preset {
    /// All presets, in the order of the documentation.
    pub const ALL: [Self; 6] = [
        Self::Mmu500,
        Self::Mmu500Ats,
        Self::Mmu401,
        Self::Generic,
        Self::QcomX1eAdreno,
        Self::TegraMmu500,
    ];

    /// The name in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mmu500 => "mmu-500",
            Self::Mmu500Ats => "mmu-500-ats",
            Self::Mmu401 => "mmu-401",
            Self::Generic => "smmuv2-generic",
            Self::QcomX1eAdreno => "qcom-x1e-adreno",
            Self::TegraMmu500 => "tegra-mmu-500",
        }
    }

    /// Every number of the preset.
    pub(super) const fn geometry(self) -> Geometry {
        match self {
            Self::Mmu500 => MMU_500,
            Self::Mmu500Ats => Geometry { ats: true, ..MMU_500 },
            Self::Mmu401 => MMU_401,
            Self::Generic => GENERIC,
            Self::QcomX1eAdreno => QCOM_X1E_ADRENO,
            Self::TegraMmu500 => TEGRA_MMU_500,
        }
    }
}

/// The reset values of ZynqMP's register reference: IDR0 0x7c013e30 (Non-secure), IDR1 0x30000f10, IDR2 0x00005555.
const MMU_500: Geometry = Geometry {
    implementation: Implementation::Mmu500,
    context_banks: 16,
    stage2_only_banks: 0,
    stream_match_groups: 48,
    extended_stream_match_groups: 0,
    stream_id_bits: 15,
    extended_stream_ids: false,
    page_size: PageSize::Size4K,
    page_count_shift: 4,
    context_interrupts: 16,
    conflict_faults: true,
    stage1: true,
    stage2: true,
    nested: true,
    aarch32_short: true,
    aarch32_long: true,
    ats: false,
    coherent_walk: false,
    vmid16: false,
    granule_4k: true,
    granule_16k: false,
    granule_64k: true,
    bus_bits: 49,
    filtered_s2cr: false,
    cbar_reset: None,
    fixed_hupcf: false,
    s1cbndx: S1cbndx::Zero,
    address_bits: 48,
    input_bits: 48,
    hardware_update: false,
    hierarchy_disable: false,
    tlb: TlbMode::Normal,
    tlb_entries: 1 << 12,
    secure_state: false,
    pmu_groups: 0,
    pmu_counters: 4,
};

/// MMU-401 as Linux logs it on Juno: 4 banks, all stage 2, 32 groups, 40 bits, page sizes 0x60211000 (4 KiB and 64
/// KiB). Its device tree has 64 KiB of registers, and one interrupt for all faults of banks.
const MMU_401: Geometry = Geometry {
    implementation: Implementation::Mmu401,
    context_banks: 4,
    stage2_only_banks: 4,
    stream_match_groups: 32,
    page_count_shift: 3,
    context_interrupts: 1,
    stage1: false,
    nested: false,
    aarch32_short: false,
    coherent_walk: true,
    address_bits: 40,
    input_bits: 40,
    ..MMU_500
};

/// Every feature but event counters, which would have every access of a TBU go through the SMMU.
const GENERIC: Geometry = Geometry {
    implementation: Implementation::Generic,
    extended_stream_match_groups: 256,
    extended_stream_ids: true,
    conflict_faults: false,
    ats: true,
    coherent_walk: true,
    vmid16: true,
    granule_16k: true,
    hardware_update: true,
    hierarchy_disable: true,
    secure_state: true,
    ..MMU_500
};

/// Sizes after the device tree of x1e80100 (256 KiB of registers, one interrupt for global faults and 25 for banks);
/// the other numbers are of that kind of SMMU and not read from the part: no address translation operations, and page
/// sizes 0x61311000, as Linux logs them on sc8280xp, sc8180x and qcm2290.
const QCOM_X1E_ADRENO: Geometry = Geometry {
    implementation: Implementation::QcomMmu500,
    context_banks: 25,
    stream_match_groups: 24,
    stage2: false,
    nested: false,
    coherent_walk: true,
    address_bits: 36,
    input_bits: 36,
    ..MMU_500
};

/// MMU-500 as Linux logs it on Tegra194: 64 banks, 128 groups, 48 bits, page sizes 0x61311000 (no 16 KiB), 8 MiB of
/// registers.
const TEGRA_MMU_500: Geometry = Geometry {
    context_banks: 64,
    stream_match_groups: 128,
    page_size: PageSize::Size64K,
    ..MMU_500
};
