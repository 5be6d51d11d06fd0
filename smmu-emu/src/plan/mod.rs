// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The plan: which operations of the model take time, and which of them go wrong.
//!
//! A plan is data. A [`DelayRule`] names a *site*, what it makes late, and for how long; an [`InjectionRule`] names a
//! *kind*, what it makes go wrong, and where. Which of the operations that a rule is for it hits follows the kernel's
//! fault-injection attributes ([`When`]). The first rule that hits an operation decides. `docs/plan.md` has examples of
//! all of them.
//!
//! ```
//! let plan: smmu_emu::Plan = toml::from_str(
//!     r#"
//!     seed = 7                   # where all chance comes from
//!
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
//!
//!     [[injection]]                  # the third invalidation by address is lost
//!     kind = "lost-invalidation"
//!     register = "CBn_TLBIVA"
//!     nth = 3
//!     "#,
//! )?;
//! assert_eq!((plan.delays.len(), plan.injections.len()), (2, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use problem::Problem;
#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use crate::config::Geometry;

mod delay;
mod fields;
mod injection;
pub mod mark;
mod number;
mod problem;
mod sites;
mod when;

pub use delay::{Bounds, DelayRule, Exponential, MAX_DELAY_US, MAX_POLLS, Site, Time};
pub use injection::{AccessType, InjectionKind, InjectionRule, KINDS, KindRow};
pub use number::Number;
pub use problem::{Family, PlanError};
pub(crate) use sites::Sites;
pub(crate) use when::Rule;
pub use when::When;

/// All rules of one SMMU.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Plan {
    /// Source of all chance: the same seed and the same operations have the same hits and times.
    #[cfg_attr(feature = "serde", serde(default))]
    pub seed: u64,
    /// Delays, in order of precedence.
    #[cfg_attr(feature = "serde", serde(default, rename = "delay"))]
    pub delays: Vec<DelayRule>,
    /// Injections, in order of precedence. The key is `injection`, or `fault` as before.
    #[cfg_attr(feature = "serde", serde(default, rename = "injection", alias = "fault"))]
    pub injections: Vec<InjectionRule>,
}

/// A rule of the plan and how far it has got.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress<R> {
    /// Number of the rule in its family and SMMU, from 1, never used again.
    pub number: u64,
    /// The rule.
    pub rule: R,
    /// Number of hits that are still allowed; -1 is no limit.
    pub times_left: i64,
    /// Operations that it was for since it began: with the plan, or the last reset.
    pub operation: u64,
    /// Operations that it was for since it was added.
    pub operations: u64,
    /// Operations that it hit.
    pub hits: u64,
}

impl Plan {
    /// A plan of one delay.
    #[must_use]
    pub fn of_delay(rule: DelayRule) -> Self {
        Self {
            delays: vec![rule],
            ..Self::default()
        }
    }

    /// A plan of one injection rule.
    #[must_use]
    pub fn of_injection(rule: InjectionRule) -> Self {
        Self {
            injections: vec![rule],
            ..Self::default()
        }
    }

    /// Checks every rule against the SMMU that it is for.
    ///
    /// # Errors
    /// [`PlanError`] names the rule and the field.
    pub fn validate(&self, geometry: &Geometry) -> Result<(), PlanError> {
        for (i, rule) in self.delays.iter().enumerate() {
            rule.validate(geometry)
                .and_then(|()| rule.when().validate())
                .map_err(|problem| Family::Delay.problem(i, problem))?;
        }
        for (i, rule) in self.injections.iter().enumerate() {
            rule.validate(geometry)
                .and_then(|()| rule.when().validate())
                .map_err(|problem| Family::Injection.problem(i, problem))?;
        }
        Ok(())
    }

    /// Checks that every mark that a rule names is one of `marks`.
    ///
    /// # Errors
    /// [`PlanError`] names the rule and the field.
    pub fn validate_marks<'a>(&self, marks: impl Iterator<Item = &'a str> + Clone) -> Result<(), PlanError> {
        let check = |field, mark: Option<&str>| match mark {
            Some(mark) if !marks.clone().any(|name| name == mark) => Err(Problem::new(
                field,
                format!("names `{mark}`, which is no mark of this run"),
            )),
            _ => Ok(()),
        };
        let both = |(after, before)| check("after", after).and_then(|()| check("before", before));
        for (i, rule) in self.delays.iter().enumerate() {
            check("until", rule.until.as_deref())
                .and_then(|()| both(rule.marks()))
                .map_err(|problem| Family::Delay.problem(i, problem))?;
        }
        for (i, rule) in self.injections.iter().enumerate() {
            both(rule.marks()).map_err(|problem| Family::Injection.problem(i, problem))?;
        }
        Ok(())
    }
}
