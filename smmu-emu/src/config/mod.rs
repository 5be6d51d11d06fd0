// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Configuration as the user gives it: a preset and overrides; and [`Geometry`], the same after validation.
//!
//! ```
//! let config: smmu_emu::Config = toml::from_str(
//!     r#"
//!     preset = "mmu-500-ats"
//!     context_banks = 8
//!     stream_match_groups = 16
//!     page_size = "64k"
//!     "#,
//! )?;
//! assert_eq!(config.register_space(), 2 << 20);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::arch::line::Line;

mod geometry;
mod live;
mod preset;

pub use geometry::{Geometry, Implementation};
pub use live::{LiveGroup, LiveKind};
pub use preset::Preset;

/// Size of a register page (`IDR1.PAGESIZE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub enum PageSize {
    /// 4 KiB.
    #[cfg_attr(feature = "serde", serde(rename = "4k"))]
    Size4K,
    /// 64 KiB.
    #[cfg_attr(feature = "serde", serde(rename = "64k"))]
    Size64K,
}

/// Mode of the TLB (`tlb`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[non_exhaustive]
pub enum TlbMode {
    /// Translations are kept, and may be given up at any time.
    #[default]
    #[cfg_attr(feature = "serde", serde(rename = "normal"))]
    Normal,
    /// Translations are kept until software invalidates them, so that a driver that forgets to is found out. What comes
    /// when all `tlb_entries` are in use is not kept.
    #[cfg_attr(feature = "serde", serde(rename = "strict-stale"))]
    StrictStale,
    /// As "strict-stale", and TLB maintenance takes effect with the sync that covers it, so that a driver that forgets
    /// the sync, or has one of the wrong scope, is found out. 1024 operations wait at most; one more, and the oldest
    /// takes effect.
    #[cfg_attr(feature = "serde", serde(rename = "lazy"))]
    Lazy,
    /// Every transaction walks the tables.
    #[cfg_attr(feature = "serde", serde(rename = "off"))]
    Off,
}

impl TlbMode {
    /// Whether entries stay until software invalidates them.
    pub(crate) const fn keeps_all(self) -> bool {
        matches!(self, Self::StrictStale | Self::Lazy)
    }
}

/// FSYNR0.S1CBNDX of a fault in a stage 1 bank, where the architecture leaves it UNKNOWN (`s1cbndx`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum S1cbndx {
    /// 0, as on MSM8998.
    #[default]
    Zero,
    /// The number of the bank, as on CN88xx.
    Bank,
    /// A number that is never 0 and seldom the bank's, as on nearly every MMU-500.
    Scattered,
}

impl S1cbndx {
    /// The field for a fault in a stage 1 bank.
    pub(crate) const fn of(self, bank: u8) -> u8 {
        match self {
            Self::Zero => 0,
            Self::Bank => bank,
            Self::Scattered => bank.wrapping_mul(37) ^ 0x54 | 1,
        }
    }
}

impl PageSize {
    /// log2 of the size in bytes.
    #[must_use]
    pub const fn shift(self) -> u32 {
        match self {
            Self::Size4K => 12,
            Self::Size64K => 16,
        }
    }
}

