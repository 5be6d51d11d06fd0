// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Field types of global space 0: configuration, faults, stream matching.

use arbitrary_int::{u2, u4, u15, u52};
use bitbybit::{bitenum, bitfield};
use bitflags::bitflags;

/// `sCR0`: global configuration.
#[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
pub struct Scr0 {
    /// VMIDs have 16 bits and come from CBA2R.
    #[bit(31, rw)]
    vmid16en: bool,
    /// Hypervisor mode; reserved in this implementation.
    #[bit(30, rw)]
    hypmode: bool,
    /// Security attribute of bypassed transactions; Secure only.
    #[bits(28..=29, rw)]
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

impl Scr0 {
    /// NSCFG is Secure, HYPMODE and GSE are not implemented.
    pub const WRITE: u32 = !(Self::nscfg_mask() | Self::hypmode_mask() | Self::gse_mask());
}

/// `sCR2`: more global configuration.
#[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
pub struct Scr2 {
    /// Extended stream-matching groups are used (`IDR0.EXSMRGS`).
    #[bit(31, rw)]
    exsmrgenable: bool,
    /// Compressed indexing is used; reserved in this implementation.
    #[bit(29, rw)]
    compindexenable: bool,
    /// VMID of bypassed transactions.
    #[bits(0..=7, rw)]
    bpvmid: u8,
}

impl Scr2 {
    /// The VMID of bypassed transactions, and extended groups.
    pub const WRITE: u32 = Self::exsmrgenable_mask() | Self::bpvmid_mask();
}

/// `sACR` of MMU-500: implementation-defined global configuration (Non-secure view).
#[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
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

impl Sacr {
    /// Every bit of the Non-secure view.
    pub const WRITE: u32 = Self::normalize_mask()
        | Self::cache_lock_mask()
        | Self::dp4k_tbudisb_mask()
        | Self::dp4k_tcudisb_mask()
        | Self::pagesize_mask()
        | Self::s2crb_tlben_mask()
        | Self::mmudisb_tlben_mask()
        | Self::smtnmb_tlben_mask()
        | Self::ipa2pa_cen_mask()
        | Self::s2wc2en_mask()
        | Self::s1wc2en_mask();
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

/// `sGFSYNR0`: syndrome of the first global fault.
#[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
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

impl Gfsynr0 {
    /// Every field.
    pub const WRITE: u32 = Self::ats_mask()
        | Self::nsattr_mask()
        | Self::nsstate_mask()
        | Self::ind_mask()
        | Self::pnu_mask()
        | Self::wnr_mask()
        | Self::nested_mask();
}

/// `sGFSYNR1`: the stream of the first global fault.
#[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
pub struct Gfsynr1 {
    /// Index into the security determination table; RAZ to Non-secure software.
    #[bits(16..=31, rw)]
    ssd_index: u16,
    /// Stream ID.
    #[bits(0..=15, rw)]
    streamid: u16,
}

impl Gfsynr1 {
    /// The stream ID.
    pub const WRITE: u32 = Self::streamid_mask();
}

/// `SMRn`: stream match, in two formats that `sCR0.EXIDENABLE` chooses between.
#[bitfield(u32, introspect, debug, default = 0)]
#[derive(PartialEq, Eq)]
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

/// `S2CRn.TYPE`: what happens to the transactions of a stream.
#[bitenum(u2, exhaustive = false)]
#[derive(Debug, PartialEq, Eq)]
pub enum StreamType {
    /// Translated by a context bank.
    Translate = 0,
    /// Passed with the attributes of S2CR.
    Bypass = 1,
    /// Answered with an invalid context fault.
    Fault = 2,
}

/// `S2CRn.PRIVCFG`: override of the privilege of a transaction.
#[bitenum(u2, exhaustive = true)]
#[derive(Debug, PartialEq, Eq)]
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

/// `S2CRn.INSTCFG`: override of the instruction attribute of a read.
#[bitenum(u2, exhaustive = false)]
#[derive(Debug, PartialEq, Eq)]
pub enum InstructionConfig {
    /// As the transaction says.
    Default = 0,
    /// Data.
    Data = 2,
    /// Instruction.
    Instruction = 3,
}

/// `S2CRn`: stream to context. INSTCFG, PRIVCFG and CBNDX mean FB, BSU and VMID for a bypassing stream.
#[bitfield(u32, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
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
    /// What happens to transactions.
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

impl S2cr {
    /// Every field of every format, up to TRANSIENTCFG: one that the type reserves reads back what was written
    /// (IHI 0062D §9.5).
    pub const WRITE: u32 = u32::MAX >> (31 - *Self::TRANSIENTCFG_BITS.end());
}

/// `GATS1*` and `GATS12*`: a global address translation operation.
#[bitfield(u64, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
pub struct Gats {
    /// Address bits 63 to 12.
    #[bits(12..=63, rw)]
    address: u52,
    /// Context bank.
    #[bits(0..=7, rw)]
    ndx: u8,
}
