// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Form of a context bank: its stages and the format of its tables, on which the formats of its registers depend.

use bitbybit::bitenum;

use super::fields::{Applies, encoding};

encoding! {
    /// `CBARn.TYPE`: the stages of a bank.
    #[bitenum(u2, exhaustive = true)]
    pub enum BankType {
        /// Stage 2 only.
        Stage2 = 0,
        /// Stage 1, stage 2 bypassed.
        Stage1 = 1,
        /// Stage 1, stage 2 faults: the bank is not to be used.
        Stage1WithFault = 2,
        /// Stage 1, stage 2 by another bank.
        Nested = 3,
    }
}

/// The format of a context bank's tables, as FSR and PAR report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Format {
    /// AArch32 short descriptors.
    Short = 0,
    /// AArch32 long descriptors.
    Long = 1,
    /// AArch64.
    AArch64 = 2,
}

impl Format {
    /// The FORMAT field of `CBn_FSR`, bits 10 and 9.
    #[must_use]
    pub const fn in_fsr(self) -> u32 {
        (self as u32) << 9
    }
}

/// Configuration of a context bank that the formats of `CBn_TCR` and `CBn_PAR` depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The stages of the bank.
    pub kind: BankType,
    /// The format of its tables.
    pub format: Format,
}

/// Form of a bank that translates stage 1 with AArch64 tables.
impl Default for Form {
    fn default() -> Self {
        Self {
            kind: BankType::Stage1,
            format: Format::AArch64,
        }
    }
}

impl Form {
    /// Whether a condition holds for a value of a register of a bank of this form.
    #[must_use]
    pub fn satisfies(self, condition: Applies, value: u64) -> bool {
        match condition {
            Applies::Always => true,
            Applies::Stage2 => self.kind == BankType::Stage2,
            Applies::AArch64 => self.format == Format::AArch64,
            Applies::Short => self.format == Format::Short,
            Applies::Faulted => value & 1 == 1,
        }
    }
}
