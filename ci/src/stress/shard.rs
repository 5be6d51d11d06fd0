// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Shards: equal parts of a run's boots, for several machines.

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most shards of a run.
pub const MOST: u32 = 10_000;

/// A part of a run's boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shard {
    /// Its number, from 1.
    pub index: u32,
    /// Shards of the run.
    pub count: u32,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Shard {
    /// The only shard of a run that is not divided.
    pub const WHOLE: Self = Self { index: 1, count: 1 };

    /// Shard `index`, from 1, of `count`.
    ///
    /// # Errors
    /// There is no such shard.
    pub fn new(index: u32, count: u32) -> Result<Self, String> {
        if count > MOST {
            return Err(format!("{count} shards are more than {MOST}"));
        }
        if !(1..=count).contains(&index) {
            return Err(format!(
                "there is no shard {index} of {count}: the first is 1, the last {count}"
            ));
        }
        Ok(Self { index, count })
    }

    /// From `M/N`, M from 1 to N.
    ///
    /// # Errors
    /// It is not that.
    pub fn parse(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, count)| {
            let number = |text: &str| text.parse::<u32>().ok();
            Some((number(index)?, number(count)?))
        });
        let (index, count) = numbers.ok_or_else(|| format!("{text:?} is not M/N, such as 2/8"))?;
        Self::new(index, count)
    }

    /// The shard, of `count`, of a boot, from 1, of a cell, from 0. Cells begin at different shards, so that cells with
    /// few boots are spread too.
    pub fn of(cell: usize, boot: u32, count: u32) -> Self {
        let count = count.max(1);
        let number = u64::try_from(cell).unwrap_or_default() + u64::from(boot.saturating_sub(1));
        let index = u32::try_from(number % u64::from(count)).unwrap_or_default() + 1;
        Self { index, count }
    }

    /// The first boot of a cell after boot `boot` that is of this shard.
    pub fn next(self, cell: usize, boot: u32) -> u32 {
        let after = boot.saturating_add(1);
        let its = Self::of(cell, after, self.count).index;
        let ahead = (self.index + self.count.max(1)).saturating_sub(its) % self.count.max(1);
        after.saturating_add(ahead)
    }

    /// The shard that a scheduler's variables name, and the scheduler. Without a scheduler that says how many there
    /// are, `count` does.
    ///
    /// # Errors
    /// No variable of a known scheduler is set; or its values make no shard.
    pub fn from_environment(
        get: impl Fn(&str) -> Option<String>,
        count: Option<u32>,
    ) -> Result<(Self, &'static str), String> {
        let number = |name: &str| -> Result<Option<u32>, String> {
            let parse = |text: String| {
                text.trim()
                    .parse()
                    .map_err(|_| format!("{name}={text:?} is not a number from 0 to 4294967295"))
            };
            get(name).map(parse).transpose()
        };
        let counted = |own: Option<u32>, name: &str| {
            count.or(own).ok_or_else(|| {
                format!("{name} is not set; say how many shards there are with --shard-count N")
            })
        };
        for scheduler in &SCHEDULERS {
            let Some(index) = number(scheduler.index)? else {
                continue;
            };
            let own = scheduler.count.map(number).transpose()?.flatten();
            let count = counted(own, scheduler.count.unwrap_or("the number of shards"))?;
            let first = match scheduler.first {
                First::Number(first) => first,
                First::Variable(name) => number(name)?.unwrap_or(0),
            };
            let step = scheduler
                .step
                .map(number)
                .transpose()?
                .flatten()
                .unwrap_or(1)
                .max(1);
            let position = index
                .checked_sub(first)
                .ok_or_else(|| format!("{}={index} is below the first, {first}", scheduler.index))?;
            let shard = Self::new((position / step).saturating_add(1), count)
                .map_err(|problem| format!("{} ({}): {problem}", scheduler.name, scheduler.index))?;
            return Ok((shard, scheduler.name));
        }
        let known: Vec<&str> = SCHEDULERS.iter().map(|one| one.index).collect();
        Err(format!("none of the variables {} is set", known.join(", ")))
    }
}

/// Number that a scheduler gives its first shard.
enum First {
    Number(u32),
    Variable(&'static str),
}

/// Variables of a scheduler.
struct Scheduler {
    name: &'static str,
    index: &'static str,
    count: Option<&'static str>,
    first: First,
    step: Option<&'static str>,
}

/// Known schedulers; the first whose variable is set counts.
const SCHEDULERS: [Scheduler; 5] = [
    Scheduler {
        name: "Slurm array",
        index: "SLURM_ARRAY_TASK_ID",
        count: Some("SLURM_ARRAY_TASK_COUNT"),
        first: First::Variable("SLURM_ARRAY_TASK_MIN"),
        step: Some("SLURM_ARRAY_TASK_STEP"),
    },
    Scheduler {
        name: "Kubernetes Indexed Job",
        index: "JOB_COMPLETION_INDEX",
        count: None,
        first: First::Number(0),
        step: None,
    },
    // GitHub has them as expressions only; the workflow puts `strategy.job-index` and `strategy.job-total` there.
    Scheduler {
        name: "GitHub Actions matrix",
        index: "STRATEGY_JOB_INDEX",
        count: Some("STRATEGY_JOB_TOTAL"),
        first: First::Number(0),
        step: None,
    },
    Scheduler {
        name: "GitLab parallel",
        index: "CI_NODE_INDEX",
        count: Some("CI_NODE_TOTAL"),
        first: First::Number(1),
        step: None,
    },
    Scheduler {
        name: "Buildkite parallelism",
        index: "BUILDKITE_PARALLEL_JOB",
        count: Some("BUILDKITE_PARALLEL_JOB_COUNT"),
        first: First::Number(0),
        step: None,
    },
];
