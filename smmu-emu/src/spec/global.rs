// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Field types of global space 0: configuration, faults, stream matching.

use arbitrary_int::{u2, u4, u15, u52};
use bitbybit::{bitenum, bitfield};
use bitflags::bitflags;

use super::fields::{encoding, fields, flags_as_fields};

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `sCR0`: global configuration.
    #[reset(Self::ZERO.with_clientpd(true))]
    pub struct Scr0 {
        /// VMIDs have 16 bits and come from CBA2R.
        #[bit(31, rw)]
        vmid16en: bool,
        /// Hypervisor mode; reserved in this implementation.
        #[bit(30, rw)]
        #[fixed(Unimplemented)]
        hypmode: bool,
        /// Security attribute of bypassed transactions; Secure only.
        #[bits(28..=29, rw)]
        #[fixed(Secure)]
        nscfg: u2,
        /// Write-allocate hint of bypassed transactions.
        #[bits(26..=27, rw)]
        wacfg: u2,
        /// Read-allocate hint of bypassed transactions.
        #[bits(24..=25, rw)]
        racfg: u2,
        /// Shareability of bypassed transactions.
        #[bits(22..=23, rw)]
        shcfg: u2,
        /// A stream ID that matches several groups faults; it bypasses if clear.
        #[bit(21, rw)]
        smcfcfg: bool,
        /// `memattr` replaces the memory type of bypassed transactions.
        #[bit(20, rw)]
        mtcfg: bool,
        /// Memory type of bypassed transactions.
        #[bits(16..=19, rw)]
        memattr: u4,
        /// Barrier shareability upgrade of bypassed transactions.
        #[bits(14..=15, rw)]
        bsu: u2,
        /// Force broadcast for bypassed transactions.
        #[bit(13, rw)]
        fb: bool,
        /// Private TLB maintenance: broadcast operations are ignored.
        #[bit(12, rw)]
        ptm: bool,
        /// VMID private namespace.
        #[bit(11, rw)]
        vmidpne: bool,
        /// A stream ID that matches no group faults; it bypasses if clear.
        #[bit(10, rw)]
        usfcfg: bool,
        /// Global stall enable.
        #[bit(9, rw)]
        #[fixed(Unimplemented)]
        gse: bool,
        /// Stalls are disabled.
        #[bit(8, rw)]
        stalld: bool,
        /// Transient hint of bypassed transactions.
        #[bits(6..=7, rw)]
        transientcfg: u2,
        /// Configuration access faults interrupt.
        #[bit(5, rw)]
        gcfgfie: bool,
        /// Configuration access faults abort.
        #[bit(4, rw)]
        gcfgfre: bool,
        /// Stream IDs have 16 bits.
        #[bit(3, rw)]
        exidenable: bool,
        /// Global faults interrupt.
        #[bit(2, rw)]
        gfie: bool,
        /// Global faults abort the transaction; it reads zero and its write is ignored if clear.
        #[bit(1, rw)]
        gfre: bool,
        /// No client is translated: every transaction bypasses.
        #[bit(0, rw)]
        clientpd: bool,
    }
}

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `sCR2`: more global configuration.
    pub struct Scr2 {
        /// Extended stream-matching groups are used (`IDR0.EXSMRGS`).
        #[bit(31, rw)]
        exsmrgenable: bool,
        /// Compressed indexing is used; reserved in this implementation.
        #[bit(29, rw)]
        #[fixed(Unimplemented)]
        compindexenable: bool,
        /// VMID of bypassed transactions.
        #[bits(0..=7, rw)]
        bpvmid: u8,
    }
}

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `sACR` of MMU-500: implementation-defined global configuration (Non-secure view).
    #[reset(Self::MMU_500)]
    pub struct Sacr {
        /// Normalises memory types.
        #[bit(27, rw)]
        normalize: bool,
        /// Writes of `CBn_ACTLR` are ignored (r2 and later).
        #[bit(26, rw)]
        cache_lock: bool,
        /// 4 KiB dependence check off in the TBU.
        #[bit(25, rw)]
        dp4k_tbudisb: bool,
        /// 4 KiB dependence check off in the TCU.
        #[bit(24, rw)]
        dp4k_tcudisb: bool,
        /// Page size of the TLB entries for disabled translation.
        #[bit(16, rw)]
        pagesize: bool,
        /// TLB entries for bypassing streams.
        #[bit(10, rw)]
        s2crb_tlben: bool,
        /// TLB entries for disabled banks.
        #[bit(9, rw)]
        mmudisb_tlben: bool,
        /// TLB entries for unmatched streams.
        #[bit(8, rw)]
        smtnmb_tlben: bool,
        /// Cache of intermediate to physical addresses.
        #[bit(4, rw)]
        ipa2pa_cen: bool,
        /// Stage 2 walk cache.
        #[bit(3, rw)]
        s2wc2en: bool,
        /// Stage 1 walk cache.
        #[bit(2, rw)]
        s1wc2en: bool,
    }
}

impl Sacr {
    /// MMU-500: locked, walk caches on.
    pub const MMU_500: Self = Self::ZERO
        .with_cache_lock(true)
        .with_ipa2pa_cen(true)
        .with_s2wc2en(true)
        .with_s1wc2en(true);
}

