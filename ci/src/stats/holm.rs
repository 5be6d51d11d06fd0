// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Correction of p-values for the number of tests, by Holm (1979).

#[cfg(test)]
mod tests;

/// Name of the method.
pub const NAME: &str = "Holm";

/// Corrected p-values, in the order of `p_values`: to call those below α significant is wrong anywhere in the family
/// with a probability of α at most.
pub fn corrected(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    let p = |at: usize| p_values.get(at).copied().unwrap_or(1.0);
    order.sort_by(|&a, &b| p(a).total_cmp(&p(b)));
    let mut corrected = vec![1.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, &at) in order.iter().enumerate() {
        let left = u32::try_from(p_values.len() - rank).unwrap_or(u32::MAX);
        largest = largest.max((p(at) * f64::from(left)).min(1.0));
        if let Some(place) = corrected.get_mut(at) {
            *place = largest;
        }
    }
    corrected
}
