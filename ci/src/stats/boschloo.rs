// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Unconditional exact test of Boschloo (1970) of two rates, with Fisher's p-value as its statistic.
//!
//! The p-value is the largest probability, over all rates that both could share, of a pair of counts whose one-sided
//! p-value by Fisher is no larger than that of the counts that were seen. It is never above Fisher's own.

#[cfg(test)]
mod tests;

use statrs::function::factorial::ln_binomial;

/// Name of the method.
pub const NAME: &str = "Boschloo";

/// Rates at which the probability is looked at, equally spaced; its largest value is then refined between neighbours.
const GRID: u32 = 400;
/// Rates near 0 and near 1 besides, each half as far from there as the one before.
const NEAR_ENDS: i32 = 40;
/// Neighbourhoods that are refined, and steps of each.
const REFINED: usize = 5;
const STEPS: u32 = 60;
/// Most boots of both together. For more, Fisher's own p-value is taken: it is no smaller, and as good as equal by
/// then.
const MOST: u32 = 20_000;
/// Share of a sum that further terms no longer change.
const NEGLIGIBLE: f64 = 1e-18;
/// Fisher's p-values that differ by less than this share are equal: they are sums in another order.
const TIE: f64 = 1e-9;

/// Hits among boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Hits.
    pub hits: u32,
    /// Conclusive boots, hits and clean ones.
    pub boots: u32,
}

/// p-value of the rates being equal, against that of `a` being higher than that of `b`.
pub fn higher(a: Count, b: Count) -> f64 {
    if a.boots == 0 || b.boots == 0 {
        return 1.0;
    }
    let seen = fisher(a, b);
    if a.boots.saturating_add(b.boots) > MOST {
        return seen;
    }
    let seen = seen * (1.0 + TIE);
    let (ln_a, ln_b) = (ln_choose(a.boots), ln_choose(b.boots));
    // Fisher's p-value rises with the hits of `b` and falls with those of `a`: in each row of the table of pairs, those
    // that count are the first ones, and their number does not fall from row to row.
    let mut rows = Vec::with_capacity(ln_a.len());
    let mut first_beyond = 0;
    for hits in 0..=a.boots {
        let row = Count { hits, ..a };
        while first_beyond <= b.boots
            && fisher(
                row,
                Count {
                    hits: first_beyond,
                    ..b
                },
            ) <= seen
        {
            first_beyond += 1;
        }
        rows.push(first_beyond);
    }
    largest(|rate| probability(rate, &ln_a, &ln_b, &rows)).min(1.0)
}

/// Two-sided p-value: twice the smaller of the one-sided ones, and 1 at most.
pub fn differ(a: Count, b: Count) -> f64 {
    (2.0 * higher(a, b).min(higher(b, a))).min(1.0)
}

/// Fisher's one-sided p-value: the probability of so many hits of `a`, or more, given the hits of both.
fn fisher(a: Count, b: Count) -> f64 {
    let hits = a.hits.saturating_add(b.hits);
    let all = ln_binomial(u64::from(a.boots) + u64::from(b.boots), u64::from(hits));
    let chance = |of_a: u32| {
        let of_b = u64::from(hits - of_a);
        (ln_binomial(a.boots.into(), of_a.into()) + ln_binomial(b.boots.into(), of_b) - all).exp()
    };
    let mut sum = 0.0;
    let mut last = 0.0;
    for of_a in a.hits.max(hits.saturating_sub(b.boots))..=hits.min(a.boots) {
        let term = chance(of_a);
        sum += term;
        // They rise to one top and fall from there.
        if term < last && term < sum * NEGLIGIBLE {
            break;
        }
        last = term;
    }
    sum.min(1.0)
}

/// Logarithms of the binomial coefficients of `n`.
fn ln_choose(n: u32) -> Vec<f64> {
    (0..=n).map(|k| ln_binomial(n.into(), k.into())).collect()
}

/// Probabilities of each number of hits at a rate above 0 and below 1.
fn binomial(rate: f64, ln_choose: &[f64]) -> impl Iterator<Item = f64> {
    let (ln_p, ln_q) = (rate.ln(), (-rate).ln_1p());
    let n = f64::from(u32::try_from(ln_choose.len()).unwrap_or(u32::MAX)) - 1.0;
    let mut k = 0.0;
    ln_choose.iter().map(move |ln| {
        let chance = (ln + k * ln_p + (n - k) * ln_q).exp();
        k += 1.0;
        chance
    })
}

/// Probability of the pairs that count: in row *i* those with fewer than `rows[i]` hits of the second.
fn probability(rate: f64, ln_a: &[f64], ln_b: &[f64], rows: &[u32]) -> f64 {
    let mut sum = 0.0;
    let mut of_b = binomial(rate, ln_b);
    let (mut taken, mut below) = (0, 0.0);
    for (of_a, &row) in binomial(rate, ln_a).zip(rows) {
        while taken < row {
            below += of_b.next().unwrap_or_default();
            taken += 1;
        }
        sum += of_a * below;
    }
    sum
}

/// The largest value of a smooth function between 0 and 1, whose values at both ends are of no interest.
fn largest(value: impl Fn(f64) -> f64) -> f64 {
    let mut rates: Vec<f64> = (1..GRID).map(|i| f64::from(i) / f64::from(GRID)).collect();
    let near = (1..=NEAR_ENDS).map(|i| 2.0_f64.powi(-i) / f64::from(GRID));
    rates.extend(near.flat_map(|rate| [rate, 1.0 - rate]));
    rates.sort_by(f64::total_cmp);
    let values: Vec<f64> = rates.iter().map(|rate| value(*rate)).collect();
    let mut order: Vec<usize> = (0..rates.len()).collect();
    let of = |list: &[f64], at: usize| list.get(at).copied().unwrap_or_default();
    order.sort_by(|&a, &b| of(&values, b).total_cmp(&of(&values, a)));
    let mut best = order.first().map_or(0.0, |at| of(&values, *at));
    for at in order.into_iter().take(REFINED) {
        let mut low = of(&rates, at.saturating_sub(1));
        let mut high = rates.get(at + 1).copied().unwrap_or(1.0 - f64::EPSILON);
        for _ in 0..STEPS {
            let third = (high - low) / 3.0;
            let (left, right) = (low + third, high - third);
            let (at_left, at_right) = (value(left), value(right));
            best = best.max(at_left).max(at_right);
            if at_left < at_right {
                low = left;
            } else {
                high = right;
            }
        }
    }
    best
}
