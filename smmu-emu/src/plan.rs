// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The timing plan: which operations of the model take time, and how much.
//!
//! A plan is data. Every rule names a *site*, the status bit that it keeps busy, and one kind of delay. Which
//! operations a rule hits follows the kernel's fault-injection attributes (Documentation/fault-injection):
//! `times`, `interval`, `probability`, `space`. The first rule that hits an operation decides.
//!
//! ```
//! let plan: smmu_emu::Plan = toml::from_str(
//!     r#"
//!     [[delay]]                  # every address translation of bank 1 takes 20 µs
//!     site = "ats"
//!     bank = 1
//!     time_us = 20
//!
//!     [[delay]]                  # one of ten global TLB synchronisations hangs until the mark, or for half a second
//!     site = "global-sync"
//!     interval = 10
//!     until = "client-bound"
//!     at_most_us = 500_000
//!     "#,
//! )?;
//! assert_eq!(plan.delays.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::Geometry;

/// The longest delay that a rule may ask for: one minute.
pub const MAX_DELAY_US: u64 = 60_000_000;
/// The most status reads for which a rule may keep a status busy.
pub const MAX_POLLS: u32 = 1_000_000_000;

/// All delays of one SMMU.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The rules, in order of precedence.
    #[serde(default, rename = "delay")]
    pub delays: Vec<DelayRule>,
}

/// The status bit that a delay keeps busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Site {
    /// `CBn_ATSR.ACTIVE` after an address translation operation of a context bank.
    Ats,
    /// `CBn_TLBSTATUS.SACTIVE` after a write of `CBn_TLBSYNC`.
    ContextSync,
    /// `sTLBGSTATUS.GSACTIVE` after a write of `sTLBGSYNC`.
    GlobalSync,
}

/// A fixed time, or bounds of a uniform distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a number of microseconds, or `{ min = …, max = … }` of them, was expected"
)]
pub enum Time {
    /// Always this many microseconds.
    Fixed(u64),
    /// Drawn for every operation from [`crate::Env::random`].
    Uniform(Bounds),
}

/// Inclusive bounds in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Shortest.
    pub min: u64,
    /// Longest.
    pub max: u64,
}

/// One rule of a [`Plan`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelayRule {
    /// What is delayed.
    pub site: Site,
    /// Only this context bank; every bank if absent. Not for [`Site::GlobalSync`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank: Option<u8>,
    /// Busy for this many reads of the status register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polls: Option<u32>,
    /// Busy for this many microseconds of [`crate::Env::now`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_us: Option<Time>,
    /// Busy until this mark is raised, but not longer than `at_most_us`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Upper bound of `until`, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most_us: Option<u64>,
    /// The rule sleeps until this mark is raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The rule ends when this mark is raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// How often the rule may hit; -1 is no limit.
    #[serde(default = "no_limit")]
    pub times: i64,
    /// Hit every n-th operation that comes this far.
    #[serde(default = "one")]
    pub interval: u32,
    /// Chance of a hit in percent.
    #[serde(default = "always")]
    pub probability: u8,
    /// Let this many operations pass before the first hit.
    #[serde(default)]
    pub space: u32,
}

fn no_limit() -> i64 {
    -1
}

fn one() -> u32 {
    1
}

fn always() -> u8 {
    100
}

/// A rule of the plan makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("delay rule {rule}: `{field}` {problem}")]
pub struct PlanError {
    /// Which rule, counted from 1.
    pub rule: usize,
    /// The field to change.
    pub field: &'static str,
    /// What is wrong with it and what is allowed.
    pub problem: String,
}

impl Plan {
    /// Checks every rule against the SMMU that it is for.
    ///
    /// # Errors
    /// [`PlanError`] names the rule and the field.
    pub fn validate(&self, geometry: &Geometry) -> Result<(), PlanError> {
        self.delays
            .iter()
            .enumerate()
            .try_for_each(|(i, rule)| rule.validate(i + 1, geometry))
    }

    /// Checks that every mark that a rule names is one of `marks`.
    ///
    /// # Errors
    /// [`PlanError`] names the rule and the field.
    pub fn validate_marks<'a>(&self, marks: impl Iterator<Item = &'a str> + Clone) -> Result<(), PlanError> {
        for (i, rule) in self.delays.iter().enumerate() {
            for (field, mark) in [
                ("until", &rule.until),
                ("after", &rule.after),
                ("before", &rule.before),
            ] {
                if let Some(mark) = mark
                    && !marks.clone().any(|name| name == mark)
                {
                    let problem = format!("names `{mark}`, which is no mark of this run");
                    return Err(PlanError {
                        rule: i + 1,
                        field,
                        problem,
                    });
                }
            }
        }
        Ok(())
    }
}

impl DelayRule {
    fn validate(&self, rule: usize, geometry: &Geometry) -> Result<(), PlanError> {
        let error = |field, problem: &str| {
            Err(PlanError {
                rule,
                field,
                problem: problem.into(),
            })
        };
        if self.site == Site::Ats && !geometry.ats {
            return error(
                "site",
                "is \"ats\", but the model has no address translation operations (`ats` = false)",
            );
        }
        if let Some(bank) = self.bank {
            if self.site == Site::GlobalSync {
                return error("bank", "does not apply to site \"global-sync\"");
            }
            if u16::from(bank) >= geometry.context_banks {
                return error(
                    "bank",
                    &format!(
                        "must be 0 to {}, the last context bank",
                        geometry.context_banks - 1
                    ),
                );
            }
        }
        let kinds = [self.polls.is_some(), self.time_us.is_some(), self.until.is_some()];
        if kinds.iter().filter(|&&given| given).count() != 1 {
            return error(
                "polls",
                "or `time_us` or `until`: exactly one of the three has to be given",
            );
        }
        if self.polls.is_some_and(|polls| polls == 0 || polls > MAX_POLLS) {
            return error("polls", &format!("must be 1 to {MAX_POLLS}"));
        }
        match self.time_us {
            Some(Time::Fixed(time)) if time > MAX_DELAY_US => {
                return error("time_us", &format!("must be at most {MAX_DELAY_US}"));
            }
            Some(Time::Uniform(Bounds { min, max })) if min > max || max > MAX_DELAY_US => {
                return error("time_us", &format!("needs min <= max <= {MAX_DELAY_US}"));
            }
            _ => {}
        }
        match (&self.until, self.at_most_us) {
            (Some(_), None) => return error("at_most_us", "is missing: `until` needs an upper bound"),
            (None, Some(_)) => return error("at_most_us", "is the bound of `until` and needs it"),
            (Some(_), Some(bound)) if bound == 0 || bound > MAX_DELAY_US => {
                return error("at_most_us", &format!("must be 1 to {MAX_DELAY_US}"));
            }
            _ => {}
        }
        if self.times < -1 {
            return error("times", "must be -1 (no limit) or more");
        }
        if self.interval == 0 {
            return error("interval", "must be 1 or more");
        }
        if self.probability > 100 {
            return error("probability", "is in percent and must be 0 to 100");
        }
        Ok(())
    }
}