bitflags! {
    /// `sGFSR`: global faults, cleared by writing 1.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct GlobalFaults: u32 {
        /// Another fault happened while one was recorded.
        const MULTI = 1 << 31;
        /// Unsupported upstream transaction.
        const UUT = 1 << 8;
        /// Permission fault; Secure only.
        const PF = 1 << 7;
        /// External fault.
        const EF = 1 << 6;
        /// Configuration access fault.
        const CAF = 1 << 5;
        /// Unimplemented context interrupt.
        const UCIF = 1 << 4;
        /// Unimplemented context bank.
        const UCBF = 1 << 3;
        /// Stream match conflict.
        const SMCF = 1 << 2;
        /// Unidentified stream.
        const USF = 1 << 1;
        /// Invalid context.
        const ICF = 1 << 0;
    }
}

impl GlobalFaults {
    /// The bits of the Non-secure view.
    pub const NON_SECURE: Self = Self::all().difference(Self::PF);
}

flags_as_fields!(GlobalFaults, writable GlobalFaults::NON_SECURE);

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `sGFSYNR0`: syndrome of the first global fault.
    pub struct Gfsynr0 {
        /// An address translation operation faulted.
        #[bit(6, rw)]
        ats: bool,
        /// The transaction's Non-secure attribute.
        #[bit(5, rw)]
        nsattr: bool,
        /// The stream is Non-secure.
        #[bit(4, rw)]
        nsstate: bool,
        /// Instruction fetch.
        #[bit(3, rw)]
        ind: bool,
        /// Privileged.
        #[bit(2, rw)]
        pnu: bool,
        /// Write.
        #[bit(1, rw)]
        wnr: bool,
        /// The fault was in the configuration of a context.
        #[bit(0, rw)]
        nested: bool,
    }
}

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `sGFSYNR1`: the stream of the first global fault.
    pub struct Gfsynr1 {
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
    #[bitfield(u32, introspect, debug, default = 0)]
    /// `SMRn`: stream match, in two formats that `sCR0.EXIDENABLE` chooses between.
    pub struct Smr {
        /// The group takes part in matching (EXIDENABLE = 0).
        #[bit(31, rw)]
        valid: bool,
        /// Bits of the stream ID to ignore (EXIDENABLE = 0).
        #[bits(16..=30, rw)]
        mask: u15,
        /// Stream ID to match (EXIDENABLE = 0).
        #[bits(0..=14, rw)]
        id: u15,
        /// Bits of the stream ID to ignore (EXIDENABLE = 1).
        #[bits(16..=31, rw)]
        exmask: u16,
        /// Stream ID to match (EXIDENABLE = 1).
        #[bits(0..=15, rw)]
        exid: u16,
    }
}

encoding! {
    /// `S2CRn.TYPE`: what happens to the transactions of a stream.
    #[bitenum(u2, exhaustive = false)]
    pub enum StreamType {
        /// Translated by a context bank.
        Translate = 0,
        /// Passed with the attributes of S2CR.
        Bypass = 1,
        /// Answered with an invalid context fault.
        Fault = 2,
    }
}

encoding! {
    /// `S2CRn.PRIVCFG`: override of the privilege of a transaction.
    #[bitenum(u2, exhaustive = true)]
    pub enum PrivilegeConfig {
        /// As the transaction says.
        Default = 0,
        /// As the transaction says, privileged accesses to user data denied (`IDR2.DIPANS`).
        Dipan = 1,
        /// Unprivileged.
        Unprivileged = 2,
        /// Privileged.
        Privileged = 3,
    }
}

encoding! {
    /// `S2CRn.INSTCFG`: override of the instruction attribute of a read.
    #[bitenum(u2, exhaustive = false)]
    pub enum InstructionConfig {
        /// As the transaction says.
        Default = 0,
        /// Data.
        Data = 2,
        /// Instruction.
        Instruction = 3,
    }
}

fields! {
    #[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
    /// `S2CRn`: stream to context. INSTCFG, PRIVCFG and CBNDX mean FB, BSU and VMID for a bypassing stream.
    pub struct S2cr {
        /// Transient hint.
        #[bits(28..=29, rw)]
        transientcfg: u2,
        /// Instruction fetch override.
        #[bits(26..=27, rw)]
        instcfg: Option<InstructionConfig>,
        /// Privilege override.
        #[bits(24..=25, rw)]
        privcfg: PrivilegeConfig,
        /// Write-allocate hint.
        #[bits(22..=23, rw)]
        wacfg: u2,
        /// Read-allocate hint.
        #[bits(20..=21, rw)]
        racfg: u2,
        /// Security attribute.
        #[bits(18..=19, rw)]
        nscfg: u2,
        /// Fate of transactions.
        #[bits(16..=17, rw)]
        kind: Option<StreamType>,
        /// Memory type.
        #[bits(12..=15, rw)]
        memattr: u4,
        /// `memattr` replaces the transaction's.
        #[bit(11, rw)]
        mtcfg: bool,
        /// The group takes part in matching (EXIDENABLE = 1).
        #[bit(10, rw)]
        exidvalid: bool,
        /// Shareability.
        #[bits(8..=9, rw)]
        shcfg: u2,
        /// Context bank.
        #[bits(0..=7, rw)]
        cbndx: u8,
    }
}

fields! {
    #[bitfield(u64, introspect, debug, forbid_overlaps, default = 0)]
    /// `GATS1*` and `GATS12*`: a global address translation operation.
    pub struct Gats {
        /// Address bits 63 to 12.
        #[bits(12..=63, rw)]
        address: u52,
        /// Context bank.
        #[bits(0..=7, rw)]
        ndx: u8,
    }
}
