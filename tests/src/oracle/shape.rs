// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Kind of walk that a batch has.

use std::fmt;

/// Granule of AArch64 tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granule {
    /// 4 KiB.
    Size4K,
    /// 16 KiB.
    Size16K,
    /// 64 KiB.
    Size64K,
}

impl Granule {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Size4K, Self::Size16K, Self::Size64K];

    /// log2 of the size.
    #[must_use]
    pub const fn shift(self) -> u32 {
        match self {
            Self::Size4K => 12,
            Self::Size16K => 14,
            Self::Size64K => 16,
        }
    }

    /// log2 of what a descriptor of a level covers.
    #[must_use]
    pub const fn covers(self, level: u32) -> u32 {
        self.shift() + (self.shift() - 3) * (3 - level)
    }

    /// `TCR_EL1.TG0` and `VTCR_EL2.TG0`.
    #[must_use]
    pub const fn tg0(self) -> u64 {
        match self {
            Self::Size4K => 0,
            Self::Size16K => 2,
            Self::Size64K => 1,
        }
    }

    /// `TCR_EL1.TG1`.
    #[must_use]
    pub const fn tg1(self) -> u64 {
        match self {
            Self::Size4K => 2,
            Self::Size16K => 1,
            Self::Size64K => 3,
        }
    }
}

/// Format of the descriptors of stage 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage1 {
    /// AArch64.
    AArch64(Granule),
    /// AArch32 long descriptors.
    Long,
    /// AArch32 short descriptors.
    Short,
}

/// Format of the descriptors of stage 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage2 {
    /// AArch64.
    AArch64(Granule),
    /// AArch32, always long.
    Long,
}

impl Stage2 {
    /// The granule.
    #[must_use]
    pub const fn granule(self) -> Granule {
        match self {
            Self::AArch64(granule) => granule,
            Self::Long => Granule::Size4K,
        }
    }
}

/// The kind of walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Stage 1, unless it is off.
    pub stage1: Option<Stage1>,
    /// Stage 2, unless it is off.
    pub stage2: Option<Stage2>,
    /// The guest runs in AArch32: the operations are those of CP15, and the CPU is one of ARMv7.
    pub armv7: bool,
    /// Stage 1 descriptors are big-endian.
    pub big_endian: bool,
}

impl Shape {
    /// A walk of an ARMv8 CPU with little-endian tables.
    #[must_use]
    pub const fn v8(stage1: Option<Stage1>, stage2: Option<Stage2>) -> Self {
        Self {
            stage1,
            stage2,
            armv7: false,
            big_endian: false,
        }
    }

    /// This shape with big-endian descriptors in stage 1.
    #[must_use]
    pub const fn with_big_endian(self) -> Self {
        Self {
            big_endian: true,
            ..self
        }
    }

    /// A walk of an ARMv7 CPU.
    #[must_use]
    pub const fn v7(stage1: Option<Stage1>, stage2: Option<Stage2>) -> Self {
        Self {
            armv7: true,
            ..Self::v8(stage1, stage2)
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} stage 1 {:?}, stage 2 {:?}{}",
            if self.armv7 { "ARMv7" } else { "ARMv8" },
            self.stage1,
            self.stage2,
            if self.big_endian { ", big-endian" } else { "" }
        )
    }
}
