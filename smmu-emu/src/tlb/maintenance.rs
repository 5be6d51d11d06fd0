// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What a TLB maintenance register asks for: every register and value format in one place (IHI 0062D §5, §9, §16).
//!
//! An operation acts for the regime, VMID and ASID width that the bank is configured with, also while the bank is off:
//! Linux clears SCTLR first and invalidates afterwards.

use crate::registers::file::Registers;
use crate::registers::options::Target;
use crate::spec::bank::Format;
use crate::spec::cb::Cb;
use crate::spec::gr0::Gr0;
use crate::translate::tag::{Space, Tag, truncated};

/// Which ASIDs an operation by address is for. Global entries match any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asids {
    /// Every one.
    All,
    /// This one.
    One(u16),
}

/// A TLB maintenance operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalidation {
    /// All of a regime.
    Space(Space),
    /// EL1&0 and stage 2, every VMID.
    NonHyp,
    /// A VMID, in one regime.
    Vmid(Space, u16),
    /// A VMID, in both stages.
    BothStages(u16),
    /// What is not global of an ASID.
    Asid(Tag),
    /// By address.
    Address {
        space: Space,
        vmid: u16,
        asids: Asids,
        /// Complete, as a lookup has it: bits 63 to 56 are those of the half.
        address: u64,
        /// Blocks and pages only, and not the tables above them.
        last_level: bool,
    },
}

/// The operation that a write of a register starts; `None` if the register is none of the bank's kind.
pub(crate) fn decode(registers: &Registers, target: Target, value: u64) -> Option<Invalidation> {
    match target {
        Target::Gr0(register, _) => global(registers, register, value),
        Target::Gr1(..) => None,
        Target::Cb(register, bank) => context(registers, register, bank, value),
    }
}

fn global(registers: &Registers, register: Gr0, value: u64) -> Option<Invalidation> {
    let wide = registers.scr0().vmid16en();
    let vmid = low16(if wide { value } else { value & 0xff });
    let hyp = |address, last_level| Invalidation::Address {
        space: Space::Hyp,
        vmid: 0,
        asids: Asids::All,
        address,
        last_level,
    };
    Some(match register {
        Gr0::Tlbivmid => Invalidation::BothStages(vmid),
        Gr0::Tlbivmids1 => Invalidation::Vmid(Space::El10, vmid),
        Gr0::Tlbiallnsnh => Invalidation::NonHyp,
        Gr0::Tlbiallh => Invalidation::Space(Space::Hyp),
        Gr0::Tlbivah => hyp(value & 0xffff_f000, false),
        Gr0::Tlbivah64 => hyp(extended(value), false),
        Gr0::Tlbivalh64 => hyp(extended(value), true),
        _ => return None,
    })
}

fn context(registers: &Registers, register: Cb, bank: u8, value: u64) -> Option<Invalidation> {
    let Tag { space, vmid, .. } = Tag::of(registers, bank);
    let aarch64 = registers.format(bank) == Format::AArch64;
    // An AArch32 bank does not see the upper half of a 64-bit write.
    let value = if aarch64 { value } else { value & 0xffff_ffff };
    let by_address = |any_asid, last_level| {
        // A hypervisor context has no ASIDs to compare.
        let asids = match (any_asid || space == Space::Hyp, aarch64) {
            (true, _) => Asids::All,
            (false, true) => Asids::One(truncated(registers, bank, value >> 48)),
            (false, false) => Asids::One(truncated(registers, bank, value)),
        };
        let address = if aarch64 {
            extended(value)
        } else {
            value & 0xffff_f000
        };
        Invalidation::Address {
            space,
            vmid,
            asids,
            address,
            last_level,
        }
    };
    let by_ipa = |last_level| Invalidation::Address {
        space,
        vmid,
        asids: Asids::All,
        address: (value & 0xf_ffff_ffff) << 12,
        last_level,
    };
    let operation = match (register, space) {
        (Cb::Tlbiall, Space::Stage2) => Invalidation::BothStages(vmid),
        (Cb::Tlbiall | Cb::Tlbiasid, Space::Hyp) => Invalidation::Space(Space::Hyp),
        (Cb::Tlbiall, Space::El10) => Invalidation::Vmid(space, vmid),
        (Cb::Tlbiipas2, Space::Stage2) => by_ipa(false),
        (Cb::Tlbiipas2l, Space::Stage2) => by_ipa(true),
        // The rest is stage 1's.
        (_, Space::Stage2) => return None,
        (Cb::Tlbiasid, Space::El10) => Invalidation::Asid(Tag {
            space,
            vmid,
            asid: truncated(registers, bank, value),
        }),
        (Cb::Tlbiva, _) => by_address(false, false),
        (Cb::Tlbivaa, _) => by_address(true, false),
        (Cb::Tlbival, _) => by_address(false, true),
        (Cb::Tlbivaal, _) => by_address(true, true),
        _ => return None,
    };
    Some(operation)
}

/// Address\[55:12\] from bits 43 to 0; bit 55 fills the rest.
const fn extended(value: u64) -> u64 {
    let address = (value & 0xfff_ffff_ffff) << 12;
    if address >> 55 == 1 {
        address | 0xff << 56
    } else {
        address
    }
}

const fn low16(value: u64) -> u16 {
    (value & 0xffff) as u16
}
