// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Operations of the TLB maintenance registers: every register and value format in one place (IHI 0062D §5, §9, §16).
//!
//! An operation acts for the regime, VMID and ASID width that the bank is configured with, also while the bank is off:
//! Linux clears SCTLR first and invalidates afterwards.

use crate::registers::file::Registers;
use crate::spec::bank::Format;
use crate::spec::effect::{BankMaintenance, Maintenance};
use crate::translate::tag::{Space, Tag, truncated};

/// ASIDs that an operation by address is for. Global entries match any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub(crate) enum Asids {
    /// Every one.
    All,
    /// This one.
    One(u16),
}

/// A TLB maintenance operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub(crate) enum Invalidation {
    /// All of a regime.
    Space(Space),
    /// EL1&0 and stage 2, every VMID.
    NonHyp,
    /// A VMID, in one regime.
    Vmid(Space, u16),
    /// A VMID, in both stages.
    BothStages(u16),
    /// An ASID, but for global entries.
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

/// The operation that a write of a global register starts.
pub(crate) fn decode(registers: &Registers, operation: Maintenance, value: u64) -> Invalidation {
    let wide = registers.scr0().vmid16en();
    let vmid = low16(if wide { value } else { value & 0xff });
    let hyp = |address, last_level| Invalidation::Address {
        space: Space::Hyp,
        vmid: 0,
        asids: Asids::All,
        address,
        last_level,
    };
    match operation {
        Maintenance::Vmid => Invalidation::BothStages(vmid),
        Maintenance::VmidStage1 => Invalidation::Vmid(Space::El10, vmid),
        Maintenance::NonHypervisor => Invalidation::NonHyp,
        Maintenance::Hypervisor => Invalidation::Space(Space::Hyp),
        Maintenance::HypervisorAddress32 => hyp(value & 0xffff_f000, false),
        Maintenance::HypervisorAddress64 { last_level } => hyp(extended(value), last_level),
    }
}

/// The operation that a write of a register of a context bank starts; `None` if the register is none of the bank's
/// stage.
pub(crate) fn decode_bank(
    registers: &Registers,
    operation: BankMaintenance,
    bank: u8,
    value: u64,
) -> Option<Invalidation> {
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
    let operation = match (operation, space) {
        (BankMaintenance::All, Space::Stage2) => Invalidation::BothStages(vmid),
        (BankMaintenance::All | BankMaintenance::Asid, Space::Hyp) => Invalidation::Space(Space::Hyp),
        (BankMaintenance::All, Space::El10) => Invalidation::Vmid(space, vmid),
        (BankMaintenance::Intermediate { last_level }, Space::Stage2) => by_ipa(last_level),
        // Each stage has its own.
        (BankMaintenance::Intermediate { .. }, Space::El10 | Space::Hyp)
        | (BankMaintenance::Asid | BankMaintenance::Address { .. }, Space::Stage2) => return None,
        (BankMaintenance::Asid, Space::El10) => Invalidation::Asid(Tag {
            space,
            vmid,
            asid: truncated(registers, bank, value),
        }),
        (BankMaintenance::Address { any_asid, last_level }, Space::El10 | Space::Hyp) => {
            by_address(any_asid, last_level)
        }
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
