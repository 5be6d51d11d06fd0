// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Differences of the two sides where neither walk is wrong: from what QEMU's CPU does to what an SMMU does. Every
//! difference has a row in `docs/cpu-differences.md`, by its name.

use super::case::{Case, Cause, Outcome};
use super::layout::STAGE1;
use super::model::Read;
use super::registers::HCR_PTW;
use super::shape::{Shape, Stage1, Stage2};

/// Answer that the model has to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The CPU's.
    Same,
    /// Another one, by the difference of this name.
    Differs(&'static str, Outcome),
}

/// The names of all differences.
pub const DIFFERENCES: [&str; 5] = [
    PROTECTED_WALK,
    SHORT_WALK,
    STAGE2_LEVEL,
    DEVICE_AND_NORMAL,
    SHORT_ATTRIBUTES,
];

const PROTECTED_WALK: &str = "level of a protected walk";
const SHORT_WALK: &str = "level of a stage 2 fault of a short descriptor's walk";
const STAGE2_LEVEL: &str = "level of a stage 2 that cannot start";
const DEVICE_AND_NORMAL: &str = "Device combined with Normal";
const SHORT_ATTRIBUTES: &str = "attributes of short descriptors";

/// `PAR_EL1.S2WLK`: stage 2 faulted during a walk of stage 1.
const S2WLK: u64 = 1 << 8;

/// Answer of an SMMU where QEMU's CPU answers `cpu`. `par` is the CPU's, `reads` are what the walk read.
#[must_use]
pub fn of(shape: Shape, case: &Case, cpu: Outcome, par: u64, reads: &[Read]) -> Expected {
    let nested_short = shape.stage1 == Some(Stage1::Short) && shape.stage2.is_some();
    match cpu {
        // Faults of stage 2 itself with S2WLK, and external aborts, of which either walk may be the cause.
        Outcome::Fault { cause, stage2, .. }
            if nested_short && (cause == Cause::External || stage2 == Some(true) && par & S2WLK != 0) =>
        {
            Expected::Differs(
                SHORT_WALK,
                Outcome::Fault {
                    cause,
                    level: None,
                    stage2,
                },
            )
        }
        Outcome::Fault {
            cause: cause @ Cause::Permission,
            level: Some(0),
            stage2: stage2 @ Some(true),
        } if case.hcr & HCR_PTW != 0 => Expected::Differs(
            PROTECTED_WALK,
            Outcome::Fault {
                cause,
                level: None,
                stage2,
            },
        ),
        Outcome::Fault {
            cause: cause @ Cause::Translation,
            level: Some(0),
            stage2: stage2 @ Some(true),
        } if shape.stage2 == Some(Stage2::Long) => Expected::Differs(
            STAGE2_LEVEL,
            Outcome::Fault {
                cause,
                level: Some(1),
                stage2,
            },
        ),
        Outcome::Mapped { page, .. } if shape.stage1 == Some(Stage1::Short) => Expected::Differs(
            SHORT_ATTRIBUTES,
            Outcome::Mapped {
                page,
                attributes: None,
                shareability: None,
            },
        ),
        Outcome::Mapped {
            page,
            attributes: Some(attributes),
            shareability,
        } => match device_with_normal(shape, case, reads) {
            Some(device) if device != attributes => Expected::Differs(
                DEVICE_AND_NORMAL,
                Outcome::Mapped {
                    page,
                    attributes: Some(device),
                    shareability,
                },
            ),
            _ => Expected::Same,
        },
        _ => Expected::Same,
    }
}

/// The type of the Device memory, if one stage says Device and the other Normal.
fn device_with_normal(shape: Shape, case: &Case, reads: &[Read]) -> Option<u8> {
    shape.stage1?;
    shape.stage2?;
    let word = |(_, bytes): &Read, big_endian: bool| {
        let bytes = bytes.as_deref()?.try_into().ok()?;
        Some(if big_endian {
            u64::from_be_bytes(bytes)
        } else {
            u64::from_le_bytes(bytes)
        })
    };
    // The walk ends with stage 2 of the output of the last stage 1 descriptor.
    let stage1 = reads.iter().rfind(|(address, _)| *address >= STAGE1)?;
    let index = word(stage1, shape.big_endian)? >> 2 & 7;
    let stage1 = case.mair.to_le_bytes()[index as usize];
    let stage2 = word(reads.last()?, false)? >> 2 & 0xf;
    match (stage1 >> 4 == 0, stage2 >> 2 == 0) {
        (true, false) => Some(stage1),
        (false, true) => Some((stage2 << 2) as u8),
        _ => None,
    }
}
