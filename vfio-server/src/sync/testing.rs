// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Runs of a scenario under the model checker.

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, MaxSteps, Runner};

/// Runs a scenario in interleavings of the checker's choice: at random, and with few changes of the thread that runs. A
/// scenario that goes on for long does so for ever.
pub(crate) fn check(scenario: impl Fn() + Send + Sync + Copy + 'static) {
    let mut config = Config::new();
    config.max_steps = MaxSteps::FailAfter(20_000);
    Runner::new(RandomScheduler::new(400), config.clone()).run(scenario);
    Runner::new(PctScheduler::new(3, 400), config).run(scenario);
}
