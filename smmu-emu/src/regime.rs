// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! From the registers of a context bank to what the walk needs.

use arbitrary_int::traits::Integer;

use crate::config::Geometry;
use crate::spec::bank::Format;
use crate::spec::cb::Cb;
use crate::spec::gr1::BankType;
use crate::spec::ident::address_bits;
use crate::state::Registers;

/// Size of the smallest page of AArch64 tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Granule {
    /// 4 KiB.
    Size4K,
    /// 16 KiB.
    Size16K,
    /// 64 KiB.
    Size64K,
}

impl Granule {
    /// log2 of the size in bytes.
    pub(crate) const fn shift(self) -> u32 {
        match self {
            Self::Size4K => 12,
            Self::Size16K => 14,
            Self::Size64K => 16,
        }
    }

    /// Whether a descriptor of this level may map a block. None at level 0: that would be 512 GiB.
    pub(crate) const fn has_block_at(self, level: u32) -> bool {
        match self {
            Self::Size4K => matches!(level, 1 | 2),
            Self::Size16K | Self::Size64K => level == 2,
        }
    }

    /// The granule that TG0 or TG1 names if it is implemented, or else the smallest that is: an implementation picks
    /// one for a reserved or missing encoding.
    fn chosen(named: Option<Self>, geometry: &Geometry) -> Self {
        let has = |granule: &Self| match granule {
            Self::Size4K => geometry.granule_4k,
            Self::Size16K => geometry.granule_16k,
            Self::Size64K => geometry.granule_64k,
        };
        let smallest = [Self::Size4K, Self::Size16K, Self::Size64K].into_iter().find(has);
        named.filter(has).or(smallest).unwrap_or(Self::Size4K)
    }
}

/// One half of the address space: what TTBR0 or TTBR1 describes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Half {
    /// TTBRn bits 47 to 0.
    pub(crate) base: u64,
    /// TnSZ: 64 less the number of address bits.
    pub(crate) size: u8,
    /// Size of a page.
    pub(crate) granule: Granule,
    /// EPDn: no walks.
    pub(crate) disabled: bool,
    /// TBIn: bits 63 to 56 of the address do not count.
    pub(crate) ignores_top_byte: bool,
}

/// Stage 1 of an AArch64 bank.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage1 {
    /// TTBR0's half, then TTBR1's.
    pub(crate) halves: [Half; 2],
    /// Bits of an output address: the smaller of TCR2.PASize and IDR2.OAS.
    pub(crate) output_bits: u32,
    /// MAIR1 and MAIR0.
    pub(crate) mair: u64,
    /// SCTLR.E.
    pub(crate) big_endian: bool,
    /// Not SCTLR.AFFD.
    pub(crate) access_flag_faults: bool,
    /// SCTLR.WXN.
    pub(crate) write_implies_execute_never: bool,
}

/// How a bank translates.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Regime {
    /// SCTLR.M = 0: addresses pass.
    Off,
    /// AArch64 stage 1 with stage 2 bypassed.
    Stage1(Stage1),
    /// A regime that the model does not walk: AArch32, stage 2, nested. Every address is a translation fault, at stage 2
    /// if the flag is set (see `docs/deviations.md`).
    NotModelled {
        /// Stage 2 is involved.
        stage2: bool,
    },
}

/// Reads the regime of a bank.
pub(crate) fn decode(registers: &Registers, geometry: &Geometry, bank: u8) -> Regime {
    let sctlr = registers.sctlr(bank);
    let kind = registers.cbar(bank).kind();
    let stage1_only = matches!(kind, BankType::Stage1 | BankType::Stage1WithFault);
    if !sctlr.m() && kind != BankType::Nested {
        return Regime::Off;
    }
    if !stage1_only {
        return Regime::NotModelled { stage2: true };
    }
    if registers.format(bank) != Format::AArch64 {
        return Regime::NotModelled { stage2: false };
    }
    let (tcr, tcr2) = (registers.tcr(bank), registers.tcr2(bank));
    let tg0 = match tcr.tg0().value() {
        0 => Some(Granule::Size4K),
        1 => Some(Granule::Size64K),
        2 => Some(Granule::Size16K),
        _ => None,
    };
    let tg1 = match tcr.tg1().value() {
        1 => Some(Granule::Size16K),
        2 => Some(Granule::Size4K),
        3 => Some(Granule::Size64K),
        _ => None,
    };
    let half = |ttbr, size, granule, disabled, ignores_top_byte| Half {
        base: registers.bank(bank, ttbr) & 0x0000_ffff_ffff_ffff,
        size,
        granule: Granule::chosen(granule, geometry),
        disabled,
        ignores_top_byte,
    };
    let implemented = geometry.address_bits;
    let output_bits = address_bits(tcr2.pasize().as_u8()).map_or(implemented, |bits| bits.min(implemented));
    Regime::Stage1(Stage1 {
        halves: [
            half(Cb::Ttbr0, tcr.t0sz().value(), tg0, tcr.epd0(), tcr2.tbi0()),
            half(Cb::Ttbr1, tcr.t1sz().value(), tg1, tcr.epd1(), tcr2.tbi1()),
        ],
        output_bits: output_bits.into(),
        mair: registers.bank(bank, Cb::Mair1) << 32 | registers.bank(bank, Cb::Mair0),
        big_endian: sctlr.e(),
        access_flag_faults: !sctlr.affd(),
        write_implies_execute_never: sctlr.wxn(),
    })
}

/// The address that a bank sees for a bus address of 49 bits, or `None` if the bits above the sign bit that TCR2.SEP
/// chooses are not zero (IDR2.UBS = 5).
pub(crate) fn extended(address: u64, sep: u8) -> Option<u64> {
    let sign = match sep {
        0 => 31,
        1 => 35,
        2 => 39,
        3 => 41,
        4 => 43,
        5 => 47,
        _ => 48,
    };
    if address >> sign > 1 {
        return None;
    }
    let negative = address >> sign & 1 == 1;
    Some(if negative {
        address | u64::MAX << sign
    } else {
        address
    })
}
