// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Random registers for a walk of a shape.

use fastrand::Rng;

use super::case::{Case, Operation};
use super::layout::{SLOT, STAGE2, STAGE2_SLOTS};
use super::shape::{Granule, Shape, Stage1, Stage2};
use super::tables::{bits, once_in, stage1_pointer, widest};

/// `HCR_EL2.VM`: stage 2 is on.
pub const HCR_VM: u64 = 1 << 0;
/// `HCR_EL2.PTW`: a walk of stage 1 must not end in Device memory of stage 2.
pub const HCR_PTW: u64 = 1 << 2;
/// `HCR_EL2.DC`: stage 1 is off, and its memory is Normal write-back.
pub const HCR_DC: u64 = 1 << 12;
/// `HCR_EL2.RW`: EL1 is AArch64.
pub const HCR_RW: u64 = 1 << 31;

const EPD0: u64 = 1 << 7;
const EPD1: u64 = 1 << 23;

/// Registers for one walk.
#[must_use]
pub fn random(rng: &mut Rng, shape: Shape) -> Case {
    let operation = Operation {
        write: once_in(rng, 2),
        user: once_in(rng, 3),
        both_stages: shape.stage2.is_some(),
    };
    let mut hcr = 0;
    if shape.stage2.is_some() {
        hcr |= HCR_VM;
        if once_in(rng, 6) {
            hcr |= HCR_PTW;
        }
    }
    if shape.stage1.is_none() {
        hcr |= HCR_DC;
    }
    if !matches!(shape.stage1, Some(Stage1::Long | Stage1::Short)) {
        hcr |= HCR_RW;
    }
    let case = Case {
        operation,
        address: 0,
        sctlr: sctlr(rng, shape),
        tcr: 0,
        ttbr0: 0,
        ttbr1: 0,
        mair: mair(rng),
        hcr,
        vtcr: 0,
        vttbr: 0,
    };
    let case = match shape.stage1 {
        None => {
            let width = [30, 32, 36, 40, 48][rng.usize(..5)];
            let width = if shape.armv7 { 32 } else { width };
            Case {
                address: bits(rng, width),
                ..case
            }
        }
        Some(Stage1::AArch64(granule)) => aarch64(rng, shape, granule, case),
        Some(Stage1::Long) => long(rng, shape, case),
        Some(Stage1::Short) => short(rng, shape, case),
    };
    match shape.stage2 {
        None => case,
        Some(format) => stage2(rng, format, case),
    }
}

fn sctlr(rng: &mut Rng, shape: Shape) -> u64 {
    let mut sctlr = u64::from(shape.stage1.is_some()) | u64::from(shape.big_endian) << 25;
    // WXN; in AArch32 also UWXN, TRE and AFE.
    sctlr |= bits(rng, 1) << 19;
    if matches!(shape.stage1, Some(Stage1::Short | Stage1::Long)) {
        sctlr |= bits(rng, 1) << 20 | bits(rng, 2) << 28;
    }
    sctlr
}

/// Eight attributes, none of a reserved encoding.
fn mair(rng: &mut Rng) -> u64 {
    (0..8).fold(0, |mair, _| {
        let byte = if once_in(rng, 3) {
            bits(rng, 2) << 2
        } else {
            rng.u64(1..16) << 4 | rng.u64(1..16)
        };
        mair << 8 | byte
    })
}

/// TnSZ for AArch64, 16 to 39 but for a few.
fn size(rng: &mut Rng) -> u64 {
    if once_in(rng, 24) {
        rng.u64(0..64)
    } else {
        rng.u64(16..40)
    }
}

/// The level at which a walk of this many address bits starts, 0 to 3 also for sizes that no walk can have.
fn first_level(granule: Granule, address_bits: u32) -> u32 {
    (0..=3)
        .find(|&level| granule.covers(level) < address_bits)
        .unwrap_or(3)
}

/// A translation table base in a slot: most bits below the slot's size are random, which makes tables that are smaller
/// than it start anywhere, and misaligned ones.
fn base(rng: &mut Rng, shape: Shape, level: u32, widest: u32) -> u64 {
    let low = if once_in(rng, 2) { bits(rng, 16) & !0xf } else { 0 };
    stage1_pointer(rng, shape, level, widest) | low
}

fn aarch64(rng: &mut Rng, shape: Shape, granule: Granule, case: Case) -> Case {
    let sizes = [size(rng), size(rng)];
    let mut tg = [granule.tg0(), granule.tg1()];
    if once_in(rng, 12) {
        tg = [rng.u64(0..4), rng.u64(0..4)];
    }
    let ips = if once_in(rng, 2) { rng.u64(0..8) } else { 5 };
    // Everything that is not a choice here is random: shareability and cacheability of walks, A1.
    let mut tcr = bits(rng, 32) & 0x3f40_3f00;
    tcr |= sizes[0] | sizes[1] << 16 | tg[0] << 14 | tg[1] << 30 | ips << 32;
    // AS, TBI0, TBI1.
    tcr |= bits(rng, 3) << 36;
    for epd in [EPD0, EPD1] {
        if once_in(rng, 16) {
            tcr |= epd;
        }
    }
    let ttbr = |rng: &mut Rng, size: u64| {
        let level = first_level(granule, 64 - (size as u32).min(63));
        base(rng, shape, level, 48) | bits(rng, 16) << 48
    };
    let (ttbr0, ttbr1) = (ttbr(rng, sizes[0]), ttbr(rng, sizes[1]));
    let upper = rng.usize(..2);
    let width = 64 - (sizes[upper] as u32).min(63);
    let mut address = bits(rng, width.min(63));
    if upper == 1 {
        address |= u64::MAX << width.min(63);
    }
    if once_in(rng, 8) {
        address = address & 0x00ff_ffff_ffff_ffff | bits(rng, 8) << 56;
    }
    if once_in(rng, 24) {
        address ^= 1 << rng.u32(24..64);
    }
    Case {
        address,
        tcr,
        ttbr0,
        ttbr1,
        ..case
    }
}

