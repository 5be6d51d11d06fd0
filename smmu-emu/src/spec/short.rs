// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Short descriptors of AArch32. Their domain field is ignored: an SMMU has no domain access control.

use arbitrary_int::{u2, u3, u4, u12, u20, u22};
use bitbybit::bitfield;

/// A first-level descriptor of any kind: table, section or supersection.
#[bitfield(u32, introspect, debug, default = 0)]
#[derive(PartialEq, Eq)]
pub struct Level1 {
    /// Address of the table, bits 31 to 10.
    #[bits(10..=31, rw)]
    table: u22,
    /// Address of the section, bits 31 to 20.
    #[bits(20..=31, rw)]
    section: u12,
    /// Address of the supersection, bits 31 to 24.
    #[bits(24..=31, rw)]
    supersection: u8,
    /// Supersection: address bits 35 to 32.
    #[bits(20..=23, rw)]
    address_35_32: u4,
    /// A supersection; a section if clear.
    #[bit(18, rw)]
    is_supersection: bool,
    /// Not global: tagged with the ASID.
    #[bit(17, rw)]
    ng: bool,
    /// Shareable.
    #[bit(16, rw)]
    s: bool,
    /// AP\[2\]: read-only.
    #[bit(15, rw)]
    ap2: bool,
    /// Memory type, upper bits.
    #[bits(12..=14, rw)]
    tex: u3,
    /// AP\[1:0\].
    #[bits(10..=11, rw)]
    ap: u2,
    /// Supersection: address bits 39 to 36.
    #[bits(5..=8, rw)]
    address_39_36: u4,
    /// Not executable.
    #[bit(4, rw)]
    xn: bool,
    /// Memory type, lower bits: C and B.
    #[bits(2..=3, rw)]
    cb: u2,
    /// Table: not executable privileged.
    #[bit(2, rw)]
    table_pxn: bool,
    /// Section or supersection.
    #[bit(1, rw)]
    is_section: bool,
    /// Table; in a section, not executable privileged.
    #[bit(0, rw)]
    table_or_pxn: bool,
}

/// A second-level descriptor of any kind: large page or small page.
#[bitfield(u32, introspect, debug, default = 0)]
#[derive(PartialEq, Eq)]
pub struct Level2 {
    /// Address of the small page, bits 31 to 12.
    #[bits(12..=31, rw)]
    small: u20,
    /// Address of the large page, bits 31 to 16.
    #[bits(16..=31, rw)]
    large: u16,
    /// Large page: not executable.
    #[bit(15, rw)]
    large_xn: bool,
    /// Large page: memory type, upper bits.
    #[bits(12..=14, rw)]
    large_tex: u3,
    /// Not global: tagged with the ASID.
    #[bit(11, rw)]
    ng: bool,
    /// Shareable.
    #[bit(10, rw)]
    s: bool,
    /// AP\[2\]: read-only.
    #[bit(9, rw)]
    ap2: bool,
    /// Small page: memory type, upper bits.
    #[bits(6..=8, rw)]
    small_tex: u3,
    /// AP\[1:0\].
    #[bits(4..=5, rw)]
    ap: u2,
    /// Memory type, lower bits: C and B.
    #[bits(2..=3, rw)]
    cb: u2,
    /// Small page.
    #[bit(1, rw)]
    is_small: bool,
    /// Large page; in a small page, not executable.
    #[bit(0, rw)]
    large_or_xn: bool,
}
