// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `CBn_TCR` in its formats, and `CBn_TCR2`.

use arbitrary_int::{u2, u3, u4, u6};
use bitbybit::bitfield;

use super::fields::fields;

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `CBn_TCR2`: more translation control.
    pub struct Tcr2 {
        /// Security of walks from TTBR1.
        #[bit(30, rw)]
        nscfg1: bool,
        /// Sign extension position.
        #[bits(15..=17, rw)]
        sep: u3,
        /// Security of walks from TTBR0.
        #[bit(14, rw)]
        nscfg0: bool,
        /// Hardware update of the dirty state.
        #[bit(11, rw)]
        hd: bool,
        /// Hardware update of the access flag.
        #[bit(10, rw)]
        ha: bool,
        /// Hierarchical attributes off for TTBR1.
        #[bit(9, rw)]
        had1: bool,
        /// Hierarchical attributes off for TTBR0.
        #[bit(8, rw)]
        had0: bool,
        /// The top byte of an address in TTBR1's half is ignored.
        #[bit(6, rw)]
        tbi1: bool,
        /// The top byte of an address in TTBR0's half is ignored.
        #[bit(5, rw)]
        tbi0: bool,
        /// ASIDs have 16 bits.
        #[bit(4, rw)]
        r#as: bool,
        /// Size of an output address.
        #[bits(0..=2, rw)]
        pasize: u3,
    }
}

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `CBn_TCR` of an AArch64 stage 1 bank.
    #[applies(AArch64)]
    pub struct Tcr64 {
        /// Granule of TTBR1: 1 = 16 KiB, 2 = 4 KiB, 3 = 64 KiB.
        #[bits(30..=31, rw)]
        tg1: u2,
        /// Shareability of walks from TTBR1.
        #[bits(28..=29, rw)]
        sh1: u2,
        /// Outer cacheability of walks from TTBR1.
        #[bits(26..=27, rw)]
        orgn1: u2,
        /// Inner cacheability of walks from TTBR1.
        #[bits(24..=25, rw)]
        irgn1: u2,
        /// Walks from TTBR1 are disabled.
        #[bit(23, rw)]
        epd1: bool,
        /// TTBR1 holds the ASID.
        #[bit(22, rw)]
        a1: bool,
        /// TTBR1's half has 64 less this many address bits.
        #[bits(16..=21, rw)]
        t1sz: u6,
        /// Granule of TTBR0: 0 = 4 KiB, 1 = 64 KiB, 2 = 16 KiB.
        #[bits(14..=15, rw)]
        tg0: u2,
        /// Shareability of walks from TTBR0.
        #[bits(12..=13, rw)]
        sh0: u2,
        /// Outer cacheability of walks from TTBR0.
        #[bits(10..=11, rw)]
        orgn0: u2,
        /// Inner cacheability of walks from TTBR0.
        #[bits(8..=9, rw)]
        irgn0: u2,
        /// Walks from TTBR0 are disabled.
        #[bit(7, rw)]
        epd0: bool,
        /// TTBR0's half has 64 less this many address bits.
        #[bits(0..=5, rw)]
        t0sz: u6,
    }
}

fields! {
    #[bitfield(u32, introspect, debug, default = 0)]
    /// `CBn_TCR` of an AArch32 stage 1 bank, in the formats of short and of long descriptors.
    pub struct Tcr32 {
        /// Long descriptors; short ones if clear.
        #[bit(31, rw)]
        eae: bool,
        /// Walks from TTBR1 are disabled (long).
        #[bit(23, rw)]
        epd1: bool,
        /// TTBR1 holds the ASID (long).
        #[bit(22, rw)]
        a1: bool,
        /// TTBR1's half has 32 less this many address bits, or what TTBR0 leaves if 0 (long).
        #[bits(16..=18, rw)]
        t1sz: u3,
        /// Walks from TTBR0 are disabled (long).
        #[bit(7, rw)]
        epd0: bool,
        /// Walks from TTBR1 are disabled (short).
        #[bit(5, rw)]
        pd1: bool,
        /// Walks from TTBR0 are disabled (short).
        #[bit(4, rw)]
        pd0: bool,
        /// TTBR0's half has 32 less this many address bits. Wider values, such as Linux writes, keep these three.
        #[bits(0..=2, rw)]
        t0sz: u3,
    }
}

fields! {
    #[bitfield(u32, introspect, debug, default = 0)]
    /// `CBn_TCR` of a stage 2 bank, in the formats of AArch64 and of AArch32 with long descriptors.
    #[applies(Stage2)]
    pub struct TcrStage2 {
        /// Hardware update of the dirty state (AArch64).
        #[bit(22, rw)]
        hd: bool,
        /// Hardware update of the access flag (AArch64).
        #[bit(21, rw)]
        ha: bool,
        /// Size of an output address (AArch64).
        #[bits(16..=18, rw)]
        pasize: u3,
        /// Granule, as TG0 (AArch64).
        #[bits(14..=15, rw)]
        tg0: u2,
        /// Shareability of walks.
        #[bits(12..=13, rw)]
        sh0: u2,
        /// Outer cacheability of walks.
        #[bits(10..=11, rw)]
        orgn0: u2,
        /// Inner cacheability of walks.
        #[bits(8..=9, rw)]
        irgn0: u2,
        /// Level of the first table; the granule decides how.
        #[bits(6..=7, rw)]
        sl0: u2,
        /// An intermediate address has 64 less this many bits (AArch64).
        #[bits(0..=5, rw)]
        t0sz: u6,
        /// An intermediate address has 32 less this many bits, signed (AArch32).
        #[bits(0..=3, rw)]
        t0sz_signed: u4,
    }
}
