// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A configuration after validation: every number that the registers advertise.

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::{ConfigError, PageSize, S1cbndx, TlbMode};
use crate::arch::line::Line;
use crate::spec::gr1::{BankType, Cbar};

/// Implementation: its additions to the architecture, and its omissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Implementation {
    /// The architecture, version 2, and nothing else.
    Generic,
    /// MMU-500: implementation-defined registers, fixed bits of sCR0.
    Mmu500,
    /// Qualcomm's MMU-500: registers and bits of ACTLR of its own.
    QcomMmu500,
    /// MMU-401: SMMUv1 with the 64 KiB granule. CBA2R, TCR2 and TLBIIPAS2 do not exist.
    Mmu401,
}

/// A validated configuration: every number that the registers advertise and the address map follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the independent feature bits of IDR0 and IDR2"
)]
#[non_exhaustive]
pub struct Geometry {
    /// Additions and omissions of the implementation.
    pub implementation: Implementation,
    /// Context banks, 1 to 128.
    pub context_banks: u16,
    /// Banks with stage 2 only, the lowest ones.
    pub stage2_only_banks: u16,
    /// Stream-matching groups; 0 with stream indexing.
    pub stream_match_groups: u16,
    /// Extended stream-matching groups; 0 if there are none.
    pub extended_stream_match_groups: u16,
    /// Bits of a stream ID.
    pub stream_id_bits: u8,
    /// 16-bit stream IDs can be enabled.
    pub extended_stream_ids: bool,
    /// Size of a register page.
    pub page_size: PageSize,
    /// log2 of the number of pages in each half of the register space (`IDR1.NUMPAGENDXB` + 1).
    pub page_count_shift: u32,
    /// Context interrupts: one for each bank in version 2, those that software assigns in version 1.
    pub context_interrupts: u16,
    /// Stream match conflicts always fault.
    pub conflict_faults: bool,
    /// Stage 1 translation.
    pub stage1: bool,
    /// Stage 2 translation.
    pub stage2: bool,
    /// Both stages in one translation.
    pub nested: bool,
    /// AArch32 short descriptors; not without long ones.
    pub aarch32_short: bool,
    /// AArch32 long descriptors.
    pub aarch32_long: bool,
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
    /// Bits of a bus address.
    pub bus_bits: u8,
    /// A hypervisor filters what Non-secure software writes to S2CRn.
    pub filtered_s2cr: bool,
    /// CBARn out of reset, where it is not the architecture's.
    pub cbar_reset: Option<u32>,
    /// SCTLR.HUPCF is one and CFCFG zero.
    pub fixed_hupcf: bool,
    /// FSYNR0.S1CBNDX of stage 1 faults.
    pub s1cbndx: S1cbndx,
    /// Physical address bits.
    pub address_bits: u8,
    /// Intermediate address bits.
    pub input_bits: u8,
    /// Hardware can update access flags and dirty states.
    pub hardware_update: bool,
    /// The attributes of table descriptors can be disabled.
    pub hierarchy_disable: bool,
    /// Mode of the TLB.
    pub tlb: TlbMode,
    /// Blocks and pages that the TLB holds.
    pub tlb_entries: u32,
    /// Secure software has registers of its own.
    pub secure_state: bool,
    /// Groups of event counters; 0 if there is no performance monitor.
    pub pmu_groups: u8,
    /// Event counters in each group.
    pub pmu_counters: u8,
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
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.check_streams()?;
        self.check_translation()?;
        self.check_registers()?;
        require!(
            self.tlb_entries,
            (1..=1 << 16).contains(&self.tlb_entries),
            "must be 1 to 65536"
        );
        let (groups, counters) = (self.pmu_groups, self.pmu_counters);
        require!(self.pmu_counters, (1..=15).contains(&counters), "must be 1 to 15");
        require!(
            self.pmu_groups,
            groups <= 128 && u16::from(groups) * u16::from(counters) <= 256,
            "must be 0 to 128, and at most 256 counters in all (`pmu_counters` in each group)"
        );
        Ok(())
    }

    fn check_streams(&self) -> Result<(), ConfigError> {
        let indexing = self.stream_match_groups == 0;
        let most = if self.is_qcom() { 244 } else { 128 };
        require!(
            self.stream_match_groups,
            self.stream_match_groups <= most,
            "must be 0 to {most}"
        );
        let (groups, extended) = (self.stream_match_groups, self.extended_stream_match_groups);
        require!(
            self.extended_stream_match_groups,
            extended == 0 || !indexing,
            "must be 0 with stream indexing (`stream_match_groups` = 0)"
        );
        require!(
            self.extended_stream_match_groups,
            extended == 0 || !self.is_qcom(),
            "must be 0: Qualcomm's SMMUs have other registers in that page"
        );
        require!(
            self.extended_stream_match_groups,
            extended == 0 || (groups..=1024).contains(&extended),
            "must be 0, or {groups} (`stream_match_groups`) to 1024"
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
        Ok(())
    }

    fn check_registers(&self) -> Result<(), ConfigError> {
        let banks = self.context_banks;
        let has_page_7 = self.is_qcom() || self.extended_stream_match_groups != 0;
        let least = banks.next_power_of_two().max(if has_page_7 { 8 } else { 4 });
        if self.page_count() < least.into() {
            return Err(ConfigError::Field {
                field: "register_pages",
                value: self.page_count().to_string(),
                allowed: format!(
                    "must be at least {least}, for {banks} context banks and the global registers"
                ),
            });
        }
        let interrupts = self.context_interrupts;
        require!(
            self.context_interrupts,
            self.is_version_1() || interrupts == banks,
            "must be {banks}, one for each context bank: software assigns them in SMMUv1 alone (`mmu-401`)"
        );
        require!(
            self.context_interrupts,
            (1..=128).contains(&interrupts),
            "must be 1 to 128"
        );
        if let Some(reset) = self.cbar_reset {
            let cbar = Cbar::new_with_raw_value(reset);
            let fixed = self.banks().find(|&bank| {
                self.fixed_type(bank.into())
                    .is_some_and(|kind| kind != cbar.kind())
            });
            let error = |allowed: &str| {
                Err(ConfigError::Field {
                    field: "cbar_reset",
                    value: format!("{reset:#x}"),
                    allowed: allowed.into(),
                })
            };
            if fixed.is_some() {
                return error(
                    "bits 17 and 16 (TYPE) must be those of banks of one stage: 0 is stage 2, 1 is stage 1",
                );
            }
            if cbar.irptndx() != 0 && !self.is_version_1() {
                return error(
                    "bits 31 to 24 (IRPTNDX) must be 0: software assigns interrupts in SMMUv1 alone",
                );
            }
        }
        Ok(())
    }

    fn check_translation(&self) -> Result<(), ConfigError> {
        const BUS: [u8; 6] = [32, 36, 40, 42, 44, 49];
        const SIZES: [u8; 6] = [32, 36, 40, 42, 44, 48];
        let banks = self.context_banks;
        require!(self.context_banks, (1..=128).contains(&banks), "must be 1 to 128");
        require!(
            self.stage2_only_banks,
            self.stage2_only_banks <= banks,
            "must be 0 to {banks}, the number of context banks"
        );
        require!(
            self.stage1,
            self.stage1 || self.stage2,
            "one of `stage1` and `stage2` must be true"
        );
        require!(
            self.nested,
            !self.nested || (self.stage1 && self.stage2),
            "needs `stage1` and `stage2`"
        );
        let two_stages = self.stage1 && self.stage2;
        let only = if self.stage1 { 0 } else { banks };
        require!(
            self.stage2_only_banks,
            two_stages || self.stage2_only_banks == only,
            "must be {only}: `stage1` or `stage2` is false"
        );
        require!(
            self.ats,
            !self.ats || self.stage1,
            "needs `stage1`: address translation operations are of stage 1 or of both"
        );
        require!(
            self.aarch32_short,
            !self.aarch32_short || self.aarch32_long,
            "needs `aarch32_long`"
        );
        require!(
            self.bus_bits,
            BUS.contains(&self.bus_bits),
            "must be 32, 36, 40, 42, 44 or 49"
        );
        require!(
            self.address_bits,
            SIZES.contains(&self.address_bits),
            "must be 32, 36, 40, 42, 44 or 48"
        );
        require!(
            self.input_bits,
            SIZES.contains(&self.input_bits),
            "must be 32, 36, 40, 42, 44 or 48"
        );
        let granule = self.granule_4k || self.granule_16k || self.granule_64k;
        require!(
            self.granule_4k,
            granule || self.aarch32_long,
            "one of `granule_4k`, `granule_16k`, `granule_64k` must be true without `aarch32_long`"
        );
        Ok(())
    }

    /// Whether the hardware of a context bank can translate stage 1.
    pub(crate) fn has_stage1(&self, bank: u8) -> bool {
        self.stage1 && u16::from(bank) >= self.stage2_only_banks
    }

    /// The type of a bank that has a single stage.
    pub(crate) fn fixed_type(&self, bank: u16) -> Option<BankType> {
        if !u8::try_from(bank).is_ok_and(|bank| self.has_stage1(bank)) {
            Some(BankType::Stage2)
        } else if !self.stage2 {
            Some(BankType::Stage1)
        } else {
            None
        }
    }

    /// The first field in which another geometry differs, with its value here and there.
    pub(crate) fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        macro_rules! first {
            ($($field:ident),*) => {{
                let Self { $($field),* } = self;
                $(if *$field != other.$field {
                    return Some((stringify!($field), format!("{:?}", $field), format!("{:?}", other.$field)));
                })*
                None
            }};
        }
        first!(
            implementation,
            context_banks,
            stage2_only_banks,
            stream_match_groups,
            extended_stream_match_groups,
            stream_id_bits,
            extended_stream_ids,
            page_size,
            page_count_shift,
            context_interrupts,
            conflict_faults,
            stage1,
            stage2,
            nested,
            aarch32_short,
            aarch32_long,
            ats,
            coherent_walk,
            vmid16,
            granule_4k,
            granule_16k,
            granule_64k,
            bus_bits,
            filtered_s2cr,
            cbar_reset,
            fixed_hupcf,
            s1cbndx,
            address_bits,
            input_bits,
            hardware_update,
            hierarchy_disable,
            tlb,
            tlb_entries,
            secure_state,
            pmu_groups,
            pmu_counters
        )
    }

    /// Whether the implementation-defined registers and reset values of MMU-500 are there.
    #[must_use]
    pub fn is_mmu_500(&self) -> bool {
        matches!(
            self.implementation,
            Implementation::Mmu500 | Implementation::QcomMmu500
        )
    }

    /// Whether Qualcomm's additions to MMU-500 are there.
    #[must_use]
    pub fn is_qcom(&self) -> bool {
        self.implementation == Implementation::QcomMmu500
    }

    /// Whether the SMMU is of version 1, without CBA2R, TCR2 and TLBIIPAS2.
    #[must_use]
    pub fn is_version_1(&self) -> bool {
        self.implementation == Implementation::Mmu401
    }

    /// The context banks.
    pub(crate) fn banks(&self) -> impl Iterator<Item = u8> + use<> {
        0..u8::try_from(self.context_banks).unwrap_or(u8::MAX)
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

    /// Event counters in all groups.
    #[must_use]
    pub fn pmu_counter_count(&self) -> u16 {
        u16::from(self.pmu_groups) * u16::from(self.pmu_counters)
    }

    /// The interrupt lines: the global one, the context interrupts, one per group of event counters.
    pub fn lines(&self) -> impl Iterator<Item = Line> + use<> {
        let context = u8::try_from(self.context_interrupts).unwrap_or(u8::MAX);
        core::iter::once(Line::Global)
            .chain((0..context).map(Line::Context))
            .chain((0..self.pmu_groups).map(Line::Pmu))
    }
}
