// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What a user chooses: a preset and overrides; and [`Geometry`], the same after validation.
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

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::env::Line;
use crate::plan::PlanError;

/// The implementation that the model starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Preset {
    /// An Arm MMU-500 r2 as in ZynqMP, with that part's reset values: 16 context banks, 48 stream-matching
    /// groups, no address translation operations (`IDR0.ATOSNS` = 1).
    #[default]
    #[serde(rename = "mmu-500")]
    Mmu500,
    /// The same with address translation operations, so that Linux' `iova_to_phys` asks the hardware.
    #[serde(rename = "mmu-500-ats")]
    Mmu500Ats,
    /// An SMMUv2 with every format and granule of the model, without MMU-500's implementation-defined registers.
    #[serde(rename = "smmuv2-generic")]
    Generic,
}

/// Size of a register page (`IDR1.PAGESIZE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PageSize {
    /// 4 KiB.
    #[serde(rename = "4k")]
    Size4K,
    /// 64 KiB.
    #[serde(rename = "64k")]
    Size64K,
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the values of all absent fields come from.
    pub preset: Preset,
    /// Number of context banks, 1 to 128 (`IDR1.NUMCB`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_banks: Option<u16>,
    /// How many of them, the lowest, translate stage 2 only (`IDR1.NUMS2CB`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage2_only_banks: Option<u16>,
    /// Number of stream-matching groups, 1 to 128 (`IDR0.NUMSMRG`); 0 is stream indexing (`IDR0.SMS` = 0).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_match_groups: Option<u16>,
    /// Bits of a stream ID, 1 to 15 (`IDR0.NUMSIDB`); at most 7 with stream indexing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_id_bits: Option<u8>,
    /// 16-bit stream IDs can be enabled (`IDR0.EXIDS`); needs `stream_id_bits` = 15.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended_stream_ids: Option<bool>,
    /// Size of a register page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_size: Option<PageSize>,
    /// Address translation operations are there (`IDR0.ATOSNS` = 0).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ats: Option<bool>,
    /// Table walks snoop the CPUs' caches (`IDR0.CTTW`). Has to agree with `dma-coherent` in the device tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coherent_walk: Option<bool>,
    /// 16-bit VMIDs can be enabled (`IDR2.VMID16S`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vmid16: Option<bool>,
    /// The 4 KiB granule of AArch64 tables (`IDR2.PTFSv8_4kB`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granule_4k: Option<bool>,
    /// The 16 KiB granule of AArch64 tables (`IDR2.PTFSv8_16kB`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granule_16k: Option<bool>,
    /// The 64 KiB granule of AArch64 tables (`IDR2.PTFSv8_64kB`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granule_64k: Option<bool>,
    /// Physical address bits: 32, 36, 40, 42, 44 or 48 (`IDR2.OAS`, and `IDR2.IAS` with it).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_bits: Option<u8>,
    /// Hardware can update access flags and dirty states of AArch64 tables (`IDR1.HAFDBS` = 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware_update: Option<bool>,
    /// The attributes of table descriptors can be disabled (`IDR2.HADS`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hierarchy_disable: Option<bool>,
}

/// A configuration that no SMMUv2 can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A field is out of its range.
    #[error("`{field}` = {value}: {allowed}")]
    Field {
        /// The field of [`Config`].
        field: &'static str,
        /// Its value.
        value: String,
        /// What is allowed, and why if another field decides.
        allowed: String,
    },
    /// A rule of the timing plan is wrong.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// A validated configuration: every number that the registers advertise and the address map follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the independent feature bits of IDR0 and IDR2"
)]
pub struct Geometry {
    /// The implementation-defined registers and reset values of MMU-500 are there.
    pub mmu_500: bool,
    /// Context banks, 1 to 128.
    pub context_banks: u16,
    /// Banks with stage 2 only, the lowest ones.
    pub stage2_only_banks: u16,
    /// Stream-matching groups; 0 with stream indexing.
    pub stream_match_groups: u16,
    /// Bits of a stream ID.
    pub stream_id_bits: u8,
    /// 16-bit stream IDs can be enabled.
    pub extended_stream_ids: bool,
    /// Size of a register page.
    pub page_size: PageSize,
    /// log2 of the number of pages in each half of the register space (`IDR1.NUMPAGENDXB` + 1).
    pub page_count_shift: u32,
    /// Address translation operations are there.
    pub ats: bool,
    /// Table walks snoop.
    pub coherent_walk: bool,
    /// 16-bit VMIDs can be enabled.
    pub vmid16: bool,
    /// 4 KiB granule.
    pub granule_4k: bool,
    /// 16 KiB granule.
    pub granule_16k: bool,
    /// 64 KiB granule.
    pub granule_64k: bool,
    /// Physical address bits.
    pub address_bits: u8,
    /// Hardware can update access flags and dirty states.
    pub hardware_update: bool,
    /// The attributes of table descriptors can be disabled.
    pub hierarchy_disable: bool,
}

