// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Problems of a plan.

use thiserror::Error;

/// The two families of rules, which are numbered apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// A [`DelayRule`](crate::DelayRule).
    Delay,
    /// A [`InjectionRule`](crate::InjectionRule).
    Injection,
}

/// A rule of the plan makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{family} rule {rule}: `{field}` {problem}")]
#[non_exhaustive]
pub struct PlanError {
    /// Family of the rule.
    pub family: Family,
    /// Number of the rule in the family, counted from 1.
    pub rule: usize,
    /// The field to change.
    pub field: &'static str,
    /// Problem of the field, and what is allowed.
    pub problem: String,
}

/// A [`PlanError`] that does not know yet of which rule it is.
pub(super) struct Problem {
    field: &'static str,
    problem: String,
}

impl Problem {
    pub(super) fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self {
            field,
            problem: problem.into(),
        }
    }
}

impl core::fmt::Display for Family {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Delay => "delay",
            Self::Injection => "injection",
        })
    }
}

impl Family {
    pub(super) fn problem(self, rule: usize, problem: Problem) -> PlanError {
        let Problem { field, problem } = problem;
        PlanError {
            family: self,
            rule: rule + 1,
            field,
            problem,
        }
    }
}
