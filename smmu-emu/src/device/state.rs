// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The state of an SMMU as a value: saved, and restored in an SMMU of the same configuration.
//!
//! A [`State`] has everything that decides what the SMMU does next: registers, the TLB with the order in which it
//! evicts, stalls, operations under way, event counters, interrupt lines, rules of the plan and how far each has got.
//! State kept for speed alone is not in it. Times are saved as what is left of them, so the clock of the host that
//! restores it may have another origin.
//!
//! The host saves its own part itself: transactions that wait ([`Stall`]: [`Smmu::save_stall`]) and
//! [`Marks`](crate::Marks) ([`Marks::save`](crate::Marks::save)).
//!
//! A state may come from anywhere. [`Smmu::restore`] takes none that this SMMU could not be in, as far as that matters
//! for its memory, its time and its panics; and it takes it whole or not at all.

use std::collections::BTreeMap;

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::arch::line::Line;
use crate::arch::response::{Stall, StalledAccess};
use crate::arch::transaction::{BankAccess, Intent, Transaction};
use crate::config::Geometry;
use crate::device::busy::{Operations, Sync};
use crate::device::counters::Counters;
use crate::device::injection::Injector;
use crate::device::injection::saved::{Mismatch, SavedBusy, SavedInjector};
use crate::device::operation::Waiting;
use crate::device::pmu::Pmu;
use crate::device::smmu::{Lines, Smmu};
use crate::device::stalls::{SavedStalls, Stalls};
use crate::epoch::Barrier;
use crate::host::emit::drive_line;
use crate::host::env::Host;
use crate::plan::{Plan, PlanError};
use crate::registers::file::Registers;
use crate::registers::saved::{SavedRegister, SavedRegisters};
use crate::tlb::{SavedTlb, Tlb};
use crate::translate::decoded::DecodeCache;

/// The form of states that this version of the crate writes and reads.
pub const STATE_VERSION: u32 = 2;

/// The state of an SMMU: [`Smmu::save`], [`Smmu::restore`]. With the feature `serde` in any
/// self-describing format that has 64-bit numbers and null, such as JSON.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub struct State {
    #[cfg_attr(feature = "serde", serde(deserialize_with = "known_version"))]
    version: u32,
    geometry: Geometry,
    registers: SavedRegisters,
    lines: Vec<Line>,
    global_sync: SavedSync,
    /// Of context banks that have some.
    operations: BTreeMap<u8, SavedOperations>,
    stalls: SavedStalls,
    pmu: Vec<SavedRegister>,
    tlb: SavedTlb,
    injector: SavedInjector,
    counters: Counters,
}

/// A transaction that waits, as a value: [`Smmu::save_stall`], [`Smmu::restore_stall`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub struct SavedStall {
    /// The bank that it waits for.
    bank: u8,
    id: u64,
    /// The bank that it entered.
    entered: u8,
    /// The access after S2CR's overrides.
    intent: Intent,
    transaction: Transaction,
}

/// A TLB sync.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
struct SavedSync {
    busy: SavedBusy,
    /// It has not read idle yet, so it waits for accesses under way.
    waits: bool,
}

/// The operations of a context bank.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
struct SavedOperations {
    sync: SavedSync,
    ats: SavedBusy,
    par: Option<u64>,
    waiting: Option<Waiting>,
}

