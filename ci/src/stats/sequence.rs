// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Confidence sequence of a rate: an interval that may be looked at after every boot.
//!
//! The likelihood of the boots under a Beta(½, ½) mixture of rates, divided by that under one rate *p*, is a martingale
//! if *p* is the true rate. It exceeds 1/α at any time with a probability of α at most (Ville's inequality), so
//! the rates for which it has not are an interval that holds at every number of boots at once, also at one that was
//! chosen because of what was seen.

#[cfg(test)]
mod tests;

use statrs::function::beta::ln_beta;

/// Name of the interval's method.
pub const NAME: &str = "beta-binomial confidence sequence";

/// Halvings of an interval until a double tells no more.
const STEPS: u32 = 200;

/// Logarithm of the evidence against `rate` after `boots` boots with `hits` hits: the likelihood of the boots under the
/// mixture, divided by that under `rate`.
pub fn log_evidence(hits: u32, boots: u32, rate: f64) -> f64 {
    let hits = hits.min(boots);
    log_mixture(hits, boots) - log_likelihood(hits, boots, rate)
}

/// Logarithm of the likelihood of the boots under the mixture.
fn log_mixture(hits: u32, boots: u32) -> f64 {
    let (x, n) = (f64::from(hits), f64::from(boots));
    ln_beta(x + 0.5, n - x + 0.5) - ln_beta(0.5, 0.5)
}

/// Logarithm of the likelihood of the boots under one rate.
fn log_likelihood(hits: u32, boots: u32, rate: f64) -> f64 {
    let (x, n) = (f64::from(hits), f64::from(boots));
    // 0 · ln 0 is 0 here.
    let of_hits = if hits > 0 { x * rate.ln() } else { 0.0 };
    let of_others = if hits < boots {
        (n - x) * (-rate).ln_1p()
    } else {
        0.0
    };
    of_hits + of_others
}

/// The interval after `boots` boots with `hits` hits: rates that the mixture's evidence does not rule out at level
/// `alpha`. Wider than the exact interval of a fixed number of boots, and 0 to 1 without boots.
pub fn interval(hits: u32, boots: u32, alpha: f64) -> (f64, f64) {
    let hits = hits.min(boots);
    let mixture = log_mixture(hits, boots);
    let is_kept = |rate: f64| mixture - log_likelihood(hits, boots, rate) < -alpha.ln();
    // The share itself is always kept: the mixture's likelihood is an average of others.
    let share = if boots > 0 {
        f64::from(hits) / f64::from(boots)
    } else {
        0.5
    };
    (edge(0.0, share, &is_kept), edge(1.0, share, &is_kept))
}

/// The outermost rate that is kept between `outer` and `inner`, which is kept.
fn edge(mut outer: f64, mut inner: f64, is_kept: &dyn Fn(f64) -> bool) -> f64 {
    if is_kept(outer) {
        return outer;
    }
    for _ in 0..STEPS {
        let middle = (outer + inner) / 2.0;
        if is_kept(middle) {
            inner = middle;
        } else {
            outer = middle;
        }
    }
    // On the safe side.
    outer
}
