// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The frames of the register space, and accesses to them.

use core::fmt;
use core::str::FromStr;

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Global page of MMU-500's implementation-defined registers.
pub(crate) const GID_PAGE: u16 = 2;
/// Global page of the performance monitor.
pub(crate) const PM_PAGE: u16 = 3;
/// Global page of the stream match registers of extended groups.
pub(crate) const EXSMR_PAGE: u16 = 6;
/// Global page of the stream-to-context registers of extended groups.
pub(crate) const EXS2CR_PAGE: u16 = 7;

/// Whether a register access reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum AccessKind {
    /// Software reads the register.
    Read,
    /// Software writes the register.
    Write,
}

/// The register frame that an access falls into. Written as `gr0`, `gr1`, `gid`, `pm`, `exsmr`, `exs2cr`, `page` and a
/// number, or `cb` and the number of a context bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
pub enum Frame {
    /// Global register space 0, page 0.
    Gr0,
    /// Global register space 1, page 1.
    Gr1,
    /// Global pages 2 and above: the performance monitor, and what implementations and extensions have.
    Global(u16),
    /// The page of a context bank, implemented or not.
    Context(u16),
    /// Beyond the register space.
    Outside,
}

/// Global pages with a name.
const PAGES: [(&str, u16); 4] = [
    ("gid", GID_PAGE),
    ("pm", PM_PAGE),
    ("exsmr", EXSMR_PAGE),
    ("exs2cr", EXS2CR_PAGE),
];

/// A text that is the name of no [`Frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a frame is gr0, gr1, gid, pm, exsmr, exs2cr, or cb and the number of a context bank")]
pub struct NoFrame;

impl FromStr for Frame {
    type Err = NoFrame;

    fn from_str(text: &str) -> Result<Self, NoFrame> {
        let number = |prefix| {
            let digits: &str = text.strip_prefix(prefix)?;
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| plain)
        };
        match text {
            "gr0" => Ok(Self::Gr0),
            "gr1" => Ok(Self::Gr1),
            _ => PAGES
                .into_iter()
                .find_map(|(name, page)| (name == text).then_some(Self::Global(page)))
                .or_else(|| number("cb").map(Self::Context))
                .or_else(|| number("page").map(Self::Global))
                .ok_or(NoFrame),
        }
    }
}

impl TryFrom<String> for Frame {
    type Error = NoFrame;

    fn try_from(text: String) -> Result<Self, NoFrame> {
        text.parse()
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gr0 => f.write_str("gr0"),
            Self::Gr1 => f.write_str("gr1"),
            Self::Global(page) => match PAGES.into_iter().find(|(_, of)| of == page) {
                Some((name, _)) => f.write_str(name),
                None => write!(f, "page{page}"),
            },
            Self::Context(bank) => write!(f, "cb{bank}"),
            Self::Outside => f.write_str("outside"),
        }
    }
}

impl From<Frame> for String {
    fn from(frame: Frame) -> Self {
        frame.to_string()
    }
}

/// One register access, reported after it took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The specification's name without `SMMU_`, such as `sCR0`, `SMRn` or `CBn_FSR`;
    /// [`Access::RESERVED`] where no register is.
    pub name: &'static str,
    /// The frame.
    pub frame: Frame,
    /// The `n` of the name: the stream-matching group or context bank; 0 for registers without one.
    pub index: u16,
    /// Read or write.
    pub kind: AccessKind,
    /// Bytes accessed, as the bus asked for.
    pub width: u8,
    /// The value read, or the value written before any masking; little-endian, at most eight bytes.
    pub value: u64,
    /// Byte offset from the start of the register space.
    pub offset: u64,
}

impl Access {
    /// The name of an access that hits no register.
    pub const RESERVED: &'static str = "RESERVED";
}
