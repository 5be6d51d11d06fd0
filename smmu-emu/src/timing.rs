// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The timing plan at work: how far each rule has got, and how long each operation stays busy.

use crate::env::{Delayed, Env};
use crate::inspect::Delay;
use crate::plan::{Bounds, DelayRule, Plan, Site, Time};
use crate::trace::{self, Event};

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

/// A plan and its progress.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timing {
    rules: Vec<Progress>,
    /// The number that the last rule got; numbers are not used again.
    last: u64,
}

/// A rule and its counters, which work as the kernel's fault-injection attributes do with every operation of size 1.
#[derive(Clone, Debug)]
struct Progress {
    number: u64,
    rule: DelayRule,
    times: i64,
    seen: u64,
    space: u32,
    /// Operations that the rule was for while awake, and those that it hit; no reset clears them.
    operations: u64,
    hits: u64,
}

impl Timing {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut timing = Self::default();
        for rule in plan.delays {
            timing.add(rule);
        }
        timing
    }

    /// Adds a rule behind the others and returns its number.
    pub(crate) fn add(&mut self, rule: DelayRule) -> u64 {
        self.last = self.last.saturating_add(1);
        self.rules.push(Progress {
            number: self.last,
            times: rule.times,
            seen: 0,
            space: rule.space,
            operations: 0,
            hits: 0,
            rule,
        });
        self.last
    }

    /// Removes the rule with this number; operations that it delays already stay as they are.
    pub(crate) fn remove(&mut self, number: u64) -> bool {
        let before = self.rules.len();
        self.rules.retain(|progress| progress.number != number);
        self.rules.len() != before
    }

    /// Removes all rules.
    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// The rules in the order of their precedence.
    pub(crate) fn rules(&self) -> impl ExactSizeIterator<Item = Delay> {
        self.rules.iter().map(|progress| Delay {
            number: progress.number,
            rule: progress.rule.clone(),
            times_left: progress.times,
            operations: progress.operations,
            hits: progress.hits,
        })
    }

    /// Back to the start of the plan.
    pub(crate) fn reset(&mut self) {
        for progress in &mut self.rules {
            let Progress {
                rule,
                times,
                seen,
                space,
                number: _,
                operations: _,
                hits: _,
            } = progress;
            *times = rule.times;
            *seen = 0;
            *space = rule.space;
        }
    }

    /// An operation starts at a site: how long it takes. The first rule that hits decides.
    pub(crate) fn start(&mut self, env: &mut dyn Env, site: Site, bank: Option<u8>) -> Busy {
        for progress in &mut self.rules {
            let rule = &progress.rule;
            let here = rule.site == site && (rule.bank.is_none() || rule.bank == bank);
            if here && progress.is_awake(env) && progress.hits(env) {
                progress.hits = progress.hits.saturating_add(1);
                let delayed = Delayed {
                    rule: progress.number,
                    site,
                    bank,
                };
                env.delayed(&delayed);
                trace::tell(env, || Event::Delayed(delayed));
                return progress.rule.busy(env);
            }
        }
        Busy::Idle
    }
}

impl Progress {
    fn is_awake(&self, env: &dyn Env) -> bool {
        let DelayRule { after, before, .. } = &self.rule;
        after.as_deref().is_none_or(|name| env.mark(name))
            && !before.as_deref().is_some_and(|name| env.mark(name))
    }

    fn hits(&mut self, env: &mut dyn Env) -> bool {
        self.operations = self.operations.saturating_add(1);
        if self.times == 0 {
            return false;
        }
        if self.space > 0 {
            self.space -= 1;
            return false;
        }
        self.seen += 1;
        if !self.seen.is_multiple_of(self.rule.interval.into()) {
            return false;
        }
        let probability = u64::from(self.rule.probability);
        if probability < 100 && env.random() % 100 >= probability {
            return false;
        }
        if self.times > 0 {
            self.times -= 1;
        }
        true
    }
}

impl DelayRule {
    fn busy(&self, env: &mut dyn Env) -> Busy {
        if let Some(polls) = self.polls {
            return Busy::Polls(polls);
        }
        let time_us = match self.time_us {
            Some(Time::Fixed(time)) => time,
            Some(Time::Uniform(Bounds { min, max })) => min + env.random() % (max - min + 1),
            None => self.at_most_us.unwrap_or(0),
        };
        let deadline = env.now().saturating_add(time_us.saturating_mul(1000));
        Busy::Until {
            deadline,
            mark: self.until.clone(),
        }
    }
}
