// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Findings, lines and results of one boot against the expectations of its recipe.
//!
//! An expectation is met, broken, or open. One without an upper bound is met once it was seen often enough, whatever
//! happens later; one with a bound is broken once it was seen too often. All others wait for the end of the boot, and
//! stay open if it does not get there.

#[cfg(test)]
mod tests;

use super::findings::Finding;
use super::outcome::{Met, Outcome};
use crate::recipe::{Expectation, Expectations, FindingKind, Subject};

/// Lines kept for an expectation that looks for lines.
const LINES_MAX: usize = 8;

/// An expectation and what was seen of it.
#[derive(Debug)]
struct Tally {
    expectation: Expectation,
    count: u32,
    lines: Vec<String>,
}

impl Tally {
    fn new(expectation: &Expectation) -> Self {
        Self {
            expectation: expectation.clone(),
            count: 0,
            lines: Vec::new(),
        }
    }

    fn add(&mut self, occurrences: u32) {
        self.count = self.count.saturating_add(occurrences);
    }

    /// Whether it holds; `None` as long as that depends on what may still come.
    fn met(&self, over: bool) -> Option<bool> {
        let Expectation { min, max, .. } = self.expectation;
        if max.is_some_and(|max| self.count > max) {
            return Some(false);
        }
        let enough = self.count >= min;
        (over || enough && max.is_none()).then_some(enough)
    }
}

/// Judge of one boot.
#[derive(Debug)]
pub struct Judge {
    all: Vec<Tally>,
    inconclusive: Vec<Tally>,
    /// Kernel trouble alone decides.
    trouble: bool,
    allow_unbound: Vec<String>,
    /// A crash that no expectation wants.
    crash: Option<String>,
    /// An SMMU of the board that has no driver.
    unbound: Option<String>,
}

impl Judge {
    /// A judge who has seen nothing.
    pub fn new(expect: &Expectations) -> Self {
        Self {
            all: expect.all.iter().map(Tally::new).collect(),
            inconclusive: expect.inconclusive.iter().map(Tally::new).collect(),
            trouble: expect.are_trouble(),
            allow_unbound: expect.allow_unbound.clone(),
            crash: None,
            unbound: None,
        }
    }

    fn tallies(&mut self) -> impl Iterator<Item = &mut Tally> {
        self.all.iter_mut().chain(&mut self.inconclusive)
    }

    /// Counts the occurrences of a finding.
    pub fn finding(&mut self, found: &Finding) {
        for tally in self.tallies() {
            if tally.expectation.subject.fits(found.as_ref()) {
                tally.add(found.count);
            }
        }
        let wanted = self
            .all
            .iter()
            .any(|tally| tally.expectation.wants(found.kind) && tally.count > 0);
        if found.kind.is_crash() && !wanted {
            let text = format!("the kernel had {}: {}", article(found.kind), found.title);
            self.crash.get_or_insert(text);
        }
        if found.kind == FindingKind::Unbound && !self.allow_unbound.contains(&found.title) {
            self.unbound.get_or_insert_with(|| found.text.clone());
        }
    }

    /// Counts a line that has the pattern of that number, as [`Expectations::lines`] counts them.
    pub fn line(&mut self, pattern: usize, text: String) {
        let mut of_lines = self
            .tallies()
            .filter(|tally| matches!(tally.expectation.subject, Subject::Log(_)));
        if let Some(tally) = of_lines.nth(pattern) {
            tally.add(1);
            if tally.lines.len() < LINES_MAX {
                tally.lines.push(text);
            }
        }
    }

    /// Counts a result of a step.
    pub fn result(&mut self, result: &str, text: &str) {
        for tally in self.tallies() {
            if let Subject::Result { name, value } = &tally.expectation.subject
                && name == result
                && value.as_ref().is_none_or(|value| value.fits(text))
            {
                tally.add(1);
            }
        }
    }

    /// Whether a late-probe warning is looked for, be it that it is not to be seen.
    pub fn looks_for_late_probe(&self) -> bool {
        let late = |tally: &Tally| {
            matches!(
                tally.expectation.subject,
                Subject::Finding {
                    kind: FindingKind::LateProbe,
                    ..
                }
            )
        };
        self.trouble && self.all.iter().any(late)
    }

    /// Whether the rest of the boot can change nothing: kernel trouble alone was looked for, and was seen.
    pub fn is_settled(&self) -> bool {
        let mut all = self.all.iter().map(|tally| tally.met(false));
        self.trouble && (all.clone().any(|met| met == Some(false)) || all.all(|met| met == Some(true)))
    }

    /// Outcome of the boot, and the state of each expectation in the recipe's order; `incomplete` says why the boot did
    /// not get to its end.
    pub fn conclude(self, incomplete: Option<String>, booted: bool) -> (Outcome, Vec<Met>) {
        let incomplete = incomplete.or_else(|| self.crash.clone());
        let over = incomplete.is_none();
        let outcome = self.outcome(incomplete, booted);
        let state = |tally: Tally| Met {
            met: tally.met(over),
            count: tally.count,
            lines: tally.lines,
        };
        (outcome, self.all.into_iter().map(state).collect())
    }

    fn outcome(&self, incomplete: Option<String>, booted: bool) -> Outcome {
        let over = incomplete.is_none();
        if let Some(tally) = self
            .inconclusive
            .iter()
            .find(|tally| tally.met(over) == Some(true))
        {
            return Outcome::Inconclusive(because(&tally.expectation));
        }
        let met: Vec<Option<bool>> = self.all.iter().map(|tally| tally.met(false)).collect();
        if met.contains(&Some(false)) {
            return self.broken(false);
        }
        if self.trouble && met.iter().all(|met| *met == Some(true)) {
            return Outcome::AsExpected;
        }
        // Lines and results of a guest whose SMMU is not in use are not what they seem.
        if let Some(unbound) = &self.unbound {
            return Outcome::Inconclusive(unbound.clone());
        }
        if self.all.iter().all(|tally| tally.met(over) == Some(true)) {
            return Outcome::AsExpected;
        }
        match incomplete {
            Some(reason) if booted => Outcome::Inconclusive(reason),
            Some(reason) => Outcome::NotBooted(reason),
            None => self.broken(true),
        }
    }

    fn broken(&self, over: bool) -> Outcome {
        let broken = self.all.iter().filter(|tally| tally.met(over) == Some(false));
        let reasons: Vec<String> = broken
            .map(|tally| match (tally.expectation.is_negated(), tally.count) {
                (true, _) => format!("{} was seen", tally.expectation.subject),
                (false, 0) => format!("{} was not seen", tally.expectation.subject),
                (false, count) => format!(
                    "{} was seen {count} times, expected: {}",
                    tally.expectation.subject, tally.expectation
                ),
            })
            .collect();
        Outcome::NotAsExpected(reasons.join("; "))
    }
}

fn article(kind: FindingKind) -> String {
    let words = kind.words();
    let article = if words.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {words}")
}

/// Reason of a boot that the recipe calls inconclusive.
fn because(expectation: &Expectation) -> String {
    let seen = if expectation.is_negated() {
        "was not seen"
    } else {
        "was seen"
    };
    let note = expectation
        .note
        .as_ref()
        .map(|note| format!(": {note}"))
        .unwrap_or_default();
    format!("{} {seen}{note}", expectation.subject)
}
