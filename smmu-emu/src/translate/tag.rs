// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Tag of a TLB entry: never a context bank's, always that of a regime with its VMID and ASID.

use crate::registers::file::Registers;
use crate::spec::bank::Format;
use crate::spec::cb::Cb;
use crate::spec::gr1::BankType;

/// Security state and translation regime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub(crate) enum Space {
    /// Stage 1 of the Non-secure EL1&0 regime: tagged with VMID and ASID.
    El10,
    /// Stage 1 of a hypervisor context (`CBAR.HYPC`): tagged with neither.
    Hyp,
    /// Non-secure stage 2: tagged with a VMID.
    Stage2,
}

/// The regime of a context bank with what tells its address spaces apart. What a regime is not tagged with is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Tag {
    pub(crate) space: Space,
    pub(crate) vmid: u16,
    pub(crate) asid: u16,
}

impl Tag {
    /// The tag of a bank as it is configured, whether or not it is on.
    pub(crate) fn of(registers: &Registers, bank: u8) -> Self {
        let cbar = registers.cbar(bank);
        match cbar.kind() {
            BankType::Stage2 => Self {
                space: Space::Stage2,
                vmid: vmid(registers, bank),
                asid: 0,
            },
            BankType::Stage1 if cbar.hypc() => Self {
                space: Space::Hyp,
                vmid: 0,
                asid: 0,
            },
            BankType::Stage1 | BankType::Stage1WithFault | BankType::Nested => Self {
                space: Space::El10,
                vmid: vmid(registers, bank),
                asid: asid(registers, bank),
            },
        }
    }
}

fn vmid(registers: &Registers, bank: u8) -> u16 {
    if registers.scr0().vmid16en() {
        registers.cba2r(bank).vmid16()
    } else {
        registers.cbar(bank).vmid().into()
    }
}

/// Short descriptors have their ASID in CONTEXTIDR, long ones in the TTBR that A1 names.
fn asid(registers: &Registers, bank: u8) -> u16 {
    let format = registers.format(bank);
    let register = match format {
        Format::Short => Cb::ContextIdr,
        Format::Long | Format::AArch64 if registers.tcr(bank).a1() => Cb::Ttbr1,
        Format::Long | Format::AArch64 => Cb::Ttbr0,
    };
    let value = registers.bank(bank, register);
    let asid = if format == Format::Short {
        value
    } else {
        value >> 48
    };
    truncated(registers, bank, asid)
}

/// The bits of an ASID that a bank compares: 16 with `TCR2.AS` in the AArch64 format, else 8.
#[expect(clippy::cast_possible_truncation, reason = "masked")]
pub(crate) fn truncated(registers: &Registers, bank: u8, asid: u64) -> u16 {
    let wide = registers.format(bank) == Format::AArch64 && registers.tcr2(bank).r#as();
    (asid & if wide { 0xffff } else { 0xff }) as u16
}
