// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Choice of the rule that hits an operation: the kernel's `should_fail()`, for every rule on its own.

use super::chance::{Chance, Draw};
use crate::host::env::Host;
use crate::plan::{self, Rule, When};

/// The rules of one family, in order of precedence.
#[derive(Debug)]
pub(super) struct Rules<R> {
    pub(super) rules: Vec<Progress<R>>,
    /// The number that the last rule got; numbers are not used again.
    pub(super) last: u64,
    /// The place that the last rule got, since the plan was last replaced: of equal plans it is the same.
    pub(super) place: u64,
}

/// A rule and its counters.
#[derive(Debug)]
pub(super) struct Progress<R> {
    pub(super) rule: R,
    pub(super) number: u64,
    pub(super) place: u64,
    /// Operations that the rule is for, since it began.
    pub(super) operation: u64,
    pub(super) times: i64,
    pub(super) space: u32,
    pub(super) count: u64,
    /// Operations and hits that no reset clears.
    pub(super) operations: u64,
    pub(super) hits: u64,
}

/// A rule hits an operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    /// Number of the rule.
    pub(super) rule: u64,
    /// Number of the operation.
    pub(super) operation: u64,
    pub(super) verbose: u8,
    pub(super) chance: Chance,
}

impl<R> Default for Rules<R> {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            last: 0,
            place: 0,
        }
    }
}

impl<R: Rule + Clone> Rules<R> {
    /// Adds a rule behind the others and returns its number.
    pub(super) fn add(&mut self, rule: R) -> u64 {
        self.last = self.last.saturating_add(1);
        self.place = self.place.saturating_add(1);
        let When { times, space, .. } = rule.when();
        self.rules.push(Progress {
            number: self.last,
            place: self.place,
            operation: 0,
            times,
            space,
            count: 0,
            operations: 0,
            hits: 0,
            rule,
        });
        self.last
    }

    /// Removes the rule with this number.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        let before = self.rules.len();
        self.rules.retain(|progress| progress.number != number);
        self.rules.len() != before
    }

    /// Puts these rules in the place of all.
    pub(super) fn replace(&mut self, rules: Vec<R>) {
        self.rules.clear();
        self.place = 0;
        for rule in rules {
            self.add(rule);
        }
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &R> {
        self.rules.iter().map(|progress| &progress.rule)
    }

    pub(super) fn progress(&self) -> impl ExactSizeIterator<Item = plan::Progress<R>> {
        self.rules.iter().map(|progress| plan::Progress {
            number: progress.number,
            rule: progress.rule.clone(),
            times_left: progress.times,
            operation: progress.operation,
            operations: progress.operations,
            hits: progress.hits,
        })
    }

    /// Back to the start of the plan.
    pub(super) fn reset(&mut self) {
        for progress in &mut self.rules {
            let When { times, space, .. } = progress.rule.when();
            progress.times = times;
            progress.space = space;
            progress.operation = 0;
            progress.count = 0;
        }
    }

    /// An operation begins: the first rule that hits it. Every rule that is for it and awake counts it, so that the
    /// numbers of operations do not depend on other rules.
    pub(super) fn hit(
        &mut self,
        seed: u64,
        host: &dyn Host,
        is_for: impl Fn(&R) -> bool,
    ) -> Option<(&R, Hit)> {
        let mut found = None;
        for (i, progress) in self.rules.iter_mut().enumerate() {
            if !is_for(&progress.rule) || !progress.is_awake(host) {
                continue;
            }
            progress.operation = progress.operation.saturating_add(1);
            progress.operations = progress.operations.saturating_add(1);
            if found.is_none() {
                found = progress.decide(seed).map(|hit| (i, hit));
            }
        }
        let (i, hit) = found?;
        Some((&self.rules.get(i)?.rule, hit))
    }
}

impl<R: Rule> Progress<R> {
    fn is_awake(&self, host: &dyn Host) -> bool {
        let (after, before) = self.rule.marks();
        after.is_none_or(|name| host.mark(name)) && !before.is_some_and(|name| host.mark(name))
    }

    fn decide(&mut self, seed: u64) -> Option<Hit> {
        let when = self.rule.when();
        let chance = Chance::new(seed, self.place, self.operation);
        let hits = match when.nth {
            Some(nth) => nth == self.operation,
            None => self.should_fail(&when, chance),
        };
        if !hits {
            return None;
        }
        self.hits = self.hits.saturating_add(1);
        Some(Hit {
            rule: self.number,
            operation: self.operation,
            verbose: when.verbose,
            chance,
        })
    }

    /// The attributes in the kernel's order, for operations of size 1.
    fn should_fail(&mut self, when: &When, chance: Chance) -> bool {
        if when.probability == 0 || self.times == 0 {
            return false;
        }
        if self.space > 0 {
            self.space -= 1;
            return false;
        }
        self.count = self.count.saturating_add(1);
        if !self.count.is_multiple_of(when.interval.into()) {
            return false;
        }
        if u64::from(when.probability) <= chance.draw(Draw::Hit) % 100 {
            return false;
        }
        if self.times > 0 {
            self.times -= 1;
        }
        true
    }
}
