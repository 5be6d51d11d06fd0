// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Two cells compared by pairs: boot *i* of the first cell with boot *i* of the second (McNemar 1947, sequentially).
//!
//! A pair is *discordant* if one of its boots is a hit and the other is clean. If the cells have one rate, whichever it
//! is, a discordant pair is a throw of a fair coin, and the evidence of a Beta(½, ½) mixture against ½
//! ([`sequence::log_evidence`]) exceeds 1/α at any time with a probability of α at most. So the pairs may be looked at
//! after each of them. Pairs with a boot that says nothing do not count.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::class::Class;
use crate::stats::sequence;

/// Name of the test.
pub const NAME: &str = "sequential McNemar test, beta-binomial evidence";

/// Test of the pairs of two cells.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairTest {
    /// Probability of finding a difference between cells of one rate, at most.
    pub alpha: f64,
}

impl PairTest {
    /// Checks α.
    ///
    /// # Errors
    /// It is no probability of an error.
    pub fn check(self) -> Result<(), String> {
        if self.alpha > 0.0 && self.alpha < 0.5 {
            return Ok(());
        }
        Err(format!(
            "`alpha` is the probability of a wrong decision, above 0 and below 0.5, and is {}",
            self.alpha
        ))
    }
}

/// Pairs counted in the order of their numbers, until the cells differ.
#[derive(Debug, Clone)]
pub struct Pairs {
    test: PairTest,
    /// Number of the pair that is counted next.
    next: u32,
    waiting: [BTreeMap<u32, Class>; 2],
    /// Pairs of which both boots say something.
    pub conclusive: u32,
    /// Pairs of which the first cell's boot alone is a hit.
    pub first_only: u32,
    /// Pairs of which the second cell's boot alone is a hit.
    pub second_only: u32,
    /// p-value of the cells having one rate, valid at every number of pairs: 1 divided by the largest evidence so far.
    pub p: f64,
    /// Number of the pair by which the cells differ.
    pub ended_at: Option<u32>,
}

impl Pairs {
    /// No pairs.
    pub fn new(test: PairTest) -> Self {
        Self {
            test,
            next: 1,
            waiting: Default::default(),
            conclusive: 0,
            first_only: 0,
            second_only: 0,
            p: 1.0,
            ended_at: None,
        }
    }

    /// Takes a boot of cell number `cell`, 0 or 1; its pair counts when all pairs before it have.
    pub fn add(&mut self, cell: usize, boot: u32, class: Class) {
        let Some(waiting) = self.waiting.get_mut(cell).filter(|_| boot >= self.next) else {
            return;
        };
        waiting.insert(boot, class);
        while self.waiting.iter().all(|cell| cell.contains_key(&self.next)) {
            let [first, second] = self.waiting.each_mut().map(|cell| cell.remove(&self.next));
            if self.ended_at.is_none() {
                self.count(first, second);
            }
            self.next = self.next.saturating_add(1);
        }
    }

    fn count(&mut self, first: Option<Class>, second: Option<Class>) {
        match (first, second) {
            (Some(Class::Hit), Some(Class::Clean)) => self.first_only += 1,
            (Some(Class::Clean), Some(Class::Hit)) => self.second_only += 1,
            (Some(Class::Hit), Some(Class::Hit)) | (Some(Class::Clean), Some(Class::Clean)) => {}
            _ => return,
        }
        self.conclusive += 1;
        let discordant = self.first_only + self.second_only;
        let evidence = sequence::log_evidence(self.first_only, discordant, 0.5);
        self.p = self.p.min((-evidence).exp());
        if self.p <= self.test.alpha {
            self.ended_at = Some(self.next);
        }
    }
}
