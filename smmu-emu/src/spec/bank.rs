// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Field types of a context bank.

use arbitrary_int::{u2, u4};
use bitbybit::bitfield;
use bitflags::bitflags;

use super::fields::{fields, flags_as_fields};
pub use super::form::Format;

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `CBn_SCTLR`: system control. TRANSIENTCFG is BSU in a stage 2 bank.
    pub struct Sctlr {
        /// User cache maintenance.
        #[bit(30, rw)]
        uci: bool,
        /// Security attribute while translation is off.
        #[bits(28..=29, rw)]
        nscfg: u2,
        /// Write-allocate hint while translation is off.
        #[bits(26..=27, rw)]
        wacfg: u2,
        /// Read-allocate hint while translation is off.
        #[bits(24..=25, rw)]
        racfg: u2,
        /// Shareability while translation is off.
        #[bits(22..=23, rw)]
        shcfg: u2,
        /// Force broadcast; stage 2 only.
        #[bit(21, rw)]
        fb: bool,
        /// `memattr` replaces the memory type while translation is off.
        #[bit(20, rw)]
        mtcfg: bool,
        /// Memory type while translation is off.
        #[bits(16..=19, rw)]
        memattr: u4,
        /// Transient hint while translation is off.
        #[bits(14..=15, rw)]
        transientcfg: u2,
        /// Protected table walk; stage 2 only.
        #[bit(13, rw)]
        ptw: bool,
        /// ASID private namespace.
        #[bit(12, rw)]
        asidpne: bool,
        /// Unprivileged write permission implies privileged execute never.
        #[bit(10, rw)]
        uwxn: bool,
        /// Write permission implies execute never.
        #[bit(9, rw)]
        wxn: bool,
        /// Transactions go on under a recorded fault.
        #[bit(8, rw)]
        hupcf: bool,
        /// A fault stalls the transaction; it terminates if clear.
        #[bit(7, rw)]
        cfcfg: bool,
        /// Faults interrupt.
        #[bit(6, rw)]
        cfie: bool,
        /// Faults abort the transaction; it reads zero and its write is ignored if clear.
        #[bit(5, rw)]
        cfre: bool,
        /// Table walks are big-endian.
        #[bit(4, rw)]
        e: bool,
        /// Access flag faults are disabled.
        #[bit(3, rw)]
        affd: bool,
        /// Access flag in AP\[0\] (short format).
        #[bit(2, rw)]
        afe: bool,
        /// Type remap (short format).
        #[bit(1, rw)]
        tre: bool,
        /// Translation is on.
        #[bit(0, rw)]
        m: bool,
    }
}

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `CBn_ACTLR` of MMU-500, and of Qualcomm's.
    #[reset(Self::MMU_500)]
    pub struct Actlr {
        /// Depth of prefetching; Qualcomm's.
        #[bits(8..=9, rw)]
        prefetch: u2,
        /// Accesses to unmapped pages go to the page of GFX_PRR_CFG; Qualcomm's.
        #[bit(5, rw)]
        prr: bool,
        /// Prefetching into the walk cache.
        #[bit(1, rw)]
        cpre: bool,
        /// Caching in the macro TLB.
        #[bit(0, rw)]
        cmtlb: bool,
    }
}

impl Actlr {
    /// The fields that only Qualcomm's MMU-500 has.
    pub const QCOM: u32 = Self::prefetch_mask() | Self::prr_mask();
    /// MMU-500: both on.
    pub const MMU_500: Self = Self::ZERO.with_cpre(true).with_cmtlb(true);
}

bitflags! {
    /// `CBn_FSR`: faults of a context bank. All but SS are cleared by writing 1; FORMAT is derived.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct ContextFaults: u32 {
        /// Another fault happened while one was recorded.
        const MULTI = 1 << 31;
        /// A transaction is stalled.
        const SS = 1 << 30;
        /// Unsupported upstream transaction.
        const UUT = 1 << 8;
        /// Address size fault.
        const ASF = 1 << 7;
        /// TLB lock fault.
        const TLBLKF = 1 << 6;
        /// TLB match conflict fault.
        const TLBMCF = 1 << 5;
        /// External fault.
        const EF = 1 << 4;
        /// Permission fault.
        const PF = 1 << 3;
        /// Access flag fault.
        const AFF = 1 << 2;
        /// Translation fault.
        const TF = 1 << 1;
    }
}

impl ContextFaults {
    /// Bits that software can clear and restore.
    pub const CLEARABLE: Self = Self::all().difference(Self::SS);
}

flags_as_fields!(ContextFaults, writable ContextFaults::CLEARABLE);

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `CBn_FSYNR0`: syndrome of a context fault.
    pub struct Fsynr0 {
        /// Stage 1 bank of a nested fault; stage 2 only.
        #[bits(16..=23, rw)]
        s1cbndx: u8,
        /// Asynchronous fault.
        #[bit(11, rw)]
        afr: bool,
        /// External abort of a table walk.
        #[bit(10, rw)]
        ptwf: bool,
        /// An address translation operation faulted.
        #[bit(9, rw)]
        atof: bool,
        /// The transaction's Non-secure attribute.
        #[bit(8, rw)]
        nsattr: bool,
        /// The stream is Non-secure (SMMUv1).
        #[bit(7, rw)]
        nsstate: bool,
        /// Instruction fetch.
        #[bit(6, rw)]
        ind: bool,
        /// Privileged.
        #[bit(5, rw)]
        pnu: bool,
        /// Write.
        #[bit(4, rw)]
        wnr: bool,
        /// Stage 2 fault of a stage 1 walk; stage 2 only.
        #[bit(3, rw)]
        s1ptwf: bool,
        /// Fault of a nested translation; stage 2 only.
        #[bit(2, rw)]
        nested: bool,
        /// Level of the walk.
        #[bits(0..=1, rw)]
        plvl: u2,
    }
}
