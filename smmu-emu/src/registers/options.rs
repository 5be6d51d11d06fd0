// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What a configuration takes away from the tables: registers that are not there, and bits that are not writable.

use crate::config::Geometry;
use crate::registers::file::Registers;
use crate::registers::identity;
use crate::spec::bank::Actlr;
use crate::spec::cb::Cb;
use crate::spec::global::{Sacr, Scr2, Smr};
use crate::spec::gr0::Gr0;
use crate::spec::gr1::{Cbar, Gr1};
use crate::spec::regs::Table;
use crate::spec::tcr::Tcr2;

/// One register of the SMMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Of global space 0, with its number in an array.
    Gr0(Gr0, u16),
    /// Of global space 1, with the context bank.
    Gr1(Gr1, u16),
    /// Of a context bank, with the bank.
    Cb(Cb, u8),
}

impl Target {
    /// Name and number of the register.
    pub(crate) fn name(self) -> (&'static str, u16) {
        match self {
            Self::Gr0(register, index) => (register.row().name, index),
            Self::Gr1(register, bank) => (register.row().name, bank),
            Self::Cb(register, bank) => (register.row().name, bank.into()),
        }
    }
}

/// Whether the register exists; RAZ/WI otherwise (IHI 0062D §3.9 leaves that open for global space, and asks for it in
/// context banks).
pub(crate) fn present(geometry: &Geometry, target: Target) -> bool {
    if geometry.is_version_1() && is_of_version_2(target) {
        return false;
    }
    match target {
        Target::Gr0(Gr0::Smr, group) => group < geometry.stream_match_groups,
        Target::Gr0(Gr0::S2cr, group) => group < geometry.stream_to_context_count(),
        Target::Gr0(Gr0::Sacr, _) => geometry.is_mmu_500(),
        Target::Gr0(
            Gr0::Gats1ur
            | Gr0::Gats1uw
            | Gr0::Gats1pr
            | Gr0::Gats1pw
            | Gr0::Gats12ur
            | Gr0::Gats12uw
            | Gr0::Gats12pr
            | Gr0::Gats12pw
            | Gr0::Gpar
            | Gr0::Gatsr,
            _,
        ) => geometry.ats,
        Target::Gr0(..) => true,
        Target::Gr1(_, bank) => bank < geometry.context_banks,
        Target::Cb(Cb::Actlr, _) => geometry.is_mmu_500(),
        Target::Cb(Cb::Ats1pr | Cb::Ats1pw | Cb::Ats1ur | Cb::Ats1uw | Cb::Atsr | Cb::Par, bank) => {
            geometry.ats && has_stage1(geometry, bank)
        }
        Target::Cb(
            Cb::Tcr2
            | Cb::Ttbr1
            | Cb::Contextidr
            | Cb::Mair0
            | Cb::Mair1
            | Cb::Tlbiva
            | Cb::Tlbivaa
            | Cb::Tlbiasid
            | Cb::Tlbival
            | Cb::Tlbivaal,
            bank,
        ) => has_stage1(geometry, bank),
        Target::Cb(..) => true,
    }
}

/// Whether SMMUv1 lacks the register.
fn is_of_version_2(target: Target) -> bool {
    matches!(
        target,
        Target::Gr1(Gr1::Cba2r, _) | Target::Cb(Cb::Tcr2 | Cb::Tlbiipas2 | Cb::Tlbiipas2l, _)
    )
}

/// Whether the hardware of the bank can translate stage 1.
pub(crate) fn has_stage1(geometry: &Geometry, bank: u8) -> bool {
    geometry.stage1 && u16::from(bank) >= geometry.stage2_only_banks
}

/// The bits of the register that this configuration, in its present state, lets software write.
pub(crate) fn writable(geometry: &Geometry, registers: &Registers, target: Target) -> u64 {
    match target {
        Target::Gr0(Gr0::Scr0, _) => (!identity::scr0_fixed(geometry)).into(),
        Target::Gr0(Gr0::Smr, _) => smr_bits(geometry).into(),
        Target::Gr0(Gr0::Scr2, _) if geometry.extended_stream_match_groups == 0 => {
            (!Scr2::exsmrgenable_mask()).into()
        }
        Target::Gr1(Gr1::Cbar, bank) => (!(Cbar::irptndx_mask() | fixed_type(geometry, bank))).into(),
        Target::Gr1(Gr1::Cba2r, _) => (!identity::cba2r_fixed(geometry)).into(),
        Target::Cb(Cb::Tcr2, _) => (!tcr2_missing(geometry)).into(),
        Target::Cb(Cb::Actlr, _) if actlr_is_locked(registers) => 0,
        Target::Cb(Cb::Actlr, _) if !geometry.is_qcom() => (!Actlr::QCOM).into(),
        _ => u64::MAX,
    }
}

/// Fields of TCR2 whose features are not there.
fn tcr2_missing(geometry: &Geometry) -> u32 {
    let updates = Tcr2::ha_mask() | Tcr2::hd_mask();
    let hierarchy = Tcr2::had0_mask() | Tcr2::had1_mask();
    let missing = |bits: u32, there: bool| if there { 0 } else { bits };
    missing(updates, geometry.hardware_update) | missing(hierarchy, geometry.hierarchy_disable)
}

/// A bank of a single stage has that type and no other.
fn fixed_type(geometry: &Geometry, bank: u16) -> u32 {
    let both = u8::try_from(bank).is_ok_and(|bank| has_stage1(geometry, bank)) && geometry.stage2;
    if both { 0 } else { Cbar::kind_mask() }
}

/// ID and MASK have as many bits as a stream ID. With EXIDS the word holds either format, as written.
pub(crate) fn smr_bits(geometry: &Geometry) -> u32 {
    if geometry.extended_stream_ids {
        return u32::MAX;
    }
    let id = (1 << geometry.stream_id_bits) - 1;
    Smr::valid_mask() | id << 16 | id
}

/// MMU-500 r2 ignores writes of ACTLR while `sACR.CACHE_LOCK` is set.
fn actlr_is_locked(registers: &Registers) -> bool {
    Sacr::new_with_raw_value(registers.gr0.get32(Gr0::Sacr, 0)).cache_lock()
}
