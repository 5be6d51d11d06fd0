// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The table walk: VMSAv8-64 stage 1, granules of 4, 16 and 64 KiB.

use crate::env::Env;
use crate::fault::ContextCause;
use crate::regime::{Half, Stage1};
use crate::spec::desc::Descriptor;
use crate::translate::Intent;

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// The physical address.
    pub(crate) address: u64,
    /// Size in bytes of the block or page.
    pub(crate) size: u64,
    /// Memory attributes, a byte of MAIR.
    pub(crate) attributes: u8,
    /// Shareability: 0 none, 2 outer, 3 inner.
    pub(crate) shareability: u8,
}

/// Why a walk ends without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WalkFault {
    /// The fault.
    pub(crate) cause: ContextCause,
    /// Level of the descriptor that caused it; 0 if none was read.
    pub(crate) level: u32,
}

/// What the tables above a leaf take away (APTable, UXNTable, PXNTable).
#[derive(Clone, Copy, Default)]
struct Restrictions {
    read_only: bool,
    privileged: bool,
    user_execute_never: bool,
    privileged_execute_never: bool,
}

/// Walks the tables of a bank for `address`, which is complete: sign extension has been done.
///
/// # Errors
/// The first fault in the architecture's order: translation, address size, access flag, permission.
pub(crate) fn stage1(
    regime: &Stage1,
    env: &dyn Env,
    address: u64,
    intent: Intent,
) -> Result<Leaf, WalkFault> {
    let at = |level| move |cause| WalkFault { cause, level };
    let half = half_of(regime, address).ok_or(at(0)(ContextCause::Translation))?;
    let bits = 64 - u32::from(half.size);
    let input = address & ((1 << bits) - 1);
    let stride = half.granule.shift() - 3;
    let levels = (bits - half.granule.shift()).div_ceil(stride);
    let shift_of = |level: u32| half.granule.shift() + stride * (3 - level);

    let first = 4 - levels;
    let first_table_bits = bits - shift_of(first) + 3;
    let mut table = half.base >> first_table_bits << first_table_bits;
    check_size(regime, table).map_err(at(0))?;
    let mut above = Restrictions::default();
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
        if !permits(regime, descriptor, above, intent) {
            return Err(at(level)(ContextCause::Permission));
        }
        let attributes = regime.mair.to_le_bytes()[usize::from(descriptor.attrindx().value())];
        let shareability = shareability(attributes, descriptor.sh().value());
        return Ok(Leaf {
            address: base | (input & ((1 << shift) - 1)),
            size: 1 << shift,
            attributes,
            shareability,
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
fn permits(regime: &Stage1, leaf: Descriptor, above: Restrictions, intent: Intent) -> bool {
    let writable = !leaf.read_only() && !above.read_only;
    let user = leaf.unprivileged() && !above.privileged;
    let readable = intent.privileged || user;
    if intent.write {
        return writable && readable;
    }
    if !intent.instruction {
        return readable;
    }
    let never = if intent.privileged {
        // What unprivileged software can write is never privileged code.
        leaf.pxn() || above.privileged_execute_never || (user && writable)
    } else {
        leaf.uxn() || above.user_execute_never
    };
    readable && !never && !(regime.write_implies_execute_never && writable)
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
