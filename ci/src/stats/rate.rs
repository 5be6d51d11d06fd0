// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A rate and its exact confidence interval.

#[cfg(test)]
mod tests;

use serde::Serialize;
use statrs::function::beta::inv_beta_reg;

/// Name of the interval's method.
pub const NAME: &str = "Clopper-Pearson";
/// Error of the intervals of a [`Rate`]: they are of 95 %.
pub const ALPHA: f64 = 0.05;

/// Boots as expected out of conclusive boots, with the 95 % confidence interval of the underlying rate.
///
/// The interval is the *exact* one of Clopper and Pearson (1934): it never covers less than 95 %, and at the
/// ends, where control recipes live, it reads as people expect (0 of 8 is "below 0.37", 8 of 8 "above 0.63").
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    /// Boots that were as expected.
    pub as_expected: u32,
    /// Boots that were conclusive.
    pub boots: u32,
    /// Lower bound of the rate, 0 to 1.
    pub low: f64,
    /// Upper bound of the rate, 0 to 1.
    pub high: f64,
}

impl Rate {
    /// The rate of `as_expected` in `boots`; with no boot at all nothing is known and the interval is 0 to 1.
    pub fn new(as_expected: u32, boots: u32) -> Self {
        let hits = as_expected.min(boots);
        let (low, high) = clopper_pearson(hits, boots, ALPHA);
        Self {
            as_expected: hits,
            boots,
            low,
            high,
        }
    }

    /// The observed share, or `None` without boots.
    pub fn share(&self) -> Option<f64> {
        (self.boots > 0).then(|| f64::from(self.as_expected) / f64::from(self.boots))
    }
}

/// The two-sided interval of Clopper and Pearson for `hits` of `boots`, which misses the rate with a probability of
/// `alpha` at most. It holds for a number of boots that does not depend on their outcomes.
pub fn clopper_pearson(hits: u32, boots: u32, alpha: f64) -> (f64, f64) {
    let (x, n) = (f64::from(hits.min(boots)), f64::from(boots));
    let low = if x > 0.0 {
        inv_beta_reg(x, n - x + 1.0, alpha / 2.0)
    } else {
        0.0
    };
    let high = if x < n {
        inv_beta_reg(x + 1.0, n - x, 1.0 - alpha / 2.0)
    } else {
        1.0
    };
    (low, high)
}