/// A state that does not fit the SMMU that it is to be restored in. The SMMU is as it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StateError {
    /// It is of a version that this one cannot read.
    #[error("the state is of version {0}, and this build reads version {STATE_VERSION}")]
    Version(u32),
    /// It is of an SMMU with another configuration.
    #[error("the state is of an SMMU with {field} = {saved}, and this one has {here}")]
    Configuration {
        /// The field of [`Geometry`].
        field: &'static str,
        /// Its value in the state.
        saved: String,
        /// Its value here.
        here: String,
    },
    /// A register is not there, or cannot have that value.
    #[error("the state has a register that is not possible: {0}")]
    Register(String),
    /// A rule of the plan is wrong.
    #[error("the state has a rule that is not possible: {0}")]
    Plan(#[from] PlanError),
    /// Another part is not possible.
    #[error("the state is damaged: {0} are not possible")]
    Part(&'static str),
}

impl From<Mismatch> for StateError {
    fn from(mismatch: Mismatch) -> Self {
        match mismatch {
            Mismatch::Plan(error) => Self::Plan(error),
            Mismatch::Other(part) => Self::Part(part),
        }
    }
}

impl From<SavedRegister> for StateError {
    fn from(register: SavedRegister) -> Self {
        Self::Register(register.to_string())
    }
}

/// All that a restored state puts in the place of what there is.
struct Restored {
    registers: Registers,
    lines: Lines,
    global_sync: Sync,
    operations: Vec<Operations>,
    stalls: Stalls,
    pmu: Pmu,
    tlb: Tlb,
    injector: Injector,
    counters: Counters,
}

impl State {
    /// The rules of the plan, without how far each has got.
    #[must_use]
    pub fn plan(&self) -> Plan {
        self.injector.plan()
    }

    /// The marks that the state waits for. They have to be there where it is restored, or what waits for them waits
    /// until its time is over.
    pub fn marks(&self) -> impl Iterator<Item = &str> {
        let operations = self.operations.values();
        let busy = operations.flat_map(|operations| [&operations.sync.busy, &operations.ats]);
        core::iter::once(&self.global_sync.busy)
            .chain(busy)
            .filter_map(SavedBusy::mark)
            .chain(self.injector.marks())
    }
}

#[cfg(feature = "serde")]
fn known_version<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let version = u32::deserialize(deserializer)?;
    if version == STATE_VERSION {
        Ok(version)
    } else {
        Err(serde::de::Error::custom(StateError::Version(version)))
    }
}

impl Sync {
    fn save(&self, now: u64) -> SavedSync {
        SavedSync {
            busy: self.busy.save(now),
            waits: self.barrier != Barrier::default(),
        }
    }
}

impl SavedSync {
    /// Accesses that are under way where it is restored may use what the sync was to wait for: they began before
    /// `barrier`.
    fn restored(&self, now: u64, barrier: Barrier) -> Option<Sync> {
        let barrier = if self.waits { barrier } else { Barrier::default() };
        let busy = self.busy.restored(now)?;
        Some(Sync { busy, barrier })
    }
}

impl Operations {
    fn save(&self, now: u64) -> SavedOperations {
        let Self {
            sync,
            ats,
            par,
            waiting,
        } = self;
        SavedOperations {
            sync: sync.save(now),
            ats: ats.save(now),
            par: *par,
            waiting: *waiting,
        }
    }
}

impl SavedOperations {
    fn restored(&self, now: u64, barrier: Barrier) -> Option<Operations> {
        Some(Operations {
            sync: self.sync.restored(now, barrier)?,
            ats: self.ats.restored(now)?,
            par: self.par,
            waiting: self.waiting,
        })
    }
}

impl Smmu {
    /// The state of the SMMU.
    #[must_use]
    pub fn save(&self, host: &dyn Host) -> State {
        let now = host.now();
        let Self {
            geometry,
            registers,
            lines,
            injector,
            stalls,
            pmu,
            tlb,
            fills: _,
            decode_cache: _,
            epoch: _,
            counters,
            global_sync,
            operations,
            live_groups: _,
        } = self;
        // Groups that are live out of reset are part of the state: the next SMMU may have others.
        let reset = Registers::new(geometry);
        let operations = (0..)
            .zip(operations)
            .map(|(bank, operations)| (bank, operations.save(now)));
        State {
            version: STATE_VERSION,
            geometry: geometry.clone(),
            registers: registers.save(&reset),
            lines: geometry.lines().filter(|line| lines.is_high(*line)).collect(),
            global_sync: global_sync.save(now),
            operations: operations
                .filter(|(_, saved)| *saved != SavedOperations::default())
                .collect(),
            stalls: stalls.save(),
            pmu: pmu.save(geometry, now),
            tlb: tlb.save(),
            injector: injector.save(now),
            counters: *counters,
        }
    }

