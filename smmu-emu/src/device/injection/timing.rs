// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Status bits that stay busy.

use super::Injector;
use super::rules::Hit;
use crate::host::env::Env;
use crate::host::injected::Point;
use crate::plan::Sites;
use crate::plan::{DelayRule, Site};

/// The state of an operation that software polls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Busy {
    /// Complete.
    #[default]
    Idle,
    /// Busy for this many more status reads.
    Polls(u32),
    /// Busy until this time of [`Env::now`], or until the mark is raised.
    Until {
        /// Nanoseconds.
        deadline: u64,
        /// Ends it earlier.
        mark: Option<String>,
    },
}

impl Busy {
    /// A status read: whether the operation is still busy. The read counts.
    pub(crate) fn poll(&mut self, env: &dyn Env) -> bool {
        match self {
            Self::Polls(left @ 1..) => {
                *left -= 1;
                true
            }
            _ => {
                let busy = self.is_busy(env);
                if !busy {
                    *self = Self::Idle;
                }
                busy
            }
        }
    }

    /// Whether the operation is still busy, without counting a read.
    pub(crate) fn is_busy(&self, env: &dyn Env) -> bool {
        match self {
            Self::Idle => false,
            Self::Polls(left) => *left > 0,
            Self::Until { deadline, mark } => {
                env.now() < *deadline && !mark.as_deref().is_some_and(|name| env.mark(name))
            }
        }
    }
}

impl Injector {
    /// An operation starts: how long it takes.
    pub(crate) fn busy(&mut self, env: &mut dyn Env, site: Site, bank: Option<u8>) -> Busy {
        if !self.watches(Sites::BUSY) {
            return Busy::Idle;
        }
        let at = Point {
            bank,
            ..Point::default()
        };
        let is_for = |rule: &DelayRule| rule.site == site && (rule.bank.is_none() || rule.bank == bank);
        match self.delay(env, at, is_for) {
            None => Busy::Idle,
            Some((rule, hit)) => match rule.polls {
                Some(polls) => Busy::Polls(polls),
                None => Busy::Until {
                    deadline: rule.deadline(&hit, env),
                    mark: rule.until.clone(),
                },
            },
        }
    }
}

impl DelayRule {
    /// The time of [`Env::now`] at which a delay that begins now ends at the latest.
    pub(super) fn deadline(&self, hit: &Hit, env: &dyn Env) -> u64 {
        let time_us = match self.time_us {
            Some(time) => hit.chance.time_us(time),
            None => self.at_most_us.unwrap_or(0),
        };
        env.now().saturating_add(time_us.saturating_mul(1000))
    }
}
