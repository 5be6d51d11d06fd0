// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Memory full of random tables. Every pointer leads to another random table of the next level, so any root and any
//! address make a walk; both sides see the same memory.

use fastrand::Rng;

use super::layout::{
    POOL, RAM, RAM_SIZE, SLOT, STAGE1, STAGE1_GROUP, STAGE1_OFFSET, STAGE1_SLOTS, STAGE2, STAGE2_SLOTS,
};
use super::shape::{Granule, Shape, Stage1, Stage2};
use super::short;

/// Address bits 29 and 28: with them an address is beyond RAM even if a block of 512 MiB or 1 GiB maps it there.
const NOWHERE: u64 = 3 << 28;

/// Slots of a level that are not a copy of another one: enough for the walks of a batch, and faster to make.
const DISTINCT: u64 = 4;

/// The tables of both stages.
#[derive(Debug, Clone)]
pub struct Tables {
    stage1: Vec<u8>,
    stage2: Vec<u8>,
}

/// True once in `n` times.
pub(super) fn once_in(rng: &mut Rng, n: u32) -> bool {
    rng.u32(0..n) == 0
}

/// A random number with at most this many bits.
pub(super) fn bits(rng: &mut Rng, count: u32) -> u64 {
    if count == 0 {
        0
    } else {
        rng.u64(..) >> (64 - count)
    }
}

impl Tables {
    /// Random tables.
    #[must_use]
    pub fn random(rng: &mut Rng, shape: Shape) -> Self {
        let mut stage1 = Vec::with_capacity(POOL as usize);
        for slot in 0..STAGE1_SLOTS {
            if shape.stage1.is_none() || slot / 4 >= DISTINCT {
                repeat(&mut stage1, slot % (4 * DISTINCT));
                continue;
            }
            let level = (slot % 4) as u32;
            match shape.stage1 {
                Some(Stage1::Short) => short::fill(&mut stage1, rng, shape, level),
                Some(Stage1::AArch64(granule)) => fill(&mut stage1, rng, shape, granule, level),
                _ => fill(&mut stage1, rng, shape, Granule::Size4K, level),
            }
        }
        let mut stage2 = Vec::with_capacity(POOL as usize);
        if let Some(format) = shape.stage2 {
            for slot in 0..4 * STAGE2_SLOTS {
                let (level, number) = (slot / STAGE2_SLOTS, slot % STAGE2_SLOTS);
                if number >= DISTINCT {
                    repeat(&mut stage2, level * STAGE2_SLOTS + number % DISTINCT);
                    continue;
                }
                for index in 0..SLOT / 8 {
                    let descriptor = stage2_descriptor(rng, format, level as u32, index);
                    stage2.extend(descriptor.to_le_bytes());
                }
            }
        }
        Self { stage1, stage2 }
    }

    /// The bytes at [`STAGE1`] and at [`STAGE2`].
    #[must_use]
    pub fn pools(&self) -> (&[u8], &[u8]) {
        (&self.stage1, &self.stage2)
    }

    /// Bytes that a walk reads there; `None` where there is no memory.
    ///
    /// # Panics
    /// A walk left the tables for memory that the guest or QEMU uses: a fault of the generator.
    #[must_use]
    pub fn read(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        if !(RAM..RAM + RAM_SIZE).contains(&address) {
            return None;
        }
        assert!(address >= STAGE2, "a walk at {address:#x}");
        let (pool, offset) = if address < STAGE1 {
            (&self.stage2, address - STAGE2)
        } else {
            (&self.stage1, address - STAGE1)
        };
        let offset = usize::try_from(offset).ok()?;
        // Memory behind the pools is never written.
        Some(
            pool.get(offset..offset + length)
                .map_or_else(|| vec![0; length], <[u8]>::to_vec),
        )
    }
}

/// Appends a copy of a slot, or zeros if there is none yet.
fn repeat(memory: &mut Vec<u8>, slot: u64) {
    let (from, to) = ((slot * SLOT) as usize, ((slot + 1) * SLOT) as usize);
    if to <= memory.len() {
        memory.extend_from_within(from..to);
    } else {
        memory.resize(memory.len() + SLOT as usize, 0);
    }
}

/// Appends a slot of long descriptors of stage 1.
fn fill(memory: &mut Vec<u8>, rng: &mut Rng, shape: Shape, granule: Granule, level: u32) {
    let set = contiguous(granule, level);
    let mut left = 0;
    let mut descriptor = 0;
    for index in 0..SLOT / 8 {
        if left > 0 {
            left -= 1;
            descriptor += 1 << granule.covers(level);
        } else {
            descriptor = stage1_descriptor(rng, shape, granule, level);
            let leaf = descriptor & 3 == if level == 3 { 3 } else { 1 };
            if set > 1 && index % set == 0 && leaf && once_in(rng, 4) {
                descriptor = descriptor & !((set << granule.covers(level)) - 0x1000) | 1 << 52;
                left = set - 1;
            }
        }
        memory.extend(if shape.big_endian {
            descriptor.to_be_bytes()
        } else {
            descriptor.to_le_bytes()
        });
    }
}

/// Descriptors of a contiguous set (DDI 0487): alike, of consecutive addresses from an aligned one. 1 for those whose
/// set is so large that [`output`] could not keep it from devices.
fn contiguous(granule: Granule, level: u32) -> u64 {
    match (granule, level) {
        (Granule::Size4K, 2 | 3) => 16,
        (Granule::Size16K, 3) => 128,
        (Granule::Size64K, 3) => 32,
        _ => 1,
    }
}

