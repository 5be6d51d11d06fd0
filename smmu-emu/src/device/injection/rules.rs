// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Choice of the rule that hits an operation: the kernel's `should_fail()`, for every rule on its own.

use super::chance::{Chance, Draw};
use crate::host::env::Host;
use crate::plan::{self, Rule, When};

/// The rules of one family, in order of precedence. A saved state has them as they are.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub(super) struct Rules<R> {
    /// The number that the last rule got; numbers are not used again.
    last: u64,
    /// The place that the last rule got, since the plan was last replaced: of equal plans it is the same.
    place: u64,
    rules: Vec<Counted<R>>,
}

/// A rule and its counters.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
struct Counted<R> {
    rule: R,
    number: u64,
    place: u64,
    /// Operations that the rule is for, since it began.
    operation: u64,
    times: i64,
    space: u32,
    count: u64,
    /// Operations and hits that no reset clears.
    operations: u64,
    hits: u64,
}

/// A rule hits an operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct RuleHit {
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
        self.rules.push(Counted {
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
        self.rules.retain(|counted| counted.number != number);
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
        self.rules.iter().map(|counted| &counted.rule)
    }

    pub(super) fn progress(&self) -> impl ExactSizeIterator<Item = plan::Progress<R>> {
        self.rules.iter().map(|counted| plan::Progress {
            number: counted.number,
            rule: counted.rule.clone(),
            times_left: counted.times,
            operation: counted.operation,
            operations: counted.operations,
            hits: counted.hits,
        })
    }

    /// Whether rules that were saved can be those of an injector: numbered in the order in which they are given.
    pub(super) fn is_sound(&self) -> bool {
        let mut before = (0, 0);
        self.rules.iter().all(|counted| {
            let (number, place) = (counted.number, counted.place);
            let rises = number > before.0 && place > before.1;
            before = (number, place);
            rises && number <= self.last && place <= self.place && counted.times >= -1
        })
    }

    /// Back to the start of the plan.
    pub(super) fn reset(&mut self) {
        for counted in &mut self.rules {
            let When { times, space, .. } = counted.rule.when();
            counted.times = times;
            counted.space = space;
            counted.operation = 0;
            counted.count = 0;
        }
    }

    /// An operation begins: the first rule that hits it. Every rule that is for it and awake counts it, so that the
    /// numbers of operations do not depend on other rules.
    pub(super) fn hit(
        &mut self,
        seed: u64,
        host: &dyn Host,
        is_for: impl Fn(&R) -> bool,
    ) -> Option<(&R, RuleHit)> {
        let mut found = None;
        for (i, counted) in self.rules.iter_mut().enumerate() {
            if !is_for(&counted.rule) || !counted.is_awake(host) {
                continue;
            }
            counted.operation = counted.operation.saturating_add(1);
            counted.operations = counted.operations.saturating_add(1);
            if found.is_none() {
                found = counted.decide(seed).map(|hit| (i, hit));
            }
        }
        let (i, hit) = found?;
        Some((&self.rules.get(i)?.rule, hit))
    }
}

impl<R: Rule> Counted<R> {
    fn is_awake(&self, host: &dyn Host) -> bool {
        let (after, before) = self.rule.marks();
        after.is_none_or(|name| host.mark(name)) && !before.is_some_and(|name| host.mark(name))
    }

    fn decide(&mut self, seed: u64) -> Option<RuleHit> {
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
        Some(RuleHit {
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
