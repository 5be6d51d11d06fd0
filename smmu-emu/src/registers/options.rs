// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Features of a configuration, which decide what registers there are, and the bits that it does not let software
//! write.

use crate::config::Geometry;
use crate::registers::file::{File, Registers};
use crate::registers::identity;
use crate::registers::register::{RegisterId, Scope, Security};
use crate::spec::any::AnyRegister;
use crate::spec::bank::{Actlr, Format, Fsynr0};
use crate::spec::cb::Cb;
use crate::spec::effect::Features;
use crate::spec::global::{Gfsynr0, S2cr, Sacr, Scr2, Smr, StreamType};
use crate::spec::gr0::Gr0;
use crate::spec::gr1::{BankType, Cbar, Gr1};
use crate::spec::tcr::Tcr2;

/// The features of a configuration. STAGE_1 is that of a bank with stage 1.
pub(crate) fn features(geometry: &Geometry) -> Features {
    let mut features = Features::empty();
    features.set(Features::VERSION_2, !geometry.is_version_1());
    features.set(Features::STAGE_1, geometry.stage1);
    features.set(Features::ATS, geometry.ats);
    features.set(
        Features::EXTENDED_GROUPS,
        geometry.extended_stream_match_groups != 0,
    );
    features.set(Features::MONITOR, geometry.pmu_groups != 0);
    features.set(Features::MMU_500, geometry.is_mmu_500());
    features.set(Features::QCOM, geometry.is_qcom());
    features
}

/// The bits of the register that this configuration, in its present state, lets software write.
#[inline]
pub(crate) fn writable(geometry: &Geometry, registers: &Registers, id: &RegisterId) -> u64 {
    match id.register {
        AnyRegister::Cb(Cb::Actlr) if actlr_is_locked(geometry, registers) => 0,
        AnyRegister::Cb(Cb::Ttbr0 | Cb::Ttbr1) => ttbr_bits(registers, id.scope),
        register => implemented(geometry, register, id.index),
    }
}

/// The bits of the register, `index` in its array, that this configuration lets software write in some state.
#[inline]
pub(crate) fn implemented(geometry: &Geometry, register: AnyRegister, index: u16) -> u64 {
    match register {
        AnyRegister::Gr0(Gr0::Scr0) => (!identity::scr0_fixed(geometry)).into(),
        AnyRegister::Gr0(Gr0::Smr) | AnyRegister::Exsmr(_) => smr_bits(geometry).into(),
        AnyRegister::Gr0(Gr0::Scr2) if geometry.extended_stream_match_groups == 0 => {
            (!Scr2::exsmrgenable_mask()).into()
        }
        AnyRegister::Gr1(Gr1::Cbar) => (!cbar_fixed(geometry, index)).into(),
        AnyRegister::Gr1(Gr1::Cba2r) => (!identity::cba2r_fixed(geometry)).into(),
        AnyRegister::Gr0(Gr0::SGfsynr0) if !geometry.ats => (!Gfsynr0::ats_mask()).into(),
        AnyRegister::Cb(Cb::Sctlr) => (!identity::sctlr_fixed(geometry)).into(),
        AnyRegister::Cb(Cb::Fsynr0) => (!fsynr0_missing(geometry)).into(),
        AnyRegister::Cb(Cb::Tcr2) => (!tcr2_fixed(geometry)).into(),
        AnyRegister::Cb(Cb::Actlr) if !geometry.is_qcom() => (!Actlr::QCOM).into(),
        _ => u64::MAX,
    }
}

/// The value that a write leaves, where something stands between software and the register: Qualcomm's hypervisor
/// stores a bypass of Non-secure software as a fault, and ignores a fault (`qcom_smmu_cfg_probe()`).
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "S2CR is 32 bits wide")]
pub(crate) fn filtered(geometry: &Geometry, id: &RegisterId, old: u64, new: u64) -> u64 {
    let AnyRegister::Gr0(Gr0::S2cr) = id.register else {
        return new;
    };
    if !geometry.filtered_s2cr || id.security == Security::Secure {
        return new;
    }
    let s2cr = S2cr::new_with_raw_value(new as u32);
    match s2cr.kind() {
        Ok(StreamType::Bypass) => s2cr.with_kind(StreamType::Fault).raw_value().into(),
        Ok(StreamType::Fault) => old,
        Ok(StreamType::Translate) | Err(_) => new,
    }
}

/// The bits of a TTBR: without TCR2.AS a stage 1 bank of AArch64 has no ASID\[15:8\].
#[inline]
fn ttbr_bits(registers: &Registers, scope: Scope) -> u64 {
    const UPPER_ASID: u64 = 0xff << 56;
    match scope {
        Scope::Bank(bank)
            if registers.cbar(bank).kind() != BankType::Stage2
                && registers.format(bank) == Format::AArch64
                && !registers.tcr2(bank).r#as() =>
        {
            !UPPER_ASID
        }
        Scope::Bank(_) | Scope::Global => u64::MAX,
    }
}

/// Fields of FSYNR0 that are not there: NSSTATE is SMMUv1's.
fn fsynr0_missing(geometry: &Geometry) -> u32 {
    let missing = |bits: u32, there: bool| if there { 0 } else { bits };
    missing(Fsynr0::nsstate_mask(), geometry.is_version_1()) | missing(Fsynr0::atof_mask(), geometry.ats)
}

/// Fields of TCR2 whose features are not there; MMU-500 always ignores the top byte.
fn tcr2_fixed(geometry: &Geometry) -> u32 {
    let updates = Tcr2::ha_mask() | Tcr2::hd_mask();
    let hierarchy = Tcr2::had0_mask() | Tcr2::had1_mask();
    let missing = |bits: u32, there: bool| if there { 0 } else { bits };
    let top_byte = Tcr2::tbi0_mask() | Tcr2::tbi1_mask();
    missing(updates, geometry.hardware_update)
        | missing(hierarchy, geometry.hierarchy_disable)
        | missing(top_byte, !geometry.is_mmu_500())
}

/// The bits of CBAR that software cannot change. A bank of a single stage has that type and no other; in version 2
/// each bank has an interrupt of its own.
fn cbar_fixed(geometry: &Geometry, bank: u16) -> u32 {
    let kind = geometry.fixed_type(bank).map_or(0, |_| Cbar::kind_mask());
    let interrupt = if geometry.is_version_1() {
        0
    } else {
        Cbar::irptndx_mask()
    };
    kind | interrupt
}

/// ID and MASK have as many bits as a stream ID. With EXIDS the word holds either format, as written.
pub(crate) fn smr_bits(geometry: &Geometry) -> u32 {
    if geometry.extended_stream_ids {
        return u32::MAX;
    }
    let id = (1 << geometry.stream_id_bits) - 1;
    Smr::valid_mask() | id << 16 | id
}

/// MMU-500 r2 ignores writes of ACTLR while `sACR.CACHE_LOCK` is set, in Secure software's copy or the other.
fn actlr_is_locked(geometry: &Geometry, registers: &Registers) -> bool {
    let locks = |file: &File<Gr0>| Sacr::new_with_raw_value(file.get32(Gr0::Sacr, 0)).cache_lock();
    locks(&registers.gr0) || geometry.secure_state && locks(&registers.secure)
}
