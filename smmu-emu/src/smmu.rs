// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! All state of one SMMU.

use crate::config::{Config, ConfigError, Geometry};
use crate::env::{Env, Line};
use crate::plan::Plan;
use crate::state::Registers;
use crate::timing::{Busy, Timing};

/// One SMMU: all of its state.
#[derive(Debug)]
pub struct Smmu {
    pub(crate) geometry: Geometry,
    pub(crate) registers: Registers,
    pub(crate) lines: Lines,
    pub(crate) timing: Timing,
    /// The operation that `sTLBGSTATUS` reports.
    pub(crate) global_sync: Busy,
    operations: Vec<Operations>,
}

/// The operations of a context bank that software polls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operations {
    /// What `CBn_TLBSTATUS` reports.
    pub(crate) sync: Busy,
    /// What `CBn_ATSR` reports.
    pub(crate) ats: Busy,
    /// The result that `CBn_PAR` will show when `ats` ends.
    pub(crate) par: Option<u64>,
}

/// The level that each line had when the environment was last told.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    global: bool,
    context: Vec<bool>,
}

impl Lines {
    pub(crate) fn get_mut(&mut self, line: Line) -> Option<&mut bool> {
        match line {
            Line::Global => Some(&mut self.global),
            Line::Context(bank) => self.context.get_mut(usize::from(bank)),
        }
    }
}

impl Smmu {
    /// An SMMU out of reset, its lines low.
    ///
    /// # Errors
    /// [`ConfigError`] names the field of the configuration or of the plan and what is allowed.
    pub fn new(config: &Config, plan: Plan) -> Result<Self, ConfigError> {
        let geometry = config.validate()?;
        plan.validate(&geometry)?;
        let banks = usize::from(geometry.context_banks);
        Ok(Self {
            registers: Registers::new(&geometry),
            lines: Lines {
                global: false,
                context: vec![false; banks],
            },
            timing: Timing::new(plan),
            global_sync: Busy::Idle,
            operations: vec![Operations::default(); banks],
            geometry,
        })
    }

    /// Resets every register, ends every operation, starts the timing plan again, and lowers every line.
    pub fn reset(&mut self, env: &mut dyn Env) {
        let Self {
            geometry,
            registers,
            lines: _,
            timing,
            global_sync,
            operations,
        } = self;
        *registers = Registers::new(geometry);
        timing.reset();
        *global_sync = Busy::Idle;
        operations.fill(Operations::default());
        // The reset registers ask for no interrupt: this tells the environment where a line was high.
        for line in self.geometry.lines() {
            self.update_line(env, line, false);
        }
    }

    /// What the configuration came to.
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

    /// The operations of a bank, to look at.
    pub(crate) fn operations(&self, bank: u8) -> Option<&Operations> {
        self.operations.get(usize::from(bank))
    }

    pub(crate) fn operations_of(&mut self, bank: u8) -> Option<&mut Operations> {
        self.operations.get_mut(usize::from(bank))
    }
}
