// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Translation table descriptors and `CBn_PAR`, AArch64 format (VMSAv8-64).

use arbitrary_int::{u2, u3, u36};
use bitbybit::bitfield;

/// A stage 1 descriptor of any kind: table, block or page.
#[bitfield(u64, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
pub struct Descriptor {
    /// Table: walks below are Non-secure.
    #[bit(63, rw)]
    nstable: bool,
    /// Table: nothing below can be written.
    #[bit(62, rw)]
    aptable_read_only: bool,
    /// Table: nothing below is accessible to unprivileged transactions.
    #[bit(61, rw)]
    aptable_privileged: bool,
    /// Table: nothing below is executable unprivileged.
    #[bit(60, rw)]
    uxntable: bool,
    /// Table: nothing below is executable privileged.
    #[bit(59, rw)]
    pxntable: bool,
    /// Not executable unprivileged.
    #[bit(54, rw)]
    uxn: bool,
    /// Not executable privileged.
    #[bit(53, rw)]
    pxn: bool,
    /// Hint: one of a contiguous set.
    #[bit(52, rw)]
    contiguous: bool,
    /// Address bits 47 to 12, of which the granule and the level use the upper ones.
    #[bits(12..=47, rw)]
    address: u36,
    /// Not global: tagged with the ASID.
    #[bit(11, rw)]
    ng: bool,
    /// Access flag.
    #[bit(10, rw)]
    af: bool,
    /// Shareability.
    #[bits(8..=9, rw)]
    sh: u2,
    /// Read-only.
    #[bit(7, rw)]
    read_only: bool,
    /// Accessible to unprivileged transactions.
    #[bit(6, rw)]
    unprivileged: bool,
    /// Output address is Non-secure.
    #[bit(5, rw)]
    ns: bool,
    /// Index into MAIR.
    #[bits(2..=4, rw)]
    attrindx: u3,
    /// Table, or page at the last level; block if clear.
    #[bit(1, rw)]
    table_or_page: bool,
    /// The descriptor is valid.
    #[bit(0, rw)]
    valid: bool,
}

/// `CBn_PAR` after a successful operation of a bank with long descriptors.
#[bitfield(u64, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
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

/// `CBn_PAR` after an operation that faulted.
#[bitfield(u64, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
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
