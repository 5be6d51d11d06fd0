// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The seams of the model: everything that comes from outside, or leaves.

use thiserror::Error;

use crate::plan::Site;
use crate::trace::Event;

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

/// The memory system refused an access: the architecture's external abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no memory answers at this address")]
pub struct BusError;

/// Whether a register access reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessKind {
    /// Software reads the register.
    Read,
    /// Software writes the register.
    Write,
}

/// The register frame that an access falls into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

/// A rule of the timing plan hit an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delayed {
    /// Number of the rule, as in [`crate::inspect::Delay`].
    pub rule: u64,
    /// The status that stays busy.
    pub site: Site,
    /// The context bank; `None` for a global operation.
    pub bank: Option<u8>,
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

    /// The next number of the host's seeded random source.
    fn random(&mut self) -> u64;

    /// A register access took effect. Does nothing unless overridden.
    fn access(&mut self, access: &Access) {
        let _ = access;
    }

    /// A rule of the timing plan hit an operation. Does nothing unless overridden.
    fn delayed(&mut self, delayed: &Delayed) {
        let _ = delayed;
    }

    /// Whether the host wants to be told of everything that happens, by [`Self::trace`].
    fn traces(&self) -> bool {
        false
    }

    /// Something happened. Called only while [`Self::traces`] says so; does nothing unless overridden.
    fn trace(&mut self, event: &Event) {
        let _ = event;
    }

    /// Whether the mark of this name has been raised (see [`crate::mark`]).
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
