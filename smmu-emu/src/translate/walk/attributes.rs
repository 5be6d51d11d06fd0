// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Memory types: a byte in the form of MAIR, and shareability.
//!
//! Every format's encoding becomes such a byte: `0b0000_dd00` is Device memory; otherwise the upper nibble is the outer
//! and the lower the inner cacheability, `0b0100` Non-cacheable, `0b10RW` write-through, `0b11RW` write-back, where R
//! and W are allocation hints.

/// Device-nGnRnE, "strongly ordered".
pub(super) const STRONGLY_ORDERED: u8 = 0x00;
/// Device-nGnRE, "device".
pub(super) const DEVICE: u8 = 0x04;
/// A nibble: Non-cacheable.
const NON_CACHEABLE: u8 = 0b0100;
/// Nibbles of the cacheability that the short format and NMRR encode as 0 to 3.
const CACHEABILITY: [u8; 4] = [NON_CACHEABLE, 0b1111, 0b1010, 0b1110];

/// Non-shareable, as descriptors encode it.
const NON_SHAREABLE: u8 = 0;
/// Outer shareable.
const OUTER: u8 = 2;
/// Inner shareable.
const INNER: u8 = 3;

/// A memory type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// A byte of MAIR.
    pub(crate) mair: u8,
    /// 0 none, 2 outer, 3 inner.
    pub(crate) shareability: u8,
}

/// Cacheability, weakest last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cacheable {
    Not,
    WriteThrough,
    WriteBack,
}

impl Attributes {
    /// Attributes that change nothing that they are combined with.
    pub(crate) const WEAKEST: Self = Self {
        mair: 0xff,
        shareability: NON_SHAREABLE,
    };

    /// Device memory and Normal Non-cacheable memory are outer shareable whatever the descriptor says.
    pub(super) const fn new(mair: u8, shareability: u8) -> Self {
        let outer = is_device(mair) || mair == NON_CACHEABLE << 4 | NON_CACHEABLE;
        Self {
            mair,
            shareability: if outer { OUTER } else { shareability },
        }
    }

    /// MemAttr of a stage 2 descriptor, of SCTLR and of CBAR: four bits.
    pub(crate) const fn from_memattr(memattr: u8, shareability: u8) -> Self {
        let (outer, inner) = (memattr >> 2 & 3, memattr & 3);
        let mair = if outer == 0 {
            inner << 2
        } else {
            normal(outer) << 4 | normal(inner)
        };
        Self::new(mair, shareability)
    }

    /// SHCFG and BPSHCFG: 1 outer, 2 inner, 3 none. 0 leaves it as it is: the weakest.
    pub(crate) const fn shareability_of_config(config: u8) -> u8 {
        match config {
            1 => OUTER,
            2 => INNER,
            _ => NON_SHAREABLE,
        }
    }

    /// Both stages together: the stronger type, the wider shareability; allocation hints of stage 1.
    pub(crate) fn combined(self, stage2: Self) -> Self {
        let mair = match (is_device(self.mair), is_device(stage2.mair)) {
            (true, true) => self.mair.min(stage2.mair),
            (true, false) => self.mair,
            (false, true) => stage2.mair,
            (false, false) => {
                weaker(self.mair >> 4, stage2.mair >> 4) << 4 | weaker(self.mair & 0xf, stage2.mair & 0xf)
            }
        };
        let either = |shareability| self.shareability == shareability || stage2.shareability == shareability;
        let shareability = [OUTER, INNER].into_iter().find(|&s| either(s));
        Self::new(mair, shareability.unwrap_or(NON_SHAREABLE))
    }
}

/// Whether a byte of MAIR is Device memory.
pub(crate) const fn is_device(mair: u8) -> bool {
    mair & 0xf0 == 0
}

/// Two bits of MemAttr to a nibble; the reserved 0 counts as Non-cacheable.
const fn normal(bits: u8) -> u8 {
    match bits {
        2 => 0b1011,
        3 => 0b1111,
        _ => NON_CACHEABLE,
    }
}

const fn cacheable(nibble: u8) -> Cacheable {
    match nibble >> 2 {
        // 0b00RW and 0b01RW are the transient forms.
        0 | 2 => Cacheable::WriteThrough,
        1 if nibble == NON_CACHEABLE => Cacheable::Not,
        _ => Cacheable::WriteBack,
    }
}

fn weaker(stage1: u8, stage2: u8) -> u8 {
    match cacheable(stage1).min(cacheable(stage2)) {
        Cacheable::Not => NON_CACHEABLE,
        same if same == cacheable(stage1) => stage1,
        _ => 0b1000 | stage1 & 3,
    }
}

/// TEX, C and B without remapping (SCTLR.TRE = 0). What is reserved or implementation defined is strongly ordered.
pub(super) fn from_tex(tex: u8, cb: u8, shareable: bool) -> Attributes {
    let cached = |outer: u8, inner: u8| {
        let nibble = |n: u8| CACHEABILITY.get(usize::from(n)).copied().unwrap_or(NON_CACHEABLE);
        nibble(outer) << 4 | nibble(inner)
    };
    let mair = match (tex, cb) {
        (0, 1) | (2, 0) => DEVICE,
        (0, 2 | 3) => cached(cb, cb),
        (1, 0) => cached(0, 0),
        (1, 3) => cached(1, 1),
        (4.., _) => cached(tex & 3, cb),
        _ => STRONGLY_ORDERED,
    };
    Attributes::new(mair, if shareable { INNER } else { NON_SHAREABLE })
}

/// PRRR (lower half) and NMRR (upper half) on TEX\[0\], C and B (SCTLR.TRE = 1).
pub(super) fn remapped(registers: u64, tex: u8, cb: u8, shareable: bool) -> Attributes {
    let n = (tex & 1) << 2 | cb;
    let bits = |shift: u8, mask: u64| registers >> shift & mask;
    let nibble = |shift: u8| match bits(shift, 3) {
        0 => CACHEABILITY[0],
        1 => CACHEABILITY[1],
        2 => CACHEABILITY[2],
        _ => CACHEABILITY[3],
    };
    let mair = match bits(2 * n, 3) {
        1 => DEVICE,
        2 => nibble(48 + 2 * n) << 4 | nibble(32 + 2 * n),
        _ => STRONGLY_ORDERED,
    };
    // NS0 and NS1 say what the S bit means, NOS which domain. Device memory ends as outer shareable in any case.
    let shared = bits(if shareable { 19 } else { 18 }, 1) == 1;
    let inner = bits(24 + n, 1) == 1;
    Attributes::new(
        mair,
        match (shared, inner) {
            (false, _) => NON_SHAREABLE,
            (true, true) => INNER,
            (true, false) => OUTER,
        },
    )
}
