// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Sequential probability ratio test of Wald (1945) between two rates.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

/// Name of the method.
pub const NAME: &str = "SPRT (Wald)";

/// A test of the rate `p0` against the higher rate `p1`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sprt {
    /// Rate of a kernel that is called good, above 0.
    pub p0: f64,
    /// Rate of a kernel that is called bad, above `p0` and below 1.
    pub p1: f64,
    /// Probability of calling a kernel bad whose rate is `p0`, at most about this.
    #[serde(default = "five_percent")]
    pub alpha: f64,
    /// Probability of calling a kernel good whose rate is `p1`, at most about this.
    #[serde(default = "five_percent")]
    pub beta: f64,
}

fn five_percent() -> f64 {
    0.05
}

/// Decision of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// The rate is rather `p0` than `p1`.
    Low,
    /// The rate is rather `p1` than `p0`.
    High,
}

impl Sprt {
    /// Checks the four numbers.
    ///
    /// # Errors
    /// The first that cannot be.
    pub fn check(&self) -> Result<(), String> {
        let Self { p0, p1, alpha, beta } = *self;
        if !(p0 > 0.0 && p0 < p1 && p1 < 1.0) {
            return Err(format!(
                "`p0` and `p1` have to be rates with 0 < p0 < p1 < 1, and are {p0} and {p1}"
            ));
        }
        for (name, value) in [("alpha", alpha), ("beta", beta)] {
            if !(value > 0.0 && value < 0.5) {
                return Err(format!(
                    "`{name}` is the probability of a wrong decision, above 0 and below 0.5, and is {value}"
                ));
            }
        }
        Ok(())
    }

    /// Logarithm of the likelihood of the boots under `p1`, divided by that under `p0`.
    pub fn log_ratio(&self, hits: u32, boots: u32) -> f64 {
        let clean = f64::from(boots.saturating_sub(hits));
        f64::from(hits) * (self.p1 / self.p0).ln() + clean * ((-self.p1).ln_1p() - (-self.p0).ln_1p())
    }

    /// The decision after `boots` boots with `hits` hits, if there is one. It has to be asked for after every boot, in
    /// their order, and the first answer counts.
    pub fn decide(&self, hits: u32, boots: u32) -> Option<Decision> {
        let ratio = self.log_ratio(hits, boots);
        if ratio >= ((1.0 - self.beta) / self.alpha).ln() {
            Some(Decision::High)
        } else if ratio <= (self.beta / (1.0 - self.alpha)).ln() {
            Some(Decision::Low)
        } else {
            None
        }
    }
}
