// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Runs of a scenario under the model checker.

/// Runs a scenario in interleavings of the checker's choice: at random, and with few changes of the thread that runs.
pub(crate) fn check(scenario: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(scenario, 400);
    shuttle::check_pct(scenario, 400, 3);
}
