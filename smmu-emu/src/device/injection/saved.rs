// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The injector as a value: its rules, how far each has got, and what it holds back.
//!
//! Chance has no state: it follows from the seed, the place of a rule and the number of an operation.

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::injector::{Injector, Late};
use super::rules::Rules;
use crate::arch::line::Line;
use crate::config::Geometry;
use crate::device::busy::Busy;
use crate::plan::{DelayRule, InjectionRule, MAX_DELAY_US, MAX_POLLS, Plan, PlanError, Rule};

/// An injector that was saved.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub(crate) struct SavedInjector {
    seed: u64,
    delays: Rules<DelayRule>,
    injections: Rules<InjectionRule>,
    late: Vec<SavedLate>,
    high: Vec<Line>,
}

/// An interrupt that is on its way.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
struct SavedLate {
    line: Line,
    /// Nanoseconds until it arrives.
    left: u64,
    mark: Option<String>,
}

/// The state of an operation that software polls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(rename_all = "kebab-case")
)]
pub(crate) enum SavedBusy {
    /// Complete.
    #[default]
    Idle,
    /// Busy for this many more status reads.
    Polls(u32),
    /// Busy for so many nanoseconds, or until the mark is raised.
    Until {
        /// Nanoseconds.
        left: u64,
        /// Ends it earlier.
        mark: Option<String>,
    },
}

/// Reason for which no injector of an SMMU can be like one that was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// A rule is wrong.
    Plan(PlanError),
    /// Another part is.
    Other(&'static str),
}

impl From<PlanError> for Mismatch {
    fn from(error: PlanError) -> Self {
        Self::Plan(error)
    }
}

/// Whether an operation or interrupt can be due so late.
const fn is_possible(left: u64) -> bool {
    left <= MAX_DELAY_US * 1000
}

impl Injector {
    /// The injector as a value, at a time of [`Host::now`](crate::Host::now).
    pub(crate) fn save(&self, now: u64) -> SavedInjector {
        let Self {
            seed,
            // Follows from the rules.
            sites: _,
            delays,
            injections,
            late,
            high,
        } = self;
        let late = late.iter().map(|Late { line, deadline, mark }| SavedLate {
            line: *line,
            left: deadline.saturating_sub(now),
            mark: mark.clone(),
        });
        SavedInjector {
            seed: *seed,
            delays: delays.clone(),
            injections: injections.clone(),
            late: late.collect(),
            high: high.clone(),
        }
    }

    /// The injector that was saved, at a time of [`Host::now`](crate::Host::now).
    pub(crate) fn restored(saved: &SavedInjector, geometry: &Geometry, now: u64) -> Result<Self, Mismatch> {
        let SavedInjector {
            seed,
            delays,
            injections,
            late,
            high,
        } = saved;
        saved.plan().validate(geometry)?;
        if !delays.is_sound() {
            return Err(Mismatch::Other("the numbers of its delays"));
        }
        if !injections.is_sound() {
            return Err(Mismatch::Other("the numbers of its injections"));
        }
        let mut injector = Self {
            seed: *seed,
            delays: delays.clone(),
            injections: injections.clone(),
            ..Self::default()
        };
        for SavedLate { line, left, mark } in late {
            let there = geometry.lines().any(|other| other == *line);
            if !there || injector.is_late(*line) || !is_possible(*left) {
                return Err(Mismatch::Other("its late interrupts"));
            }
            injector.late.push(Late {
                line: *line,
                deadline: now.saturating_add(*left),
                mark: mark.clone(),
            });
        }
        for line in high {
            if injector.is_high(*line) || geometry.lines().all(|other| other != *line) {
                return Err(Mismatch::Other("its interrupt lines"));
            }
            injector.high.push(*line);
        }
        injector.count_sites();
        Ok(injector)
    }
}

impl SavedInjector {
    /// The rules as a plan.
    pub(crate) fn plan(&self) -> Plan {
        Plan {
            seed: self.seed,
            delays: self.delays.rules().cloned().collect(),
            injections: self.injections.rules().cloned().collect(),
        }
    }

    /// The marks that rules, late interrupts and the like wait for.
    pub(crate) fn marks(&self) -> impl Iterator<Item = &str> {
        let of_delays = self.delays.rules().flat_map(|rule| {
            let (after, before) = rule.marks();
            [after, before, rule.until.as_deref()]
        });
        let of_injections = self.injections.rules().flat_map(|rule| {
            let (after, before) = rule.marks();
            [after, before]
        });
        let of_late = self.late.iter().map(|late| late.mark.as_deref());
        of_delays.chain(of_injections).chain(of_late).flatten()
    }
}

impl Busy {
    /// The operation as a value, at a time of [`Host::now`](crate::Host::now).
    pub(crate) fn save(&self, now: u64) -> SavedBusy {
        match self {
            Self::Idle => SavedBusy::Idle,
            Self::Polls(left) => SavedBusy::Polls(*left),
            Self::Until { deadline, mark } => SavedBusy::Until {
                left: deadline.saturating_sub(now),
                mark: mark.clone(),
            },
        }
    }
}

impl SavedBusy {
    /// The operation that was saved; `None` if none can take so long.
    pub(crate) fn restored(&self, now: u64) -> Option<Busy> {
        match self {
            Self::Idle => Some(Busy::Idle),
            Self::Polls(left) => (*left <= MAX_POLLS).then_some(Busy::Polls(*left)),
            Self::Until { left, mark } => is_possible(*left).then(|| Busy::Until {
                deadline: now.saturating_add(*left),
                mark: mark.clone(),
            }),
        }
    }

    /// The mark that it waits for.
    pub(crate) fn mark(&self) -> Option<&str> {
        match self {
            Self::Until { mark, .. } => mark.as_deref(),
            Self::Idle | Self::Polls(_) => None,
        }
    }
}
