// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Register table and field types of the performance monitor, global page 3 (IHI 0062D §6).

use arbitrary_int::{u2, u4, u6, u7, u15};
use bitbybit::bitfield;

use super::fields::fields;
use crate::spec::regs::frame;

/// All bits of a 32-bit register.
const WORD: u32 = u32::MAX;

frame! {
    /// The registers of the performance monitor; n is a counter, a group, or a word of 32 counters.
    pub enum Pm needs MONITOR {
        /// Event counter n.
        PmEvCntr "PMEVCNTRn" = 0x000, 4 x 256, Rw, write WORD, effect Counters;
        /// Event that counter n counts.
        PmEvTyper "PMEVTYPERn" = 0x400, 4 x 256, Rw, as Pmevtyper, effect Counters;
        /// Configuration of counter group n.
        PmCgCr "PMCGCRn" = 0x800, 4 x 128, Rw, as Pmcgcr, effect Counters;
        /// Stream match of counter group n.
        PmCgSmr "PMCGSMRn" = 0xa00, 4 x 128, Rw, as Pmcgsmr, write WORD, effect Counters;
        /// Enables counters.
        PmCntEnSet "PMCNTENSETn" = 0xc00, 4 x 8, W1s, write WORD, effect Counters;
        /// Disables counters.
        PmCntEnClr "PMCNTENCLRn" = 0xc20, 4 x 8, W1c, alias of PmCntEnSet;
        /// Enables interrupts of counters.
        PmIntEnSet "PMINTENSETn" = 0xc40, 4 x 8, W1s, write WORD, effect Counters;
        /// Disables interrupts of counters.
        PmIntEnClr "PMINTENCLRn" = 0xc60, 4 x 8, W1c, alias of PmIntEnSet;
        /// Clears overflows of counters.
        PmOvsClr "PMOVSCLRn" = 0xc80, 4 x 8, W1c, alias of PmOvsSet;
        /// Sets overflows of counters.
        PmOvsSet "PMOVSSETn" = 0xcc0, 4 x 8, W1s, write WORD, effect Counters;
        /// Number and size of the counters.
        PmCfgr "PMCFGR" = 0xe00, 4, Ro, as Pmcfgr, effect Counters;
        /// Control of all counters.
        Pmcr "PMCR" = 0xe04, 4, Rw, as Pmcr, effect Counters;
        /// The events 0 to 31 that can be counted.
        PmCeid0 "PMCEID0" = 0xe20, 4, Ro, reset event::IDENTIFIED, effect Counters;
        /// The events 32 to 63 that can be counted.
        PmCeid1 "PMCEID1" = 0xe24, 4, Ro, effect Counters;
        /// Debug accesses that are allowed: Non-secure counters may count. SNID stays "not implemented".
        PmAuthStatus "PMAUTHSTATUS" = 0xfb8, 4, Ro, reset 0b11 << 2, effect Counters;
        /// Kind of the device: performance monitor of a memory management unit.
        PmDevType "PMDEVTYPE" = 0xfcc, 4, Ro, reset 0x56, effect Counters;
    }
}

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `PMEVTYPERn`: what a counter counts.
    pub struct Pmevtyper {
        /// Privileged accesses do not count, unless `nsp` says otherwise.
        #[bit(31, rw)]
        p: bool,
        /// Unprivileged accesses do not count, unless `nsu` says otherwise.
        #[bit(30, rw)]
        u: bool,
        /// Non-secure privileged accesses count if this is equal to `p`.
        #[bit(29, rw)]
        nsp: bool,
        /// Non-secure unprivileged accesses count if this is equal to `u`.
        #[bit(28, rw)]
        nsu: bool,
        /// The event.
        #[bits(0..=7, rw)]
        event: u8,
    }
}

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `PMCGCRn`: configuration of a counter group.
    pub struct Pmcgcr {
        /// Number of counters in the group; read-only.
        #[bits(24..=27, rw)]
        #[fixed(ReadOnly)]
        cgnc: u4,
        /// Group of streams whose events the counters see; read-only.
        #[bits(16..=22, rw)]
        #[fixed(ReadOnly)]
        sidg: u7,
        /// Events are exported.
        #[bit(12, rw)]
        #[fixed(Unimplemented)]
        x: bool,
        /// The group counts.
        #[bit(11, rw)]
        e: bool,
        /// The context bank `ndx` has a view of the group.
        #[bit(10, rw)]
        cbaen: bool,
        /// Transactions that count: 0 all, 1 those of the streams that PMCGSMR matches, 2 those of context bank `ndx`.
        #[bits(8..=9, rw)]
        tcefcfg: u2,
        /// Context bank.
        #[bits(0..=7, rw)]
        ndx: u8,
    }
}

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `PMCGSMRn`: stream match of a counter group, with `sCR0.EXIDENABLE` 16 bits each as in SMRn.
    pub struct Pmcgsmr {
        /// Bits of the stream ID to ignore.
        #[bits(16..=30, rw)]
        mask: u15,
        /// Stream ID to match.
        #[bits(0..=14, rw)]
        id: u15,
    }
}

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `PMCFGR`: number and size of the counters.
    pub struct Pmcfgr {
        /// Number of counter groups, less one.
        #[bits(24..=31, rw)]
        ncg: u8,
        /// Unprivileged software can be given access.
        #[bit(19, rw)]
        uen: bool,
        /// Events can be exported.
        #[bit(16, rw)]
        ex: bool,
        /// The cycle counter has a prescaler.
        #[bit(15, rw)]
        ccd: bool,
        /// There is a cycle counter of its own.
        #[bit(14, rw)]
        cc: bool,
        /// Bits of a counter, less one.
        #[bits(8..=13, rw)]
        size: u6,
        /// Number of counters, less one.
        #[bits(0..=7, rw)]
        n: u8,
    }
}

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `PMCR`: control of all counters.
    pub struct Pmcr {
        /// Events are exported.
        #[bit(4, rw)]
        #[fixed(Unimplemented)]
        x: bool,
        /// Sets all counters to zero; reads zero.
        #[bit(1, rw)]
        p: bool,
        /// Counters count.
        #[bit(0, rw)]
        e: bool,
    }
}

/// Events that can be counted, by number (IHI 0062D §6.3).
pub mod event {
    /// A cycle.
    pub const CYCLE: u8 = 0x00;
    /// 64 cycles.
    pub const CYCLES_64: u8 = 0x01;
    /// An entry of a TLB was allocated.
    pub const TLB_ALLOCATED: u8 = 0x08;
    /// An entry of a TLB was allocated for a read.
    pub const TLB_ALLOCATED_READ: u8 = 0x09;
    /// An entry of a TLB was allocated for a write.
    pub const TLB_ALLOCATED_WRITE: u8 = 0x0a;
    /// An access.
    pub const ACCESS: u8 = 0x10;
    /// A read.
    pub const ACCESS_READ: u8 = 0x11;
    /// A write.
    pub const ACCESS_WRITE: u8 = 0x12;

    /// `PMCEID0`: a bit for each of them.
    pub const IDENTIFIED: u32 = 1 << CYCLE
        | 1 << CYCLES_64
        | 1 << TLB_ALLOCATED
        | 1 << TLB_ALLOCATED_READ
        | 1 << TLB_ALLOCATED_WRITE
        | 1 << ACCESS
        | 1 << ACCESS_READ
        | 1 << ACCESS_WRITE;
}
