// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Long descriptors: AArch64 (VMSAv8-64) and AArch32 with the large physical address extension (LPAE).

use arbitrary_int::{u2, u3, u4, u36};
use bitbybit::bitfield;

/// A stage 1 descriptor of any kind: table, block or page. In AArch32, and where there is one privilege, UXN is XN.
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
    /// A write may clear `read_only` (hardware update of the dirty state).
    #[bit(51, rw)]
    dbm: bool,
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

/// A stage 2 descriptor of any kind: table, block or page. SMMUv2 has allocation hints in bits 63 to 60 of a block or
/// page that a PE does not have.
#[bitfield(u64, introspect, debug, forbid_overlaps, default = 0)]
#[derive(PartialEq, Eq)]
pub struct Stage2Descriptor {
    /// Write-allocate hint.
    #[bits(62..=63, rw)]
    wacfg: u2,
    /// Read-allocate hint.
    #[bits(60..=61, rw)]
    racfg: u2,
    /// Not executable.
    #[bit(54, rw)]
    xn: bool,
    /// Hint: one of a contiguous set.
    #[bit(52, rw)]
    contiguous: bool,
    /// Writable once its hardware update of the dirty state is on.
    #[bit(51, rw)]
    dbm: bool,
    /// Address bits 47 to 12.
    #[bits(12..=47, rw)]
    address: u36,
    /// Access flag.
    #[bit(10, rw)]
    af: bool,
    /// Shareability.
    #[bits(8..=9, rw)]
    sh: u2,
    /// Can be written (HAP\[1\]).
    #[bit(7, rw)]
    writable: bool,
    /// Can be read (HAP\[0\]).
    #[bit(6, rw)]
    readable: bool,
    /// Memory type.
    #[bits(2..=5, rw)]
    memattr: u4,
    /// Table, or page at the last level; block if clear.
    #[bit(1, rw)]
    table_or_page: bool,
    /// The descriptor is valid.
    #[bit(0, rw)]
    valid: bool,
}