/// An SMMU as a user describes it: a preset, and fields that override it.
///
/// ```
/// use smmu_emu::{Config, Preset};
///
/// let mut config = Config::from(Preset::Generic);
/// config.context_banks = Some(8);
/// assert_eq!(config.interrupt_lines().len(), 9);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct Config {
    /// Source of the values of all absent fields.
    pub preset: Preset,
    /// Number of context banks, 1 to 128 (`IDR1.NUMCB`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub context_banks: Option<u16>,
    /// Number of them, the lowest, that translate stage 2 only (`IDR1.NUMS2CB`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub stage2_only_banks: Option<u16>,
    /// Number of stream-matching groups, 1 to 128 (`IDR0.NUMSMRG`), up to 244 with Qualcomm's presets; 0 is stream
    /// indexing (`IDR0.SMS` = 0).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub stream_match_groups: Option<u16>,
    /// Number of extended stream-matching groups, up to 1024 (`IDR0.EXSMRGS`, `IDR2.EXNUMSMRG`); 0 is none.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub extended_stream_match_groups: Option<u16>,
    /// Bits of a stream ID, 1 to 15 (`IDR0.NUMSIDB`); at most 7 with stream indexing.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub stream_id_bits: Option<u8>,
    /// 16-bit stream IDs can be enabled (`IDR0.EXIDS`); needs `stream_id_bits` = 15.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub extended_stream_ids: Option<bool>,
    /// Size of a register page.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub page_size: Option<PageSize>,
    /// Pages in each half of the register space, a power of two up to 256 (`IDR1.NUMPAGENDXB`). By default as many as
    /// the context banks need, and at least 16; with `mmu-401` at least 8.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub register_pages: Option<u16>,
    /// Context interrupts that software assigns to banks, 1 to 128 (`IDR0.NUMIRPT`, `CBARn.IRPTNDX`). SMMUv1 alone:
    /// version 2 has one for each bank.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub context_interrupts: Option<u16>,
    /// Stream match conflicts always fault: `sCR0.SMCFCFG` reads one. If false, software decides, and it is zero out of
    /// reset.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub conflict_faults: Option<bool>,
    /// Stage 1 translation (`IDR0.S1TS`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub stage1: Option<bool>,
    /// Stage 2 translation (`IDR0.S2TS`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub stage2: Option<bool>,
    /// Both stages in one translation (`IDR0.NTS`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub nested: Option<bool>,
    /// AArch32 tables of short descriptors (`IDR0.PTFS`); needs `aarch32_long`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub aarch32_short: Option<bool>,
    /// AArch32 tables of long descriptors (`IDR0.PTFS`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub aarch32_long: Option<bool>,
    /// Address translation operations are there (`IDR0.ATOSNS` = 0).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub ats: Option<bool>,
    /// Table walks snoop the CPUs' caches (`IDR0.CTTW`). Has to agree with `dma-coherent` in the device tree.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub coherent_walk: Option<bool>,
    /// 16-bit VMIDs can be enabled (`IDR2.VMID16S`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub vmid16: Option<bool>,
    /// The 4 KiB granule of AArch64 tables (`IDR2.PTFSv8_4kB`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub granule_4k: Option<bool>,
    /// The 16 KiB granule of AArch64 tables (`IDR2.PTFSv8_16kB`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub granule_16k: Option<bool>,
    /// The 64 KiB granule of AArch64 tables (`IDR2.PTFSv8_64kB`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub granule_64k: Option<bool>,
    /// Bits of a bus address: 32, 36, 40, 42, 44 or 49 (`IDR2.UBS`). With fewer than 49, TCR2.SEP = 7 extends it with
    /// zeros.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub bus_bits: Option<u8>,
    /// A hypervisor stands before S2CRn, as on some of Qualcomm's parts: of Non-secure software's writes it stores a
    /// bypass as a fault, and ignores a fault.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub filtered_s2cr: Option<bool>,
    /// CBARn out of reset, as a hypervisor leaves all of them; that of the preset if absent.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub cbar_reset: Option<u32>,
    /// SCTLR.HUPCF reads one and CFCFG zero, whatever is written, as on Cavium's CN88xx: a fault holds up no other
    /// transaction, and none stalls.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub fixed_hupcf: Option<bool>,
    /// FSYNR0.S1CBNDX of a fault in a stage 1 bank, where it is UNKNOWN: "zero" (the default), "bank" or "scattered".
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub s1cbndx: Option<S1cbndx>,
    /// Physical address bits: 32, 36, 40, 42, 44 or 48 (`IDR2.OAS`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub address_bits: Option<u8>,
    /// Hardware can update access flags and dirty states of AArch64 tables (`IDR1.HAFDBS` = 2).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub hardware_update: Option<bool>,
    /// The attributes of table descriptors can be disabled (`IDR2.HADS`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub hierarchy_disable: Option<bool>,
    /// Intermediate address bits: 32, 36, 40, 42, 44 or 48 (`IDR2.IAS`); as `address_bits` if that is given alone.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub input_bits: Option<u8>,
    /// Secure software has registers of its own (`IDR0.SES`, which Non-secure software cannot see). With MMU-500's
    /// presets ACTLR is locked until it clears SACR.CACHE_LOCK, as where firmware does not (HoneyComb LX2160A).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub secure_state: Option<bool>,
    /// Groups of event counters, 0 to 128; each has an interrupt line. No preset has any: Linux has no driver.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub pmu_groups: Option<u8>,
    /// Event counters in each group, 1 to 15.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub pmu_counters: Option<u8>,
    /// Groups that are valid out of reset, as a boot loader that has used a display leaves them. Qualcomm's driver of
    /// Linux takes them over. All other groups are zero out of reset.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub live_groups: Vec<LiveGroup>,
    /// Mode of the TLB: "normal" (the default), "strict-stale", "lazy" or "off".
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub tlb: Option<TlbMode>,
    /// Blocks and pages that the TLB holds, 1 to 65536; by default 4096, and 65536 with `tlb` = "strict-stale" or
    /// "lazy". It
    /// holds a quarter as many tables.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub tlb_entries: Option<u32>,
}

/// A configuration that no SMMUv2 can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A field is out of its range.
    #[error("`{field}` = {value}: {allowed}")]
    Field {
        /// The field of [`Config`].
        field: &'static str,
        /// Its value.
        value: String,
        /// Allowed values, and the reason if another field decides.
        allowed: String,
    },
}

impl From<Preset> for Config {
    /// The preset as it is.
    fn from(preset: Preset) -> Self {
        Self {
            preset,
            ..Self::default()
        }
    }
}