/// An address of AArch32, often in the upper or lower part of `2^(32 - size)` bytes.
fn address32(rng: &mut Rng, size: u32) -> u64 {
    let address = bits(rng, 32);
    match rng.u32(0..4) {
        0 => address | !(u64::MAX >> (32 + size)) & 0xffff_ffff,
        1 | 2 => address & 0xffff_ffff >> size,
        _ => address,
    }
}

fn long(rng: &mut Rng, shape: Shape, case: Case) -> Case {
    let mut size = || if once_in(rng, 2) { 0 } else { rng.u64(0..8) };
    let sizes = [size(), size()];
    let mut tcr = 1 << 31 | sizes[0] | sizes[1] << 16 | bits(rng, 32) & 0x3f40_3f00;
    for epd in [EPD0, EPD1] {
        if once_in(rng, 16) {
            tcr |= epd;
        }
    }
    let ttbr = |rng: &mut Rng, size: u64| {
        let level = if size > 1 { 2 } else { 1 };
        base(rng, shape, level, widest(shape)) | bits(rng, 8) << 48
    };
    let (ttbr0, ttbr1) = (ttbr(rng, sizes[0]), ttbr(rng, sizes[1]));
    let half = rng.usize(..2);
    Case {
        address: address32(rng, sizes[half] as u32),
        tcr,
        ttbr0,
        ttbr1,
        ..case
    }
}

fn short(rng: &mut Rng, shape: Shape, case: Case) -> Case {
    let split = if once_in(rng, 2) { 0 } else { rng.u64(0..8) };
    let mut tcr = split;
    // PD0 and PD1, which an ARMv7 CPU has with the Security Extensions; QEMU's has them not.
    for disable in [1 << 4, 1 << 5] {
        if !shape.armv7 && once_in(rng, 16) {
            tcr |= disable;
        }
    }
    // A root of 16 KiB or less anywhere in a slot; the lower bits are attributes of the walk.
    let mut ttbr = || stage1_pointer(rng, shape, 1, 32) & 0xffff_ffff | bits(rng, 16);
    let (ttbr0, ttbr1) = (ttbr(), ttbr());
    Case {
        address: address32(rng, split as u32),
        tcr,
        ttbr0,
        ttbr1,
        ..case
    }
}

fn stage2(rng: &mut Rng, format: Stage2, case: Case) -> Case {
    let granule = format.granule();
    let (address_bits, level) = stage2_size(rng, format);
    let sl0 = match granule {
        Granule::Size4K => 2_u64.saturating_sub(level.into()),
        Granule::Size16K | Granule::Size64K => 3 - u64::from(level),
    };
    let mut vtcr = 1 << 31 | sl0 << 6 | bits(rng, 32) & 0x3f00;
    match format {
        Stage2::AArch64(granule) => {
            let ps = if once_in(rng, 2) { rng.u64(0..6) } else { 5 };
            vtcr |= u64::from(64 - address_bits) | granule.tg0() << 14 | ps << 16;
        }
        Stage2::Long => {
            // Signed, and S has to repeat the sign.
            let size = u64::from(32_u32.wrapping_sub(address_bits)) & 0xf;
            vtcr |= size | (size & 8) << 1;
        }
    }
    let level_base = STAGE2 + u64::from(level) * STAGE2_SLOTS * SLOT;
    let mut vttbr = level_base | bits(rng, 8) << 48;
    if once_in(rng, 2) {
        vttbr |= bits(rng, 20) & !0xf;
    }
    if once_in(rng, 32) {
        vttbr |= 1 << rng.u32(32..if format == Stage2::Long { 40 } else { 48 });
    }
    // Most intermediate addresses in range.
    let address = if case.hcr & HCR_DC != 0 && !once_in(rng, 12) {
        case.address & u64::MAX >> (64 - address_bits)
    } else {
        case.address
    };
    Case {
        address,
        vtcr,
        vttbr,
        ..case
    }
}

/// Bits of an intermediate address, and the level at which the walk starts; now and then two that do not fit.
fn stage2_size(rng: &mut Rng, format: Stage2) -> (u32, u32) {
    let granule = format.granule();
    let (sizes, levels) = match format {
        Stage2::AArch64(Granule::Size4K) => (25..=48, 0..=2),
        // Level 0 needs 52-bit addresses.
        Stage2::AArch64(_) => (25..=48, 1..=3),
        Stage2::Long => (25..=40, 1..=2),
    };
    let concatenated = granule.shift() - 3 + 4;
    loop {
        let mut size = rng.u32(sizes.clone());
        if size < 31 && !once_in(rng, 3) {
            // Most stage 1 tables are out of reach.
            size += 9;
        }
        let level = rng.u32(levels.clone());
        let index = size.checked_sub(granule.covers(level));
        let fits = index.is_some_and(|bits| (1..=concatenated).contains(&bits));
        if fits || once_in(rng, 40) {
            return (size, level);
        }
    }
}
