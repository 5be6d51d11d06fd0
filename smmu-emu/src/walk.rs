// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The table walk: VMSAv8-64 stage 1, granules of 4, 16 and 64 KiB.

use bitflags::bitflags;

use crate::env::Env;
use crate::fault::ContextCause;
use crate::regime::{Half, Stage1};
use crate::spec::desc::Descriptor;
use crate::translate::Intent;

bitflags! {
    /// What a mapping allows, for every kind of access.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub(crate) struct Permissions: u8 {
        /// Unprivileged data reads.
        const USER_READ = 1 << 0;
        /// Unprivileged writes.
        const USER_WRITE = 1 << 1;
        /// Unprivileged instruction fetches.
        const USER_FETCH = 1 << 2;
        /// Privileged data reads.
        const PRIVILEGED_READ = 1 << 3;
        /// Privileged writes.
        const PRIVILEGED_WRITE = 1 << 4;
        /// Privileged instruction fetches.
        const PRIVILEGED_FETCH = 1 << 5;
    }
}

impl Permissions {
    /// Whether an access may go on.
    pub(crate) const fn allow(self, intent: Intent) -> bool {
        let needed = match (intent.write, intent.instruction) {
            (true, _) => Self::USER_WRITE,
            (false, true) => Self::USER_FETCH,
            (false, false) => Self::USER_READ,
        };
        let shift = if intent.privileged { 3 } else { 0 };
        self.bits() & needed.bits() << shift != 0
    }
}

/// Where an address leads: one block or page of one stage. Says nothing of the access that asked, so that it can be
/// kept for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// The output address.
    pub(crate) address: u64,
    /// Size in bytes of the block or page.
    pub(crate) size: u64,
    /// Level of the descriptor, 0 to 3: where a permission fault is reported.
    pub(crate) level: u32,
    /// Memory attributes in the form of a byte of MAIR.
    pub(crate) attributes: u8,
    /// Shareability: 0 none, 2 outer, 3 inner.
    pub(crate) shareability: u8,
    /// What it allows.
    pub(crate) permissions: Permissions,
    /// Not tagged with an ASID (nG = 0); always so in stage 2.
    pub(crate) global: bool,
}

/// Why a walk ends without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WalkFault {
    /// The fault.
    pub(crate) cause: ContextCause,
    /// Level of the descriptor that caused it; 0 if none was read.
    pub(crate) level: u32,
    /// The intermediate address at which stage 2 faulted, if that was the stage.
    pub(crate) stage2: Option<Stage2Fault>,
}

/// What a fault of stage 2 has beyond one of stage 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stage2Fault {
    /// The intermediate physical address.
    pub(crate) ipa: u64,
    /// It was that of a stage 1 descriptor (`FSYNR0.S1PTWF`).
    pub(crate) stage1_walk: bool,
}

impl WalkFault {
    /// A fault of stage 1.
    pub(crate) const fn stage1(cause: ContextCause, level: u32) -> Self {
        Self {
            cause,
            level,
            stage2: None,
        }
    }
}

/// A table below the first, as a walk finds it: where a later walk can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableRef {
    /// Physical address.
    address: u64,
    /// Its level, 1 to 3.
    level: u32,
    /// log2 of the size of the addresses that it covers.
    pub(crate) covers: u32,
    /// What the tables above it take away.
    above: Restrictions,
}

/// What the tables above a leaf take away (APTable, UXNTable, PXNTable).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Restrictions {
    read_only: bool,
    privileged: bool,
    user_execute_never: bool,
    privileged_execute_never: bool,
}

