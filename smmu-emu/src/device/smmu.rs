// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! All state of one SMMU.

use thiserror::Error;

use crate::arch::line::Line;
use crate::config::{Config, ConfigError, Geometry, LiveGroup};
use crate::device::busy::{Operations, Sync};
use crate::device::counters::Counters;
use crate::device::injection::Injector;
use crate::device::pmu::Pmu;
use crate::device::stalls::Stalls;
use crate::epoch::Epoch;
use crate::epoch::sync::Arc;
use crate::host::emit::{drive_line, emit};
use crate::host::env::Host;
use crate::host::events::Event;
use crate::plan::{Plan, PlanError};
use crate::registers::file::Registers;
use crate::registers::lookup::RegisterMap;
use crate::tlb::{Fills, Tlb};
use crate::translate::decoded::DecodeCache;

/// A configuration or a plan of which no SMMU can be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NewError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A rule of the plan is wrong.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// One SMMU: all of its state.
#[derive(Debug)]
pub struct Smmu {
    pub(crate) geometry: Geometry,
    pub(super) live_groups: Vec<LiveGroup>,
    pub(crate) registers: Registers,
    pub(crate) lines: Lines,
    pub(crate) injector: Injector,
    pub(crate) stalls: Stalls,
    pub(crate) pmu: Pmu,
    pub(crate) tlb: Tlb,
    /// Fills of the transaction under way; kept for its memory.
    pub(crate) fills: Fills,
    pub(crate) decode_cache: DecodeCache,
    pub(crate) epoch: Arc<Epoch>,
    /// Counts that the TBUs have reported.
    pub(crate) counters: Counters,
    /// The operation that `sTLBGSTATUS` reports.
    pub(crate) global_sync: Sync,
    pub(super) operations: Vec<Operations>,
}

/// The level that the registers asked of each line when it was last computed. Rules may have the host see another one.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    global: bool,
    context: Vec<bool>,
    pmu: Vec<bool>,
}

impl Lines {
    /// Every line low.
    pub(crate) fn low(geometry: &Geometry) -> Self {
        Self {
            global: false,
            context: vec![false; geometry.context_interrupts.into()],
            pmu: vec![false; geometry.pmu_groups.into()],
        }
    }

    /// Whether a line is high.
    pub(crate) fn is_high(&self, line: Line) -> bool {
        match line {
            Line::Global => self.global,
            Line::Context(number) => self.context.get(usize::from(number)).copied().unwrap_or(false),
            Line::Pmu(group) => self.pmu.get(usize::from(group)).copied().unwrap_or(false),
        }
    }

    pub(crate) fn get_mut(&mut self, line: Line) -> Option<&mut bool> {
        match line {
            Line::Global => Some(&mut self.global),
            Line::Context(number) => self.context.get_mut(usize::from(number)),
            Line::Pmu(group) => self.pmu.get_mut(usize::from(group)),
        }
    }
}

impl Smmu {
    /// An SMMU out of reset, its lines low.
    ///
    /// # Errors
    /// [`NewError`] names the field of the configuration or of the plan and what is allowed.
    pub fn new(config: &Config, plan: Plan) -> Result<Self, NewError> {
        let geometry = config.validate()?;
        plan.validate(&geometry)?;
        let banks = usize::from(geometry.context_banks);
        Ok(Self {
            registers: Registers::new(&geometry).with_live_groups(&config.live_groups),
            live_groups: config.live_groups.clone(),
            lines: Lines::low(&geometry),
            injector: Injector::new(plan),
            stalls: Stalls::new(geometry.context_banks),
            pmu: Pmu::new(&geometry),
            tlb: Tlb::new(geometry.tlb, geometry.tlb_entries),
            fills: Fills::default(),
            decode_cache: DecodeCache::new(geometry.context_banks),
            epoch: Arc::new(Epoch::new()),
            counters: Counters::default(),
            global_sync: Sync::default(),
            operations: vec![Operations::default(); banks],
            geometry,
        })
    }

    /// Resets every register, empties the TLB, ends every operation and every stalled transaction, starts the plan
    /// again, and lowers every line.
    pub fn reset(&mut self, host: &mut dyn Host) {
        let Self {
            geometry,
            live_groups,
            registers,
            lines: _,
            // Below, when all lines are low.
            injector: _,
            stalls,
            pmu,
            tlb,
            fills: _,
            // Of another generation from here on.
            decode_cache: _,
            epoch,
            counters: _,
            global_sync,
            operations,
        } = self;
        *registers = Registers::new(geometry).with_live_groups(live_groups);
        *pmu = Pmu::new(geometry);
        *tlb = Tlb::new(geometry.tlb, geometry.tlb_entries);
        epoch.advance();
        *global_sync = Sync::default();
        operations.fill(Operations::default());
        stalls.reset();
        emit(host, || Event::Reset);
        // The reset registers ask for no interrupt. No rule has a say in that.
        for line in self.geometry.lines() {
            let high = self.lines.get_mut(line).is_some_and(core::mem::take);
            if high || self.injector.is_high(line) {
                drive_line(host, line, false);
            }
        }
        for bank in self.geometry.banks() {
            host.resumed(bank);
        }
        self.injector.reset();
    }

    /// Validated configuration.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Number of context banks.
    #[must_use]
    pub fn context_banks(&self) -> u16 {
        self.geometry.context_banks
    }

    /// The interrupt lines, the global one first.
    pub fn lines(&self) -> impl Iterator<Item = Line> + use<> {
        self.geometry.lines()
    }

    /// Counts of the TBUs so far. A TBU reports when it asks the SMMU for a translation.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    pub(crate) const fn map(&self) -> RegisterMap<'_> {
        RegisterMap {
            registers: &self.registers,
            geometry: &self.geometry,
        }
    }

    pub(crate) fn epoch(&self) -> Arc<Epoch> {
        Arc::clone(&self.epoch)
    }

    /// The operations of a bank, to look at.
    pub(crate) fn operations(&self, bank: u8) -> Option<&Operations> {
        self.operations.get(usize::from(bank))
    }

    pub(crate) fn operations_of(&mut self, bank: u8) -> Option<&mut Operations> {
        self.operations.get_mut(usize::from(bank))
    }
}