    /// Puts a state in the place of what there is, and gives every line its level. Transactions that wait abort; those
    /// that were saved with the state come back by [`Smmu::restore_stall`].
    ///
    /// # Errors
    /// [`StateError`] if the state is not one of this SMMU; nothing is changed then.
    pub fn restore(&mut self, host: &mut dyn Host, state: &State) -> Result<(), StateError> {
        // Accesses under way are of the generation that ends here: restored syncs wait for them.
        self.epoch.advance();
        let Restored {
            registers,
            lines,
            global_sync,
            operations,
            stalls,
            pmu,
            tlb,
            injector,
            counters,
        } = self.restored(state, host.now())?;
        self.registers = registers;
        self.global_sync = global_sync;
        self.operations = operations;
        self.stalls.replace(stalls);
        self.pmu = pmu;
        self.tlb = tlb;
        self.counters = counters;
        self.decode_cache = DecodeCache::new(self.geometry.context_banks);
        for line in self.geometry.lines() {
            let high = injector.is_high(line);
            if high || self.injector.is_high(line) {
                drive_line(host, line, high);
            }
        }
        self.lines = lines;
        self.injector = injector;
        self.injector.wake(host);
        for bank in self.geometry.banks() {
            host.resumed(bank);
        }
        Ok(())
    }

    /// Whether [`Smmu::restore`] would take a state.
    ///
    /// # Errors
    /// As of [`Smmu::restore`].
    pub fn check_state(&self, state: &State) -> Result<(), StateError> {
        self.restored(state, 0).map(drop)
    }

    fn restored(&self, state: &State, now: u64) -> Result<Restored, StateError> {
        let State {
            version,
            geometry,
            registers: saved_registers,
            lines: high,
            global_sync,
            operations: saved_operations,
            stalls,
            pmu,
            tlb,
            injector,
            counters,
        } = state;
        if *version != STATE_VERSION {
            return Err(StateError::Version(*version));
        }
        if let Some((field, saved, here)) = geometry.difference(&self.geometry) {
            return Err(StateError::Configuration { field, saved, here });
        }
        let geometry = &self.geometry;
        let mut registers = Registers::new(geometry);
        registers.restore(saved_registers, geometry)?;
        let mut lines = Lines::low(geometry);
        for line in high {
            *lines.get_mut(*line).ok_or(StateError::Part("interrupt lines"))? = true;
        }
        let sync = || StateError::Part("operations under way");
        let barrier = self.epoch.barrier();
        let mut operations = vec![Operations::default(); geometry.context_banks.into()];
        for (bank, saved) in saved_operations {
            let restored = saved.restored(now, barrier).ok_or_else(sync)?;
            *operations.get_mut(usize::from(*bank)).ok_or_else(sync)? = restored;
        }
        Ok(Restored {
            registers,
            lines,
            global_sync: global_sync.restored(now, barrier).ok_or_else(sync)?,
            operations,
            stalls: Stalls::restored(geometry.context_banks, stalls).ok_or(StateError::Part("stalls"))?,
            pmu: Pmu::restored(geometry, pmu, now)?,
            tlb: self.tlb.restored(tlb).ok_or(StateError::Part("TLB entries"))?,
            injector: Injector::restored(injector, geometry, now)?,
            counters: *counters,
        })
    }

    /// A transaction that waits, as a value that goes with the state of the SMMU.
    #[must_use]
    pub fn save_stall(&self, stall: &Stall) -> SavedStall {
        let StalledAccess {
            bank,
            id,
            access,
            era: _,
        } = &*stall.0;
        SavedStall {
            bank: *bank,
            id: *id,
            entered: access.bank,
            intent: access.intent,
            transaction: access.transaction,
        }
    }

    /// A transaction that waits again, after [`Smmu::restore`] of the state with which it was saved. To restore it
    /// twice carries it out twice.
    ///
    /// # Errors
    /// [`StateError::Part`] if no transaction of the state can wait like this.
    pub fn restore_stall(&self, saved: &SavedStall) -> Result<Stall, StateError> {
        let there = |bank: u8| u16::from(bank) < self.geometry.context_banks;
        let access = BankAccess {
            bank: saved.entered,
            intent: saved.intent,
            transaction: saved.transaction,
        };
        if !there(saved.bank) || !there(saved.entered) {
            return Err(StateError::Part("stalls"));
        }
        self.stalls
            .again(saved.bank, saved.id, access)
            .ok_or(StateError::Part("stalls"))
    }
}