/// Walks the tables of a bank for `address`, which is complete: sign extension has been done. Starts at a table that an
/// earlier walk found, and reports those that it finds.
///
/// # Errors
/// The first fault in the architecture's order: translation, address size, access flag. Permissions come after them,
/// and depend on the access ([`Permissions::allow`]).
pub(crate) fn stage1(
    regime: &Stage1,
    env: &dyn Env,
    address: u64,
    start: Option<TableRef>,
    found: &mut dyn FnMut(TableRef),
) -> Result<Leaf, WalkFault> {
    let at = |level| move |cause| WalkFault::stage1(cause, level);
    let half = half_of(regime, address).ok_or(at(0)(ContextCause::Translation))?;
    let bits = 64 - u32::from(half.size);
    let input = address & ((1 << bits) - 1);
    let stride = half.granule.shift() - 3;
    let levels = (bits - half.granule.shift()).div_ceil(stride);
    let shift_of = |level: u32| half.granule.shift() + stride * (3 - level);

    let mut first = 4 - levels;
    let first_table_bits = bits - shift_of(first) + 3;
    let mut table = half.base >> first_table_bits << first_table_bits;
    check_size(regime, table).map_err(at(0))?;
    let mut above = Restrictions::default();
    // A table of another granule, under the same tag, is none of this regime's.
    if let Some(start) = start.filter(|start| start.covers == shift_of(start.level - 1)) {
        (table, first, above) = (start.address, start.level, start.above);
    }
    for level in first..=3 {
        let shift = shift_of(level);
        let index = input >> shift & ((1 << stride) - 1);
        let descriptor = read(regime, env, table | index << 3).map_err(at(level))?;
        let mapped = descriptor.address().value() << 12;
        if !descriptor.valid() {
            return Err(at(level)(ContextCause::Translation));
        }
        if level < 3 && descriptor.table_or_page() {
            table = mapped >> half.granule.shift() << half.granule.shift();
            check_size(regime, table).map_err(at(level))?;
            above = above.and(descriptor);
            found(TableRef {
                address: table,
                level: level + 1,
                covers: shift,
                above,
            });
            continue;
        }
        if !descriptor.table_or_page() && !half.granule.has_block_at(level) {
            return Err(at(level)(ContextCause::Translation));
        }
        let base = mapped >> shift << shift;
        check_size(regime, base).map_err(at(level))?;
        if !descriptor.af() && regime.access_flag_faults {
            return Err(at(level)(ContextCause::AccessFlag));
        }
        let attributes = regime.mair.to_le_bytes()[usize::from(descriptor.attrindx().value())];
        let shareability = shareability(attributes, descriptor.sh().value());
        return Ok(Leaf {
            address: base | (input & ((1 << shift) - 1)),
            size: 1 << shift,
            level,
            attributes,
            shareability,
            permissions: permissions(regime, descriptor, above),
            global: !descriptor.ng(),
        });
    }
    // Level 3 always returns above.
    Err(at(3)(ContextCause::Translation))
}

/// The half that holds the address, unless none does: bits above it that are not all equal, a size out of range, or
/// walks disabled.
fn half_of(regime: &Stage1, address: u64) -> Option<&Half> {
    let upper = address >> 55 & 1 == 1;
    let half = &regime.halves[usize::from(upper)];
    if half.disabled || !(16..=39).contains(&half.size) {
        return None;
    }
    let bits = 64 - u32::from(half.size);
    let top = if half.ignores_top_byte { 55 } else { 63 };
    let unused = top + 1 - bits;
    let sign = address << (63 - top) >> (64 - unused);
    let expected = if upper { (1 << unused) - 1 } else { 0 };
    (sign == expected).then_some(half)
}

fn check_size(regime: &Stage1, address: u64) -> Result<(), ContextCause> {
    if address >> regime.output_bits == 0 {
        Ok(())
    } else {
        Err(ContextCause::AddressSize)
    }
}

fn read(regime: &Stage1, env: &dyn Env, address: u64) -> Result<Descriptor, ContextCause> {
    let mut bytes = [0; 8];
    env.read_memory(address, &mut bytes)
        .map_err(|_| ContextCause::ExternalOnWalk)?;
    let raw = if regime.big_endian {
        u64::from_be_bytes(bytes)
    } else {
        u64::from_le_bytes(bytes)
    };
    Ok(Descriptor::new_with_raw_value(raw))
}

impl Restrictions {
    fn and(self, table: Descriptor) -> Self {
        Self {
            read_only: self.read_only || table.aptable_read_only(),
            privileged: self.privileged || table.aptable_privileged(),
            user_execute_never: self.user_execute_never || table.uxntable(),
            privileged_execute_never: self.privileged_execute_never || table.pxntable(),
        }
    }
}

/// Stage 1 permissions of the EL1&0 regime (DDI 0487, "Access permissions").
fn permissions(regime: &Stage1, leaf: Descriptor, above: Restrictions) -> Permissions {
    let writable = !leaf.read_only() && !above.read_only;
    let user = leaf.unprivileged() && !above.privileged;
    let never = regime.write_implies_execute_never && writable;
    let user_fetch = user && !never && !leaf.uxn() && !above.user_execute_never;
    // What unprivileged software can write is never privileged code.
    let privileged_never = leaf.pxn() || above.privileged_execute_never || (user && writable);
    let mut permissions = Permissions::PRIVILEGED_READ;
    permissions.set(Permissions::PRIVILEGED_WRITE, writable);
    permissions.set(Permissions::PRIVILEGED_FETCH, !never && !privileged_never);
    permissions.set(Permissions::USER_READ, user);
    permissions.set(Permissions::USER_WRITE, user && writable);
    permissions.set(Permissions::USER_FETCH, user_fetch);
    permissions
}

/// Device memory and Normal Non-cacheable memory are outer shareable whatever the descriptor says.
fn shareability(attributes: u8, descriptor: u8) -> u8 {
    let device = attributes & 0xf0 == 0;
    if device || attributes == 0x44 {
        2
    } else {
        descriptor
    }
}

/// The address as a TLB entry is tagged with it: a top byte that is ignored is that of the half.
pub(crate) fn tagged(regime: &Stage1, address: u64) -> u64 {
    let upper = address >> 55 & 1 == 1;
    match (regime.halves[usize::from(upper)].ignores_top_byte, upper) {
        (false, _) => address,
        (true, false) => address & u64::MAX >> 8,
        (true, true) => address | 0xff << 56,
    }
}
