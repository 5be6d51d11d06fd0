// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Guests at a time, found by measuring: more of them as long as that makes more boots an hour.
//!
//! A level is a number of guests at a time. The first is half the host's CPUs. A level is measured by the boots that
//! began and ended in it: its *speed* is the level divided by the mean duration of a boot. Boots of different cells
//! last differently, so two levels are compared by cells that both have, each with its own mean. If a level is faster
//! than the one before by 3 % or more, a half more guests are tried; if not, the one before is kept for good.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

/// A higher level is kept if it is faster by this share.
const GAIN: f64 = 0.03;
/// Boots of a level, for each of its guests, that measure it.
const BOOTS_PER_GUEST: u32 = 2;
/// Guests for each CPU at most.
const PER_CPU: u32 = 4;

/// Durations of the boots of one level, by cell: their number and their sum in milliseconds.
type Durations = BTreeMap<usize, (u32, f64)>;

/// Number of guests at a time.
#[derive(Debug, Clone)]
pub struct Jobs {
    level: u32,
    most: u32,
    /// Levels that were measured or are being measured.
    levels: BTreeMap<u32, Durations>,
    /// The level before this one.
    before: Option<u32>,
    settled: bool,
}

impl Jobs {
    /// A number that the user has chosen.
    pub fn fixed(jobs: u32) -> Self {
        Self {
            level: jobs.max(1),
            most: jobs.max(1),
            levels: BTreeMap::new(),
            before: None,
            settled: true,
        }
    }

    /// A number to be measured, on a host with as many CPUs and with memory for as many guests.
    pub fn measured(cpus: u32, memory_for: u32) -> Self {
        let most = cpus.saturating_mul(PER_CPU).min(memory_for).max(1);
        Self {
            level: (cpus / 2).clamp(1, most),
            most,
            levels: BTreeMap::new(),
            before: None,
            settled: false,
        }
    }

    /// Guests at a time now.
    pub fn level(&self) -> u32 {
        self.level
    }

    /// Guests at a time at most, ever.
    pub fn most(&self) -> u32 {
        self.most
    }

    /// Notes a boot of a cell that began when there were `began_at` guests at a time. Returns a line for people if the
    /// number changes, or is settled.
    pub fn ended(&mut self, cell: usize, began_at: u32, millis: u64) -> Option<String> {
        if self.settled || began_at != self.level {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a duration of a boot")]
        let millis = millis as f64;
        let (boots, sum) = self
            .levels
            .entry(self.level)
            .or_default()
            .entry(cell)
            .or_default();
        (*boots, *sum) = (*boots + 1, *sum + millis);
        let Some(before) = self.before else {
            return (self.boots(self.level, None) >= self.wanted()).then(|| self.raise(None));
        };
        if self.boots(self.level, Some(before)) < self.wanted() {
            return None;
        }
        let gain = self.speed_over(before) - 1.0;
        if gain >= GAIN {
            return Some(self.raise(Some(gain)));
        }
        let tried = self.level;
        self.level = before;
        self.settled = true;
        Some(format!(
            "{before} guests at a time: {tried} made {:+.0} % boots an hour",
            gain * 100.0
        ))
    }

    fn wanted(&self) -> u32 {
        self.level.saturating_mul(BOOTS_PER_GUEST)
    }

    fn raise(&mut self, gain: Option<f64>) -> String {
        let gained = gain.map_or(String::new(), |gain| {
            format!(", which made {:+.0} % boots an hour", gain * 100.0)
        });
        if self.level == self.most {
            self.settled = true;
            return format!("{} guests at a time{gained}; no more fit", self.level);
        }
        let old = self.level;
        self.before = Some(old);
        self.level = (old + (old / 2).max(1)).min(self.most);
        format!("{old} guests at a time{gained}; trying {}", self.level)
    }

    /// Boots of a level, of cells that the other has, too.
    fn boots(&self, level: u32, other: Option<u32>) -> u32 {
        let other = other.map(|level| self.levels.get(&level));
        let of = self.levels.get(&level).into_iter().flatten();
        let common =
            of.filter(|(cell, _)| other.is_none_or(|other| other.is_some_and(|it| it.contains_key(cell))));
        common.map(|(_, (boots, _))| boots).sum()
    }

    /// Speed of the level divided by that of another, over the cells that both have.
    fn speed_over(&self, other: u32) -> f64 {
        let (Some(here), Some(there)) = (self.levels.get(&self.level), self.levels.get(&other)) else {
            return 0.0;
        };
        let (mut own, mut others) = (0.0, 0.0);
        for (cell, (boots, sum)) in here {
            let Some((of_other, sum_of_other)) = there.get(cell) else {
                continue;
            };
            own += sum;
            others += sum_of_other / f64::from(*of_other) * f64::from(*boots);
        }
        if own > 0.0 {
            f64::from(self.level) / f64::from(other) * others / own
        } else {
            0.0
        }
    }
}
