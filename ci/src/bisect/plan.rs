// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Plan of a bisection: how many clean boots make a commit good, and the chance that the bisection ends wrong.
//!
//! A commit is judged by an SPRT of the rate `p1`, a lower bound of the rate at the bad end, against a rate so near to
//! 0 that one hit decides. A step can be wrong in one way: a bad commit whose boots are all clean. Steps are as many as
//! `git bisect` needs for the commits; the wanted chance is divided among them.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::stats::sprt::{Decision, Sprt};

/// Most clean boots of a step.
const CLEAN_MAX: u32 = 10_000;

/// Plan of a bisection.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Commits of which one is the first bad one.
    pub commits: u32,
    /// Steps that `git bisect` needs at most, if none is skipped.
    pub steps: u32,
    /// Test of each step.
    pub test: Sprt,
    /// Clean boots, without a hit among them, that make a commit good.
    pub clean: u32,
    /// Chance of a wrong end at most, if every bad commit has at least the rate `p1`.
    pub chance: f64,
}

impl Plan {
    /// The plan for `commits` commits, a rate of `p1` or more at the bad end, and a chance of a wrong end of `error` at
    /// most.
    ///
    /// # Errors
    /// A step would need more than 10,000 boots, or there is nothing to bisect.
    pub fn new(commits: u32, p1: f64, error: f64) -> Result<Self, String> {
        if commits == 0 {
            return Err(
                "`--commits` is the number of commits between the good and the bad end, from 1".to_owned(),
            );
        }
        if !(error > 0.0 && error < 0.5) {
            return Err(format!(
                "`--error` is the chance of a wrong end, above 0 and below 0.5, and is {error}"
            ));
        }
        let steps = commits.ilog2() + 1;
        let of_step = error / f64::from(steps);
        let test = Sprt {
            // So small that a hit outweighs all clean boots that a step may have before it.
            p0: p1 * of_step * of_step,
            p1,
            alpha: of_step,
            // So that the boundary for clean boots is the wanted chance itself.
            beta: of_step * (1.0 - of_step),
        };
        let clean = test
            .check()
            .ok()
            .and_then(|()| (1..=CLEAN_MAX).find(|boots| test.decide(0, *boots) == Some(Decision::Low)))
            .ok_or_else(|| {
                format!(
                    "a rate of {p1:.2e} at the bad end needs more than {CLEAN_MAX} boots a step: calibrate with more \
                     --boots, or take a recipe that hits more often"
                )
            })?;
        Ok(Self {
            commits,
            steps,
            test,
            clean,
            chance: wrong(p1, clean) * f64::from(steps),
        })
    }

    /// Chance that a commit was called good after `clean` boots though its rate is `p1`.
    pub fn wrong_good(&self, clean: u32) -> f64 {
        wrong(self.test.p1, clean)
    }

    /// Boots of a step at most: room for some that say nothing.
    pub fn most(&self) -> u32 {
        self.clean.saturating_mul(2).saturating_add(3)
    }
}

/// Chance that `clean` boots of a rate are all clean.
fn wrong(rate: f64, clean: u32) -> f64 {
    (f64::from(clean) * (-rate).ln_1p()).exp()
}
