// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A rate and how far it can be trusted.

#[cfg(test)]
mod tests;

use serde::Serialize;

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

/// Each tail of a two-sided 95 % interval.
const TAIL: f64 = 0.025;

impl Rate {
    /// The rate of `as_expected` in `boots`; with no boot at all nothing is known and the interval is 0 to 1.
    pub fn new(as_expected: u32, boots: u32) -> Self {
        let hits = as_expected.min(boots);
        // P(X >= hits) grows with the rate and P(X <= hits) falls with it, so each bound is a root.
        let low = if hits == 0 {
            0.0
        } else {
            root(|rate| at_least(hits, boots, rate) < TAIL)
        };
        let high = if hits == boots {
            1.0
        } else {
            root(|rate| 1.0 - at_least(hits + 1, boots, rate) > TAIL)
        };
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

/// The rate at which `below` turns from true to false, to far better than a printed digit.
fn root(below: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// P(X >= k) for X binomial in n trials of probability p.
fn at_least(k: u32, n: u32, p: f64) -> f64 {
    if k == 0 || p >= 1.0 {
        return 1.0;
    }
    if p <= 0.0 {
        return 0.0;
    }
    // Terms in logarithms: the coefficients overflow from about a thousand trials.
    let (log_p, log_q) = (p.ln(), (-p).ln_1p());
    let mut log_choose = 0.0;
    let mut below = 0.0;
    for i in 0..k {
        if i > 0 {
            log_choose += (f64::from(n - i + 1) / f64::from(i)).ln();
        }
        below += (log_choose + f64::from(i) * log_p + f64::from(n - i) * log_q).exp();
    }
    (1.0 - below).clamp(0.0, 1.0)
}
