// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The seams of the model: everything that comes from outside, or leaves.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::host::events::Event;
use crate::plan::{Kind, Site};
use crate::registers::lookup;

/// An interrupt output of the SMMU.
///
/// SMMUv2 has two logical global pins, `NSgIrpt` and `NSgCfgIrpt`; boards wire them together
/// and so does this model. Every context bank has a pin of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Line {
    /// Global faults: `NSgIrpt` or `NSgCfgIrpt`.
    Global,
    /// Faults of the context bank with this index.
    Context(u8),
    /// Overflow of an event counter of the group with this index.
    Pmu(u8),
}

/// The kinds of interrupt outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineKind {
    /// [`Line::Global`].
    Global,
    /// [`Line::Context`].
    Context,
    /// [`Line::Pmu`].
    Pmu,
}

impl Line {
    /// What kind of line it is, and its number: a context bank or counter group.
    #[must_use]
    pub const fn kind(self) -> (LineKind, u8) {
        match self {
            Self::Global => (LineKind::Global, 0),
            Self::Context(bank) => (LineKind::Context, bank),
            Self::Pmu(group) => (LineKind::Pmu, group),
        }
    }
}

/// The memory system refused an access: the architecture's external abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no memory answers at this address")]
pub struct BusError;

/// Whether a register access reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessKind {
    /// Software reads the register.
    Read,
    /// Software writes the register.
    Write,
}

/// The register frame that an access falls into. Written as `gr0`, `gr1`, `gid`, `pm`, `exsmr`, `exs2cr`, `page` and a
/// number, or `cb` and the number of a context bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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
    ("gid", lookup::GID_PAGE),
    ("pm", lookup::PM_PAGE),
    ("exsmr", lookup::EXSMR_PAGE),
    ("exs2cr", lookup::EXS2CR_PAGE),
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

/// A rule of the plan hit an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injected {
    /// What it did.
    pub what: What,
    /// Number of the rule in its family, as in [`crate::device::inspect::Progress`].
    pub rule: u64,
    /// Which of the operations that the rule is for it was, from 1 since the rule began: what `nth` of a rule replays.
    pub operation: u64,
    /// How much of it to log (`verbose`).
    pub verbose: u8,
    /// The operation.
    pub at: Point,
}

/// What a rule did to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It made it late.
    Delay(Site),
    /// It made it go wrong.
    Fault(Kind),
}

/// An operation that rules are for, as far as there is something to say of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// The context bank.
    pub bank: Option<u8>,
    /// The stream.
    pub stream: Option<u16>,
    /// The bus address; of a TLB entry its input address.
    pub address: Option<u64>,
    /// Where the descriptor is.
    pub descriptor: Option<u64>,
    /// The register.
    pub register: Option<&'static str>,
    /// The `n` of its name.
    pub index: Option<u16>,
    /// The line.
    pub line: Option<Line>,
}

/// How long the reply to a register access is to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold<'a> {
    /// The time of [`Env::now`] at which it ends.
    pub deadline: u64,
    /// The mark that ends it earlier.
    pub mark: Option<&'a str>,
    /// The register.
    pub register: &'static str,
}

/// What the model asks of its surroundings. One implementation per process that hosts it; tests have their own.
pub trait Env {
    /// Nanoseconds of a monotonic clock with any origin.
    fn now(&self) -> u64;

    /// Reads physical memory for a table walk.
    ///
    /// # Errors
    /// [`BusError`] if any byte of the range is not memory; the walk then ends in an external fault.
    fn read_memory(&self, address: u64, data: &mut [u8]) -> Result<(), BusError>;

    /// Replaces the little-endian word of eight bytes at an address, aligned, if it is `old`, atomically, and returns what it was.
    /// For hardware update of translation table descriptors (`Config::hardware_update`).
    ///
    /// # Errors
    /// [`BusError`] if memory cannot do that there, as unless overridden; the walk then ends in an external fault.
    fn compare_exchange(&self, address: u64, old: u64, new: u64) -> Result<u64, BusError> {
        let _ = (address, old, new);
        Err(BusError)
    }

    /// Sets an interrupt line.
    ///
    /// Called when the level changes, and again with `true` when software wrote a status or control register of
    /// the line and the level is still high: a host that turns levels into edges must send another edge.
    fn set_line(&mut self, line: Line, level: bool);

    /// A register access took effect. Does nothing unless overridden.
    fn access(&mut self, access: &Access) {
        let _ = access;
    }

    /// A rule of the plan hit an operation. Does nothing unless overridden.
    fn injected(&mut self, injected: &Injected) {
        let _ = injected;
    }

    /// The reply to the register access under way is to be late; the access itself takes effect at once. The host waits
    /// when it has let go of the SMMU. Does nothing unless overridden.
    fn hold(&mut self, hold: &Hold<'_>) {
        let _ = hold;
    }

    /// An interrupt is due at this time of [`Env::now`], or when a mark is raised: the host calls [`Smmu::elapse`] then,
    /// though not from within this call. Of several times the earliest counts. Does nothing unless overridden.
    ///
    /// [`Smmu::elapse`]: crate::Smmu::elapse
    fn wake_at(&mut self, time: u64) {
        let _ = time;
    }

    /// Whether the host wants to be told of everything that happens, by [`Self::trace`].
    fn traces(&self) -> bool {
        false
    }

    /// Something happened. Called only while [`Self::traces`] says so; does nothing unless overridden.
    fn trace(&mut self, event: &Event) {
        let _ = event;
    }

    /// Whether the mark of this name has been raised (see [`crate::plan::mark`]).
    fn mark(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// What waits for a context bank may have been decided: the host asks [`Smmu::resume`] again for every
    /// [`Stall`] of the bank, though not from within this call. Does nothing unless overridden.
    ///
    /// [`Smmu::resume`]: crate::Smmu::resume
    /// [`Stall`]: crate::Stall
    fn resumed(&mut self, bank: u8) {
        let _ = bank;
    }
}