impl Config {
    /// Fills in the preset and checks every field.
    ///
    /// # Errors
    /// [`ConfigError::Field`] names the field and what is allowed.
    pub fn validate(&self) -> Result<Geometry, ConfigError> {
        let preset = self.preset.geometry();
        let groups = self.stream_match_groups.unwrap_or(preset.stream_match_groups);
        let stream_id_bits =
            self.stream_id_bits
                .unwrap_or(if groups == 0 { 7 } else { preset.stream_id_bits });
        let banks = self.context_banks.unwrap_or(preset.context_banks);
        let stage1 = self.stage1.unwrap_or(preset.stage1);
        let stage2 = self.stage2.unwrap_or(preset.stage2);
        let tlb = self.tlb.unwrap_or(preset.tlb);
        let geometry = Geometry {
            implementation: preset.implementation,
            context_banks: banks,
            stage2_only_banks: self.stage2_only_banks.unwrap_or(if stage1 {
                preset.stage2_only_banks.min(banks)
            } else {
                banks
            }),
            stream_match_groups: groups,
            extended_stream_match_groups: self.extended_stream_match_groups.unwrap_or(if groups == 0 {
                0
            } else {
                preset.extended_stream_match_groups
            }),
            stream_id_bits,
            extended_stream_ids: self
                .extended_stream_ids
                .unwrap_or(preset.extended_stream_ids && groups != 0 && stream_id_bits == 15),
            page_size: self.page_size.unwrap_or(preset.page_size),
            page_count_shift: self.page_count_shift(banks, preset.page_count_shift)?,
            context_interrupts: self.context_interrupts.unwrap_or(if preset.is_version_1() {
                preset.context_interrupts
            } else {
                banks
            }),
            conflict_faults: self.conflict_faults.unwrap_or(preset.conflict_faults),
            stage1,
            stage2,
            nested: self.nested.unwrap_or(preset.nested && stage1 && stage2),
            aarch32_short: self.aarch32_short.unwrap_or(preset.aarch32_short),
            aarch32_long: self.aarch32_long.unwrap_or(preset.aarch32_long),
            ats: self.ats.unwrap_or(preset.ats && stage1),
            coherent_walk: self.coherent_walk.unwrap_or(preset.coherent_walk),
            vmid16: self.vmid16.unwrap_or(preset.vmid16),
            granule_4k: self.granule_4k.unwrap_or(preset.granule_4k),
            granule_16k: self.granule_16k.unwrap_or(preset.granule_16k),
            granule_64k: self.granule_64k.unwrap_or(preset.granule_64k),
            bus_bits: self.bus_bits.unwrap_or(preset.bus_bits),
            filtered_s2cr: self.filtered_s2cr.unwrap_or(preset.filtered_s2cr),
            cbar_reset: self.cbar_reset.or(preset.cbar_reset),
            fixed_hupcf: self.fixed_hupcf.unwrap_or(preset.fixed_hupcf),
            s1cbndx: self.s1cbndx.unwrap_or(preset.s1cbndx),
            address_bits: self.address_bits.unwrap_or(preset.address_bits),
            input_bits: self
                .input_bits
                .unwrap_or(self.address_bits.unwrap_or(preset.input_bits)),
            hardware_update: self.hardware_update.unwrap_or(preset.hardware_update),
            hierarchy_disable: self.hierarchy_disable.unwrap_or(preset.hierarchy_disable),
            tlb,
            tlb_entries: self.tlb_entries.unwrap_or(if tlb.keeps_all() {
                1 << 16
            } else {
                preset.tlb_entries
            }),
            secure_state: self.secure_state.unwrap_or(preset.secure_state),
            pmu_groups: self.pmu_groups.unwrap_or(preset.pmu_groups),
            pmu_counters: self.pmu_counters.unwrap_or(preset.pmu_counters),
        };
        geometry.check()?;
        LiveGroup::check(&self.live_groups, &geometry)?;
        Ok(geometry)
    }

    /// log2 of NUMPAGE: `register_pages`, or the smallest power of two that holds all context banks and is not below
    /// that of the preset.
    fn page_count_shift(&self, banks: u16, least: u32) -> Result<u32, ConfigError> {
        match self.register_pages {
            None => Ok(banks.next_power_of_two().trailing_zeros().max(least)),
            Some(pages) if pages.is_power_of_two() && (2..=256).contains(&pages) => {
                Ok(pages.trailing_zeros())
            }
            Some(pages) => Err(ConfigError::Field {
                field: "register_pages",
                value: pages.to_string(),
                allowed: "must be a power of two, 2 to 256".into(),
            }),
        }
    }

    /// Bytes of the register space (`SMMU_TOP`), a power of two; the smallest one for a configuration that is not
    /// valid.
    #[must_use]
    pub fn register_space(&self) -> u64 {
        self.validate()
            .map_or(1 << 14, |geometry| geometry.register_space())
    }

    /// The interrupt lines, the global one first; none for a configuration that is not valid.
    #[must_use]
    pub fn interrupt_lines(&self) -> Vec<Line> {
        self.validate()
            .map_or(Vec::new(), |geometry| geometry.lines().collect())
    }
}
