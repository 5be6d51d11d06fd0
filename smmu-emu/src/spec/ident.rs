// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Identification registers of global space 0: what the implementation can do.

use arbitrary_int::{u2, u3, u4, u11};
use bitbybit::bitfield;

use super::fields::fields;

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `IDR0`: translation stages, stream matching, formats.
    pub struct Idr0 {
        /// Security extensions; RAZ to Non-secure software.
        #[bit(31, rw)]
        ses: bool,
        /// Stage 1 translation.
        #[bit(30, rw)]
        s1ts: bool,
        /// Stage 2 translation.
        #[bit(29, rw)]
        s2ts: bool,
        /// Nested translation.
        #[bit(28, rw)]
        nts: bool,
        /// Stream matching; stream indexing if clear.
        #[bit(27, rw)]
        sms: bool,
        /// Address translation operations are **not** there.
        #[bit(26, rw)]
        atosns: bool,
        /// AArch32 table formats: 0 short and long, 1 long only, 2 none.
        #[bits(24..=25, rw)]
        ptfs: u2,
        /// Number of context interrupts; in version 2, 1 means one per bank.
        #[bits(16..=23, rw)]
        numirpt: u8,
        /// Extended stream-matching groups.
        #[bit(15, rw)]
        exsmrgs: bool,
        /// Table walks are coherent.
        #[bit(14, rw)]
        cttw: bool,
        /// Broadcast TLB maintenance.
        #[bit(13, rw)]
        btm: bool,
        /// Bits of a stream ID.
        #[bits(9..=12, rw)]
        numsidb: u4,
        /// 16-bit stream IDs.
        #[bit(8, rw)]
        exids: bool,
        /// Number of stream-matching groups.
        #[bits(0..=7, rw)]
        numsmrg: u8,
    }
}

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `IDR1`: the address map and the context banks.
    pub struct Idr1 {
        /// Register pages are 64 KiB.
        #[bit(31, rw)]
        pagesize: bool,
        /// NUMPAGE is two to the power of this plus one.
        #[bits(28..=30, rw)]
        numpagendxb: u3,
        /// Hardware update of access and dirty flags.
        #[bits(24..=25, rw)]
        hafdbs: u2,
        /// Number of banks with stage 2 only, the lowest ones.
        #[bits(16..=23, rw)]
        nums2cb: u8,
        /// Detection of conflicting stream matches is guaranteed.
        #[bit(15, rw)]
        smcd: bool,
        /// Stream-to-security-state table.
        #[bits(12..=13, rw)]
        ssdtp: u2,
        /// Bits of an index into that table, less one.
        #[bits(8..=11, rw)]
        numssdndxb: u4,
        /// Number of context banks.
        #[bits(0..=7, rw)]
        numcb: u8,
    }
}

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `IDR2`: address sizes and AArch64 formats.
    pub struct Idr2 {
        /// Privileged access never, by stream.
        #[bit(30, rw)]
        dipans: bool,
        /// Compressed stream indexing.
        #[bit(29, rw)]
        compindexs: bool,
        /// Hierarchical attributes can be disabled.
        #[bit(28, rw)]
        hads: bool,
        /// The EL2 host regime.
        #[bit(27, rw)]
        e2hs: bool,
        /// Number of extended stream-matching groups.
        #[bits(16..=26, rw)]
        exnumsmrg: u11,
        /// 16-bit VMIDs.
        #[bit(15, rw)]
        vmid16s: bool,
        /// 64 KiB granule.
        #[bit(14, rw)]
        ptfsv8_64k: bool,
        /// 16 KiB granule.
        #[bit(13, rw)]
        ptfsv8_16k: bool,
        /// 4 KiB granule.
        #[bit(12, rw)]
        ptfsv8_4k: bool,
        /// Size of an upstream address; 5 is 49 bits, 15 is 64 bits.
        #[bits(8..=11, rw)]
        ubs: u4,
        /// Size of an output address.
        #[bits(4..=7, rw)]
        oas: u4,
        /// Size of an intermediate address.
        #[bits(0..=3, rw)]
        ias: u4,
    }
}

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `IDR7`: revision of the implementation.
    pub struct Idr7 {
        /// Major revision.
        #[bits(4..=7, rw)]
        major: u4,
        /// Minor revision.
        #[bits(0..=3, rw)]
        minor: u4,
    }
}

/// Bits of an address by its encoding in IDR2, TCR2 and TCR; `None` for a reserved one.
#[must_use]
pub const fn address_bits(encoding: u8) -> Option<u8> {
    match encoding {
        0 => Some(32),
        1 => Some(36),
        2 => Some(40),
        3 => Some(42),
        4 => Some(44),
        5 => Some(48),
        _ => None,
    }
}
