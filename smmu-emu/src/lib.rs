// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A model of the Arm SMMUv2 (IHI 0062 issue D): registers, stream matching, translation, timing; pure.
#![forbid(unsafe_code)]

pub mod config;
pub mod env;
pub mod mark;
pub mod plan;

pub use config::{Config, ConfigError, Geometry, PageSize, Preset};
pub use env::{Access, AccessKind, BusError, Env, Frame, Line};
pub use mark::{MarkError, MarkRule, Marks};
pub use plan::{DelayRule, Plan, PlanError, Site};

/// Names of all registers, frame by frame, in address order.
pub fn register_names() -> impl Iterator<Item = &'static str> {
    ["sCR0", "SMRn"].into_iter()
}

/// One SMMU: all of its state.
#[derive(Debug)]
pub struct Smmu {
    geometry: Geometry,
}

impl Smmu {
    /// An SMMU out of reset.
    ///
    /// # Errors
    /// [`ConfigError`] names the field of the configuration or of the plan and what is allowed.
    pub fn new(config: &Config, plan: Plan) -> Result<Self, ConfigError> {
        let _ = plan;
        Ok(Self {
            geometry: config.validate()?,
        })
    }

    /// Resets every register and the timing plan, and lowers every line.
    pub fn reset(&mut self, env: &mut dyn Env) {
        let _ = env;
    }

    /// Reads registers. Any offset and length: what no register answers reads as zero (RAZ).
    pub fn read(&mut self, env: &mut dyn Env, offset: u64, data: &mut [u8]) {
        let _ = (env, offset);
        data.fill(0);
    }

    /// Writes registers. Any offset and length: what no register takes is ignored (WI).
    pub fn write(&mut self, env: &mut dyn Env, offset: u64, data: &[u8]) {
        let _ = (env, offset, data);
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
}