impl Config {
    /// Fills in the preset and checks every field.
    ///
    /// # Errors
    /// [`ConfigError::Field`] names the field and what is allowed.
    pub fn validate(&self) -> Result<Geometry, ConfigError> {
        let generic = self.preset == Preset::Generic;
        let groups = self.stream_match_groups.unwrap_or(48);
        let indexing = groups == 0;
        let geometry = Geometry {
            mmu_500: !generic,
            context_banks: self.context_banks.unwrap_or(16),
            stage2_only_banks: self.stage2_only_banks.unwrap_or(0),
            stream_match_groups: groups,
            stream_id_bits: self.stream_id_bits.unwrap_or(if indexing { 7 } else { 15 }),
            extended_stream_ids: self.extended_stream_ids.unwrap_or(false),
            page_size: self.page_size.unwrap_or(PageSize::Size4K),
            page_count_shift: 0,
            ats: self.ats.unwrap_or(self.preset != Preset::Mmu500),
            coherent_walk: self.coherent_walk.unwrap_or(generic),
            vmid16: self.vmid16.unwrap_or(generic),
            granule_4k: self.granule_4k.unwrap_or(true),
            granule_16k: self.granule_16k.unwrap_or(generic),
            granule_64k: self.granule_64k.unwrap_or(true),
            address_bits: self.address_bits.unwrap_or(48),
            hardware_update: self.hardware_update.unwrap_or(false),
            hierarchy_disable: self.hierarchy_disable.unwrap_or(false),
        };
        geometry.check()?;
        Ok(geometry.with_pages())
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

/// Fails with the field and its value unless the condition holds.
macro_rules! require {
    ($self:ident . $field:ident, $condition:expr, $($allowed:tt)+) => {
        if !$condition {
            return Err(ConfigError::Field {
                field: stringify!($field),
                value: $self.$field.to_string(),
                allowed: format!($($allowed)+),
            });
        }
    };
}

impl Geometry {
    fn check(&self) -> Result<(), ConfigError> {
        let indexing = self.stream_match_groups == 0;
        let banks = self.context_banks;
        require!(self.context_banks, (1..=128).contains(&banks), "must be 1 to 128");
        require!(
            self.stage2_only_banks,
            self.stage2_only_banks <= banks,
            "must be 0 to {banks}, the number of context banks"
        );
        require!(
            self.stream_match_groups,
            self.stream_match_groups <= 128,
            "must be 0 to 128"
        );
        let most = if indexing { 7 } else { 15 };
        let why = if indexing {
            " with stream indexing (`stream_match_groups` = 0)"
        } else {
            ""
        };
        require!(
            self.stream_id_bits,
            (1..=most).contains(&self.stream_id_bits),
            "must be 1 to {most}{why}"
        );
        require!(
            self.extended_stream_ids,
            !self.extended_stream_ids || self.stream_id_bits == 15,
            "needs `stream_id_bits` = 15 and stream matching"
        );
        require!(
            self.address_bits,
            [32, 36, 40, 42, 44, 48].contains(&self.address_bits),
            "must be 32, 36, 40, 42, 44 or 48"
        );
        let granule = self.granule_4k || self.granule_16k || self.granule_64k;
        require!(
            self.granule_4k,
            granule,
            "one of `granule_4k`, `granule_16k`, `granule_64k` must be true"
        );
        Ok(())
    }

    /// NUMPAGE is the smallest power of two, and at least 16 as in MMU-500, that holds all context banks.
    fn with_pages(self) -> Self {
        let pages = self.context_banks.next_power_of_two().max(16);
        Self {
            page_count_shift: pages.trailing_zeros(),
            ..self
        }
    }

    /// Pages in each half of the register space (NUMPAGE, IHI 0062D §8.1).
    #[must_use]
    pub const fn page_count(&self) -> u64 {
        1 << self.page_count_shift
    }

    /// Bytes of the register space (`SMMU_TOP`): two halves of NUMPAGE pages.
    #[must_use]
    pub const fn register_space(&self) -> u64 {
        2 << (self.page_count_shift + self.page_size.shift())
    }

    /// Number of stream-to-context registers: one per group, or one per stream ID with stream indexing.
    #[must_use]
    pub const fn stream_to_context_count(&self) -> u16 {
        if self.stream_match_groups == 0 {
            1 << self.stream_id_bits
        } else {
            self.stream_match_groups
        }
    }

    /// The interrupt lines, the global one first.
    pub fn lines(&self) -> impl Iterator<Item = Line> + use<> {
        let banks = u8::try_from(self.context_banks).unwrap_or(u8::MAX);
        core::iter::once(Line::Global).chain((0..banks).map(Line::Context))
    }
}
