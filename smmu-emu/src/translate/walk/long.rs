// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Long descriptors, both stages: AArch64 with granules of 4, 16 and 64 KiB, and AArch32 (LPAE).

use crate::arch::fault::ContextCause;
use crate::arch::transaction::Intent;
use crate::spec::desc::{Descriptor, Stage2Descriptor};
use crate::translate::regime::{Limits, LongStage1, Stage2Tables, Tree};
use crate::translate::walk::attributes::Attributes;
use crate::translate::walk::memory::DescriptorMemory;
use crate::translate::walk::permissions::{self, Restrictions};
use crate::translate::walk::{Leaf, TableRef, Tables, WalkFault};

/// Level of the last table.
const LAST: u32 = 3;
/// Attempts of a walk, which starts again if a descriptor that it was to update changed meanwhile.
const ATTEMPTS: u32 = 4;

/// The block or page descriptor that a walk ends at.
struct LongLeaf {
    descriptor: Descriptor,
    /// Address of the descriptor.
    at: u64,
    level: u32,
    /// log2 of what it maps.
    shift: u32,
    /// The output address.
    address: u64,
    above: Restrictions,
}

/// Walks stage 1 of a bank for `address`.
pub(super) fn stage1<M: DescriptorMemory>(
    regime: &LongStage1,
    memory: &M,
    address: u64,
    intent: Intent,
    from: Option<&TableRef>,
    tables: &mut Tables,
) -> Result<Leaf, WalkFault> {
    let LongStage1 { limits, rules, .. } = regime;
    let tree = regime
        .tree(address)
        .ok_or(WalkFault::stage1(ContextCause::Translation, limits.fault_level))?;
    for _ in 0..ATTEMPTS {
        let found = descend(tree, limits, memory, address, from, tables)?;
        let mut wanted = found.descriptor;
        // A write makes a clean page dirty: DBM marks what is read-only for that reason alone.
        let clean = limits.update_dirty && wanted.dbm() && wanted.read_only() && intent.write;
        if clean
            && rules
                .stage1(wanted.with_read_only(false), found.above)
                .allow(intent)
        {
            wanted = wanted.with_read_only(false);
        }
        let Some(raw) = settle(limits, memory, &found, wanted.raw_value())? else {
            continue;
        };
        let leaf = Descriptor::new_with_raw_value(raw);
        let mair = regime.mair.to_le_bytes()[usize::from(leaf.attrindx().value())];
        let attributes = Attributes::new(mair, leaf.sh().value());
        return Ok(Leaf {
            address: found.address,
            size: 1 << found.shift,
            level: found.level,
            attributes: attributes.mair,
            shareability: attributes.shareability,
            permissions: rules.stage1(leaf, found.above),
            global: rules.hypervisor || !leaf.ng(),
        });
    }
    Err(WalkFault::stage1(ContextCause::ExternalOnWalk, LAST))
}

/// Walks stage 2 for an intermediate address.
pub(super) fn stage2<M: DescriptorMemory>(
    regime: &Stage2Tables,
    memory: &M,
    ipa: u64,
    intent: Intent,
    from: Option<&TableRef>,
    tables: &mut Tables,
) -> Result<Leaf, WalkFault> {
    let Stage2Tables { tree, limits, .. } = regime;
    if !tree.serves(ipa) {
        return Err(WalkFault::stage1(ContextCause::Translation, limits.fault_level));
    }
    for _ in 0..ATTEMPTS {
        let found = descend(tree, limits, memory, ipa, from, tables)?;
        let mut wanted = Stage2Descriptor::new_with_raw_value(found.descriptor.raw_value());
        if limits.update_dirty && wanted.dbm() && intent.write {
            wanted = wanted.with_writable(true);
        }
        let Some(raw) = settle(limits, memory, &found, wanted.raw_value())? else {
            continue;
        };
        let leaf = Stage2Descriptor::new_with_raw_value(raw);
        let attributes = Attributes::from_memattr(leaf.memattr().value(), leaf.sh().value());
        return Ok(Leaf {
            address: found.address,
            size: 1 << found.shift,
            level: found.level,
            attributes: attributes.mair,
            shareability: attributes.shareability,
            permissions: permissions::stage2(leaf, regime.aarch64),
            global: true,
        });
    }
    Err(WalkFault::stage1(ContextCause::ExternalOnWalk, LAST))
}