/// A pointer to a stage 1 table of this level, or to a descriptor in it, as stage 1 sees it: an intermediate address if
/// there is a stage 2.
pub(super) fn stage1_pointer(rng: &mut Rng, shape: Shape, level: u32, widest: u32) -> u64 {
    let offset = STAGE1_OFFSET + rng.u64(0..STAGE1_SLOTS / 4) * STAGE1_GROUP + u64::from(level) * SLOT;
    if shape.stage2.is_none() {
        let out = if widest > 32 && once_in(rng, 24) {
            1 << rng.u32(32..widest)
        } else {
            0
        };
        return (RAM + offset) | out;
    }
    let upper = match rng.u32(0..16) {
        0..=13 => 0,
        14 => bits(rng, 6),
        _ => bits(rng, widest.min(48) - 30),
    };
    let nowhere = if once_in(rng, 40) { NOWHERE } else { 0 };
    upper << 30 | offset | nowhere
}

/// An output address of up to 48 bits, aligned to `shift` bits most of the time (the rest is reserved, and ignored). A
/// walk with another granule may take it for a table, so it must not be that of a device.
fn output(rng: &mut Rng, shape: Shape, shift: u32) -> u64 {
    let width = [30, 32, 36, 40, 42, 44, 48][rng.usize(..7)].min(widest(shape));
    let mut address = bits(rng, width) >> 12 << 12;
    if shape.stage2.is_some() {
        address |= NOWHERE;
    } else if address >> 32 == 0 {
        address |= RAM | NOWHERE;
    }
    if once_in(rng, 8) {
        address
    } else {
        address >> shift << shift
    }
}

/// Bits of an output address that a descriptor can hold. ARMv7 leaves the bits above 40 to software that writes zeros;
/// ARMv8 makes an address size fault of them.
pub(super) fn widest(shape: Shape) -> u32 {
    if shape.armv7 { 40 } else { 48 }
}

fn stage1_descriptor(rng: &mut Rng, shape: Shape, granule: Granule, level: u32) -> u64 {
    let random = rng.u64(..);
    if once_in(rng, 32) {
        return random & !1;
    }
    let blocks = match level {
        0 => 24,
        1 => 7,
        2 => 4,
        _ => 24,
    };
    let block = once_in(rng, blocks);
    if level < 3 && !block {
        let mut limits = 0;
        for bit in 59..64 {
            if once_in(rng, 12) {
                limits |= 1 << bit;
            }
        }
        // Bits 58 to 52 and 11 to 2 are ignored in a table.
        return limits
            | random & 0x07f0_0000_0000_0ffc
            | stage1_pointer(rng, shape, level + 1, widest(shape))
            | 3;
    }
    // DBM (51) counts only where hardware updates the dirty state, contiguous (52) is a hint, bits 63 to 55 are
    // ignored.
    let mut attributes = random & 0xfff8_0000_0000_0bfc;
    if !once_in(rng, 10) {
        attributes |= 1 << 10;
    }
    if !once_in(rng, 4) {
        attributes = attributes & !(1 << 7) | 1 << 6;
    }
    if shape.armv7 || matches!(shape.stage1, Some(Stage1::Long)) {
        // Without DBM that bit must be zero.
        attributes &= !(1 << 51);
    }
    let shift = granule.covers(level);
    attributes | output(rng, shape, shift) | if block { 1 } else { 3 }
}

/// MemAttr of stage 2 without the reserved encodings 0bxx00 of Normal memory.
fn stage2_attributes(rng: &mut Rng) -> u64 {
    if once_in(rng, 6) {
        bits(rng, 2)
    } else {
        rng.u64(1..4) << 2 | rng.u64(1..4)
    }
}

fn stage2_descriptor(rng: &mut Rng, format: Stage2, level: u32, index: u64) -> u64 {
    let granule = format.granule();
    let random = rng.u64(..);
    if once_in(rng, 60) {
        return random & !1;
    }
    let blocks = match level {
        0 => 60,
        1 => 16,
        2 => 4,
        _ => 60,
    };
    let block = once_in(rng, blocks);
    let (widest, ignored) = match format {
        Stage2::AArch64(_) => (48, 0xff80_0000_0000_0000),
        Stage2::Long => (40, 0x0780_0000_0000_0000),
    };
    if level < 3 && !block {
        let table = STAGE2 + (u64::from(level) + 1) * STAGE2_SLOTS * SLOT + rng.u64(0..STAGE2_SLOTS) * SLOT;
        let out = if once_in(rng, 64) {
            1 << rng.u32(32..widest)
        } else {
            0
        };
        return random & (ignored | 0xffc) | table | out | 3;
    }
    // Contiguous is a hint, XN is for instruction fetches.
    let mut attributes = random & (ignored | 0x0050_0000_0000_0300) | stage2_attributes(rng) << 2;
    if !once_in(rng, 40) {
        attributes |= 1 << 10;
    }
    attributes |= if once_in(rng, 24) {
        bits(rng, 2) << 6
    } else {
        [1, 3, 3, 3][rng.usize(..4)] << 6
    };
    let shift = granule.covers(level);
    let address = if once_in(rng, 24) {
        // Above 4 GiB: below, devices would answer to a walk of stage 1.
        1 << rng.u32(32..widest) | bits(rng, 32) >> 12 << 12
    } else if block {
        // The lower bits of STAGE1 are those of STAGE1_OFFSET, so a block that holds all of it leads there.
        STAGE1 >> shift << shift
    } else {
        let page = index << shift & (STAGE1_GROUP - 1);
        STAGE1 + rng.u64(0..POOL / STAGE1_GROUP) * STAGE1_GROUP + page
    };
    attributes | address | if block { 1 } else { 3 }
}
