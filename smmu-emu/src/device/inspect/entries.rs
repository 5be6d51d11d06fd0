// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Contents of the TLB.

use crate::arch::stage::Stage;
use crate::device::smmu::Smmu;
use crate::tlb::{Content, Entry};
use crate::translate::tag::{Space, Tag};
use crate::translate::walk::Permissions;

/// Translation regime of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Regime {
    /// Stage 1 of the Non-secure EL1&0 regime, tagged with VMID and ASID.
    El1And0,
    /// Stage 1 of a hypervisor context, tagged with neither.
    Hypervisor,
    /// Stage 2, tagged with a VMID.
    Stage2,
}

/// An entry of the TLB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlbEntry {
    /// The regime.
    pub regime: Regime,
    /// The VMID; 0 where there is none.
    pub vmid: u16,
    /// The ASID; `None` for all of them.
    pub asid: Option<u16>,
    /// The first input address.
    pub address: u64,
    /// Bytes of input addresses.
    pub size: u64,
    /// Content of the entry.
    pub held: Held,
}

/// Content of an entry of the TLB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A block or page.
    Leaf {
        /// Output address of the first byte.
        output: u64,
        /// Level of its descriptor.
        level: u32,
        /// Memory attributes, a byte of MAIR.
        attributes: u8,
        /// The kinds of access that it allows.
        permissions: Allowed,
    },
    /// A table, as a place to start a walk.
    Table {
        /// Address of the table.
        table: u64,
        /// Level of its descriptors.
        level: u32,
    },
}

impl Regime {
    /// The stage that it translates.
    #[must_use]
    pub const fn stage(self) -> Stage {
        match self {
            Self::El1And0 | Self::Hypervisor => Stage::First,
            Self::Stage2 => Stage::Second,
        }
    }

    const fn of(tag: Tag) -> Self {
        match tag.space {
            Space::El10 => Self::El1And0,
            Space::Hyp => Self::Hypervisor,
            Space::Stage2 => Self::Stage2,
        }
    }
}

/// The kinds of access that a mapping allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Allowed(pub(super) Permissions);

impl Allowed {
    /// Their names, such as `USER_READ`.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.0.iter_names().map(|(name, _)| name)
    }
}

impl Smmu {
    /// Contents of the TLB: blocks and pages, then tables, in no particular order. What invalidations have made void is
    /// not among it. The units of DMA threads ([`crate::Tbu`]) hold copies of some of it.
    pub fn tlb_entries(&self) -> impl Iterator<Item = TlbEntry> + use<'_> {
        self.tlb.entries().map(
            |Entry {
                 tag,
                 address,
                 content,
             }| {
                let (has_asid, held) = match content {
                    Content::Leaf(leaf) => {
                        let held = Held::Leaf {
                            output: leaf.address,
                            level: leaf.level,
                            attributes: leaf.attributes,
                            permissions: Allowed(leaf.permissions),
                        };
                        (!leaf.global, held)
                    }
                    Content::Table(table) => {
                        let held = Held::Table {
                            table: table.address,
                            level: table.level,
                        };
                        (tag.space == Space::El10, held)
                    }
                };
                TlbEntry {
                    regime: Regime::of(tag),
                    vmid: tag.vmid,
                    asid: has_asid.then_some(tag.asid),
                    address,
                    size: content.size(),
                    held,
                }
            },
        )
    }
}
