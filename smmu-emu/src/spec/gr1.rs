// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Global space 1: attributes of the context banks.

use arbitrary_int::{u2, u4};
use bitbybit::bitfield;

use super::fields::fields;
pub use super::form::BankType;
use crate::spec::regs::frame;

frame! {
    /// The registers of global space 1; n is a context bank.
    pub enum Gr1 {
        /// Attributes of context bank n.
        Cbar "CBARn" = 0x000, 4 x 128, Rw, as Cbar, effect BankAttributes;
        /// Stream of the fault that context bank n has recorded.
        CbFrsynrA "CBFRSYNRAn" = 0x400, 4 x 128, Rw, as Cbfrsynra;
        /// More attributes of context bank n.
        Cba2r "CBA2Rn" = 0x800, 4 x 128, Rw, as Cba2r, needs VERSION_2, effect BankAttributes;
    }
}

fields! {
    #[bitfield(u32, introspect, debug, default = 0)]
    /// `CBARn`: attributes of a context bank, in four formats that TYPE chooses between.
    #[reset(Self::ZERO.with_kind(BankType::Stage1WithFault))]
    pub struct Cbar {
        /// Context interrupt of the bank (SMMUv1).
        #[bits(24..=31, rw)]
        irptndx: u8,
        /// Write-allocate hint of bypassed stage 2 (type 1).
        #[bits(22..=23, rw)]
        wacfg: u2,
        /// Read-allocate hint of bypassed stage 2 (type 1).
        #[bits(20..=21, rw)]
        racfg: u2,
        /// Barrier shareability upgrade (type 1).
        #[bits(18..=19, rw)]
        bsu: u2,
        /// The stages.
        #[bits(16..=17, rw)]
        kind: BankType,
        /// Memory type of bypassed stage 2 (type 1).
        #[bits(12..=15, rw)]
        memattr: u4,
        /// The stage 2 bank (type 3).
        #[bits(8..=15, rw)]
        cbndx: u8,
        /// Force broadcast (type 1).
        #[bit(11, rw)]
        fb: bool,
        /// Hypervisor context (type 1).
        #[bit(10, rw)]
        hypc: bool,
        /// Shareability of bypassed stage 2 (type 1).
        #[bits(8..=9, rw)]
        bpshcfg: u2,
        /// VMID, unless `sCR0.VMID16EN` (types 0, 1 and 3).
        #[bits(0..=7, rw)]
        vmid: u8,
    }
}

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `CBFRSYNRAn`: stream of a context fault.
    pub struct Cbfrsynra {
        /// Index into the security determination table; RAZ to Non-secure software.
        #[bits(16..=31, rw)]
        #[fixed(Secure)]
        ssd_index: u16,
        /// Stream ID.
        #[bits(0..=15, rw)]
        streamid: u16,
    }
}

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `CBA2Rn`: format and 16-bit VMID of a context bank.
    pub struct Cba2r {
        /// VMID if `sCR0.VMID16EN`.
        #[bits(16..=31, rw)]
        vmid16: u16,
        /// Monitor context; Secure only.
        #[bit(1, rw)]
        #[fixed(Secure)]
        monc: bool,
        /// AArch64 table format.
        #[bit(0, rw)]
        va64: bool,
    }
}
