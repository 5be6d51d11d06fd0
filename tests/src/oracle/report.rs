// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Findings of a run.

use std::collections::BTreeMap;
use std::fmt;

use super::Counts;
use super::case::{Case, Outcome};
use super::expected::Expected;
use super::model::Read;
use super::shape::Shape;

/// Cases that are told in full, per kind of mismatch.
const EXAMPLES: usize = 2;

/// A case on which the two sides do not agree.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// Seed of its batch.
    pub seed: u64,
    /// The registers.
    pub case: Case,
    /// Outcome on QEMU.
    pub cpu: Outcome,
    /// Outcome in the model.
    pub model: Outcome,
    /// Address and bytes of what the model read.
    pub reads: Vec<Read>,
}

/// Counts and mismatches of a shape.
#[derive(Clone, Debug)]
pub struct Report {
    shape: Shape,
    seed: u64,
    walks: u64,
    outcomes: Counts,
    differences: Counts,
    mismatches: BTreeMap<(String, String), (u64, Vec<Mismatch>)>,
}

impl Report {
    pub(super) fn new(shape: Shape, seed: u64) -> Self {
        Self {
            shape,
            seed,
            walks: 0,
            outcomes: Counts::new(),
            differences: Counts::new(),
            mismatches: BTreeMap::new(),
        }
    }

    pub(super) fn count(&mut self, cpu: Outcome, expected: &Expected) {
        self.walks += 1;
        *self.outcomes.entry(cpu.class()).or_default() += 1;
        if let Expected::Differs(name, _) = expected {
            *self.differences.entry((*name).to_owned()).or_default() += 1;
        }
    }

    pub(super) fn add(&mut self, mismatch: Mismatch) {
        let key = (mismatch.cpu.class(), mismatch.model.class());
        let (count, examples) = self.mismatches.entry(key).or_default();
        *count += 1;
        if examples.len() < EXAMPLES {
            examples.push(mismatch);
        }
    }

    /// Problems of the run: walks that differed, or outcomes ([`Outcome::class`]) that it did not reach often enough
    /// to mean something.
    #[must_use]
    pub fn problems(&self, reached: &[&str]) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.mismatches.is_empty() {
            problems.push(format!("{}: mismatches", self.shape));
        }
        for class in reached {
            let count = self.outcomes.get(*class).copied().unwrap_or(0);
            if count * 5000 < self.walks {
                problems.push(format!("{}: {class} was reached {count} times", self.shape));
            }
        }
        problems
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} walks, seed {}", self.shape, self.walks, self.seed)?;
        for (class, count) in &self.outcomes {
            writeln!(f, "    {count:8} {class}")?;
        }
        for (name, count) in &self.differences {
            writeln!(f, "    {count:8} by the difference “{name}”")?;
        }
        for ((cpu, model), (count, examples)) in &self.mismatches {
            writeln!(f, "  {count} MISMATCHES: CPU {cpu}, model {model}")?;
            for example in examples {
                write!(f, "{example}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "    {} (batch seed {})", self.case, self.seed)?;
        for (address, bytes) in &self.reads {
            match bytes {
                Some(bytes) => {
                    let hex: String = bytes.iter().rev().map(|byte| format!("{byte:02x}")).collect();
                    writeln!(f, "      [{address:#x}] = 0x{hex}")?;
                }
                None => writeln!(f, "      [{address:#x}]: no memory")?,
            }
        }
        writeln!(f, "      CPU   {:x?}", self.cpu)?;
        writeln!(f, "      model {:x?}", self.model)
    }
}
