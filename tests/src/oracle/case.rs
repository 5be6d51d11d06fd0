// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A case: the registers of one walk, and what came of it.

use std::fmt;

/// Bytes of a case in the machine's memory: 64-bit words, twelve of which are used.
pub const RECORD: usize = 128;
/// Offset of the answer.
pub const ANSWER: usize = 80;

/// An address translation operation. The numbers are those of the guests' jump tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    /// A write; otherwise a read.
    pub write: bool,
    /// Unprivileged.
    pub user: bool,
    /// Through both stages.
    pub both_stages: bool,
}

impl Operation {
    fn number(self) -> u64 {
        u64::from(self.write) | u64::from(self.user) << 1 | u64::from(self.both_stages) << 2
    }
}

/// The registers of one walk in the CPU's names and layouts. In AArch32 the lower halves count, and `mair` holds MAIR0
/// and MAIR1, or PRRR and NMRR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Operation to do.
    pub operation: Operation,
    /// The virtual address, or the intermediate one if stage 1 is off.
    pub address: u64,
    /// `SCTLR_EL1`.
    pub sctlr: u64,
    /// `TCR_EL1` or `TTBCR`.
    pub tcr: u64,
    /// `TTBR0_EL1`.
    pub ttbr0: u64,
    /// `TTBR1_EL1`.
    pub ttbr1: u64,
    /// `MAIR_EL1`.
    pub mair: u64,
    /// `HCR_EL2`.
    pub hcr: u64,
    /// `VTCR_EL2`.
    pub vtcr: u64,
    /// `VTTBR_EL2`.
    pub vttbr: u64,
}

impl Case {
    /// The case as the guest reads it.
    #[must_use]
    pub fn record(&self) -> [u8; RECORD] {
        let words = [
            self.operation.number(),
            self.address,
            self.sctlr,
            self.tcr,
            self.ttbr0,
            self.ttbr1,
            self.mair,
            self.hcr,
            self.vtcr,
            self.vttbr,
        ];
        let mut record = [0; RECORD];
        for (bytes, word) in record.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        record
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Operation {
            write,
            user,
            both_stages,
        } = self.operation;
        write!(
            f,
            "AT S{}E{}{}, {:#x}; ",
            if both_stages { "12" } else { "1" },
            if user { 0 } else { 1 },
            if write { "W" } else { "R" },
            self.address,
        )?;
        for (name, value) in [
            ("sctlr", self.sctlr),
            ("tcr", self.tcr),
            ("ttbr0", self.ttbr0),
            ("ttbr1", self.ttbr1),
            ("mair", self.mair),
            ("hcr", self.hcr),
            ("vtcr", self.vtcr),
            ("vttbr", self.vttbr),
        ] {
            write!(f, "{name}={value:#x} ")?;
        }
        Ok(())
    }
}

/// Kinds of faults that both sides have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// Nothing is mapped.
    Translation,
    /// An address is beyond the output size.
    AddressSize,
    /// The access flag is clear.
    AccessFlag,
    /// Not permitted.
    Permission,
    /// Memory did not answer the walk.
    External,
}

/// Outcome of a walk, in terms that both sides share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// An address.
    Mapped {
        /// Physical address of the 4 KiB page.
        page: u64,
        /// A byte of MAIR; `None` where one side does not tell.
        attributes: Option<u8>,
        /// Shareability, likewise.
        shareability: Option<u8>,
    },
    /// A fault.
    Fault {
        /// Its kind.
        cause: Cause,
        /// Level of the walk; `None` where one side does not tell.
        level: Option<u8>,
        /// Stage 2 rather than stage 1; `None` where one side does not tell.
        stage2: Option<bool>,
    },
    /// The answer makes no sense.
    Nonsense {
        /// PAR.
        par: u64,
        /// The exception's syndrome, if there was one.
        syndrome: u64,
    },
}

impl Outcome {
    /// Whether two sides agree; what one of them does not tell is no disagreement.
    #[must_use]
    pub fn agrees(self, other: Self) -> bool {
        fn same<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
            a.is_none() || b.is_none() || a == b
        }
        match (self, other) {
            (
                Self::Mapped {
                    page,
                    attributes,
                    shareability,
                },
                Self::Mapped {
                    page: page2,
                    attributes: attributes2,
                    shareability: shareability2,
                },
            ) => page == page2 && same(attributes, attributes2) && same(shareability, shareability2),
            (
                Self::Fault { cause, level, stage2 },
                Self::Fault {
                    cause: cause2,
                    level: level2,
                    stage2: stage22,
                },
            ) => cause == cause2 && same(level, level2) && same(stage2, stage22),
            _ => false,
        }
    }

    /// The kind, for counting: addresses and attributes left out.
    #[must_use]
    pub fn class(self) -> String {
        match self {
            Self::Mapped { .. } => "mapped".to_owned(),
            Self::Fault { cause, level, stage2 } => {
                let stage = stage2.map_or("?", |stage2| if stage2 { "2" } else { "1" });
                let level = level.map_or("?".to_owned(), |level| level.to_string());
                format!("{cause:?} level {level} stage {stage}")
            }
            Self::Nonsense { .. } => "nonsense".to_owned(),
        }
    }

    /// From a 64-bit PAR of a CPU (DDI 0487, `PAR_EL1`; DDI 0406C, PAR with LPAE) and the syndrome of the exception
    /// that was taken instead, if one was.
    #[must_use]
    pub fn of_par(par: u64, syndrome: u64) -> Self {
        let status = if syndrome != 0 {
            syndrome & 0x3f
        } else if par & 1 != 0 {
            par >> 1 & 0x3f
        } else {
            return Self::Mapped {
                page: par & 0x0000_ffff_ffff_f000,
                attributes: Some(par.to_le_bytes()[7]),
                shareability: Some((par >> 7 & 3) as u8),
            };
        };
        let cause = match status >> 2 {
            0 => Cause::AddressSize,
            1 => Cause::Translation,
            2 => Cause::AccessFlag,
            3 => Cause::Permission,
            5 => Cause::External,
            _ => return Self::Nonsense { par, syndrome },
        };
        Self::Fault {
            cause,
            level: Some((status & 3) as u8),
            // Of an external abort, that comes as an exception, the stage does not show.
            stage2: (syndrome == 0).then_some(par >> 9 & 1 == 1),
        }
    }
}
