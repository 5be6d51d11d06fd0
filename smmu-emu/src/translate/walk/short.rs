// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Short descriptors of AArch32: sections, supersections, large and small pages. Domains are ignored.

use crate::arch::fault::ContextCause;
use crate::spec::short::{Level1, Level2};
use crate::translate::regime::ShortStage1;
use crate::translate::walk::attributes::{from_tex, remapped};
use crate::translate::walk::memory::DescriptorMemory;
use crate::translate::walk::permissions::{Permissions, Restrictions};
use crate::translate::walk::{Leaf, TableRef, Tables, WalkFault};

/// log2 of what a first-level descriptor covers.
const SECTION: u32 = 20;

/// Parts that the four kinds of leaves have in common.
struct ShortLeaf {
    base: u64,
    /// log2 of the size.
    shift: u32,
    level: u32,
    /// AP\[2:0\].
    ap: u8,
    tex: u8,
    cb: u8,
    s: bool,
    ng: bool,
    xn: bool,
    pxn: bool,
}

/// Walks stage 1 of a bank for `address`.
pub(super) fn stage1<M: DescriptorMemory>(
    regime: &ShortStage1,
    memory: &M,
    address: u64,
    from: Option<&TableRef>,
    tables: &mut Tables,
) -> Result<Leaf, WalkFault> {
    let tree = regime
        .tree(address)
        .ok_or(WalkFault::stage1(ContextCause::Translation, 1))?;
    // A table of another format, under the same tag, is none of this regime's.
    let fits = |table: &&TableRef| table.level == 2 && table.shift == SECTION && table.serves(address);
    let found = match from.filter(fits) {
        Some(table) => second(regime, memory, address, table)?,
        None => {
            let index = address >> SECTION & 0xfff;
            let first = Level1::new_with_raw_value(read(regime, memory, tree.base + 4 * index, 1)?);
            match (first.is_section(), first.table_or_pxn()) {
                (false, false) => return Err(WalkFault::stage1(ContextCause::Translation, 1)),
                (false, true) => {
                    let mut above = Restrictions::empty();
                    above.set(Restrictions::PRIVILEGED_EXECUTE_NEVER, first.table_pxn());
                    let table = TableRef {
                        level: 2,
                        address: u64::from(first.table().value()) << 10,
                        above,
                        input: address >> SECTION << SECTION,
                        shift: SECTION,
                    };
                    let _ = tables.try_push(table);
                    second(regime, memory, address, &table)?
                }
                (true, _) => section(first),
            }
        }
    };
    leaf(regime, &found, address)
}

fn section(descriptor: Level1) -> ShortLeaf {
    let (base, shift) = if descriptor.is_supersection() {
        let base = u64::from(descriptor.address_39_36().value()) << 36
            | u64::from(descriptor.address_35_32().value()) << 32
            | u64::from(descriptor.supersection()) << 24;
        (base, 24)
    } else {
        (u64::from(descriptor.section().value()) << SECTION, SECTION)
    };
    ShortLeaf {
        base,
        shift,
        level: 1,
        ap: u8::from(descriptor.ap2()) << 2 | descriptor.ap().value(),
        tex: descriptor.tex().value(),
        cb: descriptor.cb().value(),
        s: descriptor.s(),
        ng: descriptor.ng(),
        xn: descriptor.xn(),
        pxn: descriptor.table_or_pxn(),
    }
}

fn second<M: DescriptorMemory>(
    regime: &ShortStage1,
    memory: &M,
    address: u64,
    table: &TableRef,
) -> Result<ShortLeaf, WalkFault> {
    let index = address >> 12 & 0xff;
    let descriptor = Level2::new_with_raw_value(read(regime, memory, table.address + 4 * index, 2)?);
    let (base, shift, tex, xn) = match (descriptor.is_small(), descriptor.large_or_xn()) {
        (false, false) => return Err(WalkFault::stage1(ContextCause::Translation, 2)),
        (false, true) => (
            u64::from(descriptor.large()) << 16,
            16,
            descriptor.large_tex(),
            descriptor.large_xn(),
        ),
        (true, xn) => (
            u64::from(descriptor.small().value()) << 12,
            12,
            descriptor.small_tex(),
            xn,
        ),
    };
    Ok(ShortLeaf {
        base,
        shift,
        level: 2,
        ap: u8::from(descriptor.ap2()) << 2 | descriptor.ap().value(),
        tex: tex.value(),
        cb: descriptor.cb().value(),
        s: descriptor.s(),
        ng: descriptor.ng(),
        xn,
        pxn: table.above.contains(Restrictions::PRIVILEGED_EXECUTE_NEVER),
    })
}

fn leaf(regime: &ShortStage1, found: &ShortLeaf, address: u64) -> Result<Leaf, WalkFault> {
    let fault = |cause| Err(WalkFault::stage1(cause, found.level));
    if found.base >> regime.output_bits != 0 {
        return fault(ContextCause::AddressSize);
    }
    let accessed = found.ap & 1 == 1;
    if regime.access_flag && !accessed && regime.access_flag_faults {
        return fault(ContextCause::AccessFlag);
    }
    let attributes = if regime.remap {
        remapped(regime.prrr_nmrr, found.tex, found.cb, found.s)
    } else {
        from_tex(found.tex, found.cb, found.s)
    };
    let data = data_accesses(found.ap, regime.access_flag);
    Ok(Leaf {
        address: found.base | (address & ((1 << found.shift) - 1)),
        size: 1 << found.shift,
        level: found.level,
        attributes: attributes.mair,
        shareability: attributes.shareability,
        permissions: regime.rules.with_fetches(data, found.xn, found.pxn),
        global: !found.ng,
    })
}

/// AP\[2:0\], or AP\[2:1\] where AP\[0\] is the access flag.
fn data_accesses(ap: u8, access_flag: bool) -> Permissions {
    let read_only = ap & 4 != 0;
    if access_flag {
        return Permissions::simple(read_only, ap & 2 != 0);
    }
    match ap & 3 {
        // 0b100 is reserved.
        0 => Permissions::empty(),
        1 => Permissions::simple(read_only, false),
        2 => Permissions::simple(read_only, false) | Permissions::USER_READ,
        _ => Permissions::simple(read_only, true),
    }
}

fn read<M: DescriptorMemory>(
    regime: &ShortStage1,
    memory: &M,
    address: u64,
    level: u32,
) -> Result<u32, WalkFault> {
    let mut bytes = [0; 4];
    memory.read(address, level, &mut bytes)?;
    Ok(if regime.big_endian {
        u32::from_be_bytes(bytes)
    } else {
        u32::from_le_bytes(bytes)
    })
}