/// From the first table, or the one given, to a block or page. Faults in the architecture's order: translation, then
/// address size.
fn descend<M: DescriptorMemory>(
    tree: &Tree,
    limits: &Limits,
    memory: &M,
    address: u64,
    from: Option<&TableRef>,
    tables: &mut Tables,
) -> Result<LongLeaf, WalkFault> {
    tables.clear();
    let input = address & (u64::MAX >> (64 - tree.bits));
    let page = tree.granule.shift();
    let stride = page - 3;
    // A table of another granule or of a tree of other levels, under the same tag, is none of this tree's.
    let fits = |table: &&TableRef| {
        (tree.first_level + 1..=LAST).contains(&table.level)
            && table.shift == page + stride * (LAST + 1 - table.level)
            && table.serves(address)
    };
    let below_first = (1 << stride) - 1;
    // The first table has as many entries as the input needs, which may be those of several tables.
    let (first, mut table, mut above, mut entries) = match from.filter(fits) {
        Some(table) => (table.level, table.address, table.above, below_first),
        None => {
            check_size(limits, tree.base, 0)?;
            (tree.first_level, tree.base, Restrictions::empty(), u64::MAX)
        }
    };
    // log2 of what an entry of the table covers.
    let mut shift = page + stride * (LAST - first);
    for level in first..=LAST {
        let at = table + ((input >> shift & entries) << 3);
        let descriptor = read(limits, memory, at, level)?;
        if !descriptor.valid() {
            return Err(WalkFault::stage1(ContextCause::Translation, level));
        }
        let mapped = descriptor.address().value() << 12;
        if level < LAST && descriptor.table_or_page() {
            table = mapped >> page << page;
            check_size(limits, table, level)?;
            if tree.hierarchy {
                above |= Restrictions::of(descriptor);
            }
            // There is room: a walk passes three at most.
            let _ = tables.try_push(TableRef {
                level: level + 1,
                address: table,
                above,
                input: address >> shift << shift,
                shift,
            });
            shift -= stride;
            entries = below_first;
            continue;
        }
        if !descriptor.table_or_page() && !tree.granule.has_block_at(level) {
            return Err(WalkFault::stage1(ContextCause::Translation, level));
        }
        let base = mapped >> shift << shift;
        check_size(limits, base, level)?;
        return Ok(LongLeaf {
            descriptor,
            at,
            level,
            shift,
            address: base | (input & ((1 << shift) - 1)),
            above,
        });
    }
    // The last level always returns above.
    Err(WalkFault::stage1(ContextCause::Translation, LAST))
}

/// The access flag, and what hardware writes back: `wanted` is the descriptor after the access but for the flag. `None`
/// if it changed under the walk.
fn settle<M: DescriptorMemory>(
    limits: &Limits,
    memory: &M,
    found: &LongLeaf,
    wanted: u64,
) -> Result<Option<u64>, WalkFault> {
    let mut wanted = wanted;
    if !found.descriptor.af() {
        if limits.update_access_flag {
            wanted |= Descriptor::af_mask();
        } else if limits.access_flag_faults {
            return Err(WalkFault::stage1(ContextCause::AccessFlag, found.level));
        }
    }
    let old = found.descriptor.raw_value();
    let in_memory = |value: u64| {
        if limits.big_endian {
            value.swap_bytes()
        } else {
            value
        }
    };
    let unchanged =
        wanted == old || memory.update(found.at, found.level, in_memory(old), in_memory(wanted))?;
    Ok(unchanged.then_some(wanted))
}

fn check_size(limits: &Limits, address: u64, level: u32) -> Result<(), WalkFault> {
    if address >> limits.output_bits == 0 {
        Ok(())
    } else {
        Err(WalkFault::stage1(ContextCause::AddressSize, level))
    }
}

fn read<M: DescriptorMemory>(
    limits: &Limits,
    memory: &M,
    address: u64,
    level: u32,
) -> Result<Descriptor, WalkFault> {
    let mut bytes = [0; 8];
    memory.read(address, level, &mut bytes)?;
    let raw = if limits.big_endian {
        u64::from_be_bytes(bytes)
    } else {
        u64::from_le_bytes(bytes)
    };
    Ok(Descriptor::new_with_raw_value(raw))
}
