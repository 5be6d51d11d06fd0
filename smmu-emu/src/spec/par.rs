// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `CBn_PAR` and `GPAR`: results of address translation operations.

use arbitrary_int::{u2, u3, u20, u36};
use bitbybit::bitfield;

use super::fields::fields;

fields! {
    #[bitfield(u64, introspect, debug, forbid_overlaps, default = 0)]
    /// `CBn_PAR` after a successful operation of a bank with long descriptors, AArch64 or AArch32.
    pub struct ParSuccess {
        /// Memory attributes, as in MAIR.
        #[bits(56..=63, rw)]
        attr: u8,
        /// Physical address bits 47 to 12.
        #[bits(12..=47, rw)]
        pa: u36,
        /// Reads 1.
        #[bit(11, rw)]
        one: bool,
        /// Shareability.
        #[bits(7..=8, rw)]
        sh: u2,
        /// Clear.
        #[bit(0, rw)]
        f: bool,
    }
}

fields! {
    #[bitfield(u64, introspect, debug, forbid_overlaps, default = 0)]
    /// `CBn_PAR` after an operation that faulted.
    #[applies(Faulted)]
    pub struct ParFault {
        /// Stage 2 faulted.
        #[bit(35, rw)]
        stage: bool,
        /// Level of the walk.
        #[bits(32..=33, rw)]
        plvl: u2,
        /// Terminated by a stage 2 fault.
        #[bit(31, rw)]
        atot: bool,
        /// Table format of the bank.
        #[bits(8..=9, rw)]
        format: u2,
        /// Address size fault.
        #[bit(7, rw)]
        asf: bool,
        /// TLB lock fault.
        #[bit(6, rw)]
        tlblkf: bool,
        /// TLB match conflict fault.
        #[bit(5, rw)]
        tlbmcf: bool,
        /// External fault.
        #[bit(4, rw)]
        ef: bool,
        /// Permission fault.
        #[bit(3, rw)]
        pf: bool,
        /// Access flag fault.
        #[bit(2, rw)]
        aff: bool,
        /// Translation fault.
        #[bit(1, rw)]
        tf: bool,
        /// Set.
        #[bit(0, rw)]
        f: bool,
    }
}

fields! {
    #[bitfield(u64, introspect, debug, forbid_overlaps, default = 0)]
    /// `CBn_PAR` after a successful operation of a bank with short descriptors.
    #[applies(Short)]
    pub struct ParShort {
        /// Physical address bits 31 to 12. Of a supersection: bits 31 to 24, then bits 39 to 32, then zeros.
        #[bits(12..=31, rw)]
        pa: u20,
        /// Shareable within the inner domain only.
        #[bit(10, rw)]
        nos: bool,
        /// Non-secure.
        #[bit(9, rw)]
        ns: bool,
        /// Shareable.
        #[bit(7, rw)]
        sh: bool,
        /// Inner memory type: 0 non-cacheable, 1 strongly ordered, 3 device, 5 write-back and write-allocate, 6
        /// write-through, 7 write-back.
        #[bits(4..=6, rw)]
        inner: u3,
        /// Outer memory type: 0 non-cacheable, 1 write-back and write-allocate, 2 write-through, 3 write-back.
        #[bits(2..=3, rw)]
        outer: u2,
        /// A supersection.
        #[bit(1, rw)]
        ss: bool,
        /// Clear.
        #[bit(0, rw)]
        f: bool,
    }
}
