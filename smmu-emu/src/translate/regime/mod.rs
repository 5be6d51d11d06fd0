// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Translation regime of a context bank, as the walks need it: plain values, which [`decode()`] reads from the
//! registers once.

mod decode;

pub(crate) use decode::decode;

use crate::translate::walk::{Attributes, PermissionRules};

/// Size of the smallest page of long descriptors.
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
}

/// Tables of long descriptors, and the input addresses that they serve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    /// First input address.
    first: u64,
    /// Last input address; below the first if there is none.
    last: u64,
    /// Address of the first table.
    pub(crate) base: u64,
    /// Bits of an input address, less those that are the same for the whole tree.
    pub(crate) bits: u32,
    /// Size of a page.
    pub(crate) granule: Granule,
    /// Level of the first table.
    pub(crate) first_level: u32,
    /// Table descriptors restrict what is below (stage 1, unless HAD).
    pub(crate) hierarchy: bool,
}

impl Tree {
    /// Whether an input address is one of this tree.
    pub(crate) const fn serves(&self, address: u64) -> bool {
        self.first <= address && address <= self.last
    }
}

/// Checks and updates of every walk of a stage of long descriptors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Last input address that the format has. Beyond is a translation fault, whatever the TLB holds.
    pub(crate) last_input: u64,
    /// Bits of an output address.
    pub(crate) output_bits: u32,
    /// Level that a fault without a descriptor has.
    pub(crate) fault_level: u32,
    /// SCTLR.E.
    pub(crate) big_endian: bool,
    /// Not SCTLR.AFFD.
    pub(crate) access_flag_faults: bool,
    /// HA: hardware sets the access flag.
    pub(crate) update_access_flag: bool,
    /// HD: hardware makes a clean page writable when it is written.
    pub(crate) update_dirty: bool,
}

/// Stage 1 in a long format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LongStage1 {
    /// TTBR0's, then TTBR1's.
    trees: [Tree; 2],
    /// TBI0, TBI1: bits 63 to 56 of the address do not count.
    ignores_top_byte: [bool; 2],
    /// Limits.
    pub(crate) limits: Limits,
    /// MAIR1 and MAIR0.
    pub(crate) mair: u64,
    /// Rules of permissions.
    pub(crate) rules: PermissionRules,
}

impl LongStage1 {
    /// The tables for a canonical address.
    pub(crate) fn tree(&self, address: u64) -> Option<&Tree> {
        self.trees.iter().find(|tree| tree.serves(address))
    }
}

/// Tables of short descriptors: first and last input address, address of the first table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortTree {
    first: u64,
    last: u64,
    /// Address of the first table.
    pub(crate) base: u64,
}

/// Stage 1 in the short format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortStage1 {
    trees: [ShortTree; 2],
    /// Bits of an output address.
    pub(crate) output_bits: u32,
    /// SCTLR.E.
    pub(crate) big_endian: bool,
    /// SCTLR.AFE: AP\[0\] is the access flag.
    pub(crate) access_flag: bool,
    /// Not SCTLR.AFFD.
    pub(crate) access_flag_faults: bool,
    /// SCTLR.TRE: PRRR and NMRR decide about memory types.
    pub(crate) remap: bool,
    /// NMRR and PRRR.
    pub(crate) prrr_nmrr: u64,
    /// Rules of permissions.
    pub(crate) rules: PermissionRules,
}

impl ShortStage1 {
    /// Last input address that the format has.
    pub(crate) const LAST_INPUT: u64 = u32::MAX as u64;

    /// The tables for an address.
    pub(crate) fn tree(&self, address: u64) -> Option<&ShortTree> {
        self.trees
            .iter()
            .find(|tree| tree.first <= address && address <= tree.last)
    }
}

/// A stage with SCTLR.M = 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Off {
    /// Bits of an input address; 64 checks nothing. Beyond is a translation fault.
    pub(crate) input_bits: u32,
    /// Bits of an output address. Beyond is an address size fault.
    pub(crate) output_bits: u32,
    /// The memory type, if SCTLR.MTCFG replaces the transaction's.
    pub(crate) attributes: Option<Attributes>,
}

impl Off {
    /// Stage 2 of a bank that has none: what stage 1 puts out has been checked.
    pub(crate) const BYPASS: Self = Self {
        input_bits: u64::BITS,
        output_bits: u64::BITS,
        attributes: None,
    };
}

/// Stage 1 of a bank.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage1 {
    /// SCTLR.M = 0.
    Off(Off),
    /// Long descriptors.
    Long(LongStage1),
    /// Short descriptors.
    Short(ShortStage1),
}

impl Stage1 {
    /// The address without a top byte that does not count.
    pub(crate) fn canonical(&self, address: u64) -> u64 {
        let Self::Long(LongStage1 { ignores_top_byte, .. }) = self else {
            return address;
        };
        match (address >> 55 & 1 == 1, ignores_top_byte) {
            (false, [true, _]) => address & (u64::MAX >> 8),
            (true, [_, true]) => address | !(u64::MAX >> 8),
            _ => address,
        }
    }
}

/// Stage 2 with its tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage2Tables {
    /// The tables.
    pub(crate) tree: Tree,
    /// Limits.
    pub(crate) limits: Limits,
    /// AArch64 rather than AArch32.
    pub(crate) aarch64: bool,
    /// SCTLR.PTW: stage 1 tables must not be in Device memory.
    pub(crate) protected_walks: bool,
}

/// Stage 2 of a bank, which is itself or the one that CBAR.CBNDX names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage2 {
    /// CBAR has the bank bypass it, and may give memory attributes for it.
    Bypassed(Option<Attributes>),
    /// SCTLR.M = 0.
    Off(Off),
    /// Tables.
    On(Stage2Tables),
}

/// Translation regime of a bank.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BankRegime {
    /// Stage 1; a stage 2 bank has none.
    pub(crate) stage1: Option<Stage1>,
    /// Stage 2.
    pub(crate) stage2: Stage2,
}

/// The sign bit of a bus address that TCR2.SEP chooses. The highest one is there on a bus of 49 bits alone (IDR2.UBS =
/// 5): narrower addresses are extended with zeros.
pub(crate) fn sign_bit(sep: u8, bus_bits: u8) -> Option<u8> {
    match sep {
        0 => Some(31),
        1 => Some(35),
        2 => Some(39),
        3 => Some(41),
        4 => Some(43),
        5 => Some(47),
        _ => (bus_bits == 49).then_some(48),
    }
}

/// The address that a bank sees for a bus address, or `None` if the bits above the sign bit are not zero.
pub(crate) fn extended(address: u64, sign: u8) -> Option<u64> {
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
