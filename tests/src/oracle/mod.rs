// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! QEMU's own MMU as an oracle for the model's table walks.
//!
//! A bare-metal guest ([`guest64`]) executes address translation operations on random tables ([`tables`]) with
//! random registers ([`registers`]); the [`model`] walks the same memory. Where the CPU's architecture and the SMMU's
//! differ,
//! [`expected`] says what the SMMU does instead, and `docs/cpu-differences.md` why.
//!
//! `SMMU_ORACLE_WALKS` and `SMMU_ORACLE_SEED` change the number of walks per shape and the seed; `ci/oracle` uses them.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "fields of registers and descriptors, masked where they are taken out"
)]

pub mod arm;
pub mod case;
pub mod expected;
pub mod guest32;
pub mod guest64;
pub mod layout;
pub mod machine;
pub mod model;
pub mod registers;
pub mod report;
pub mod shape;
mod short;
pub mod tables;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use fastrand::Rng;

use case::Outcome;
use expected::Expected;
use machine::Machine;
use model::{Model, Recorded};
use report::{Mismatch, Report};
use shape::Shape;
use tables::Tables;

/// Cases per set of tables: to make the tables takes longer than a few thousand walks.
const BATCH: usize = 20_000;

/// One CPU of QEMU beside one model.
#[derive(Debug)]
pub struct Oracle {
    machine: Machine,
    model: Model,
    seed: u64,
    walks: usize,
}

impl Oracle {
    /// A CPU that runs a guest, and the output size of both.
    ///
    /// # Errors
    /// QEMU does not start, or an environment variable is no number.
    pub fn start(cpu: &str, code: &[u8], address_bits: u8) -> Result<Self> {
        let number = |name: &str, default: u64| match std::env::var(name) {
            Ok(text) => text.parse().with_context(|| format!("{name}={text}")),
            Err(_) => Ok(default),
        };
        Ok(Self {
            machine: Machine::start(cpu, code)?,
            model: Model::new(address_bits)?,
            seed: number("SMMU_ORACLE_SEED", 1)?,
            walks: usize::try_from(number("SMMU_ORACLE_WALKS", 20_000)?)?,
        })
    }

    /// Compares random walks of each shape, and wants these outcomes ([`Outcome::class`]) among them.
    ///
    /// # Errors
    /// QEMU ended.
    ///
    /// # Panics
    /// The two sides do not agree, or the walks do not reach the outcomes.
    pub fn check(&mut self, shapes: &[(Shape, &[&str])]) -> Result<()> {
        self.check_shares(1, shapes)
    }

    /// Checks as [`Self::check`] does, with the walks of one shape shared by several.
    ///
    /// # Errors
    /// See [`Self::check`].
    ///
    /// # Panics
    /// See [`Self::check`].
    pub fn check_shares(&mut self, share: usize, shapes: &[(Shape, &[&str])]) -> Result<()> {
        let mut problems = Vec::new();
        for (shape, reached) in shapes {
            let report = self.compare(*shape, self.walks.div_ceil(share))?;
            println!("{report}");
            problems.extend(report.problems(reached));
        }
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        Ok(())
    }

    fn compare(&mut self, shape: Shape, walks: usize) -> Result<Report> {
        let mut report = Report::new(shape, self.seed);
        let mut done = 0;
        for batch in 0_u64.. {
            if done >= walks {
                break;
            }
            // Each batch has a seed of its own, so that it can be run alone.
            let seed = self.seed.wrapping_add(batch.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            self.batch(seed, BATCH.min(walks - done), shape, &mut report)?;
            done += BATCH;
        }
        Ok(report)
    }

    fn batch(&mut self, seed: u64, count: usize, shape: Shape, report: &mut Report) -> Result<()> {
        let mut rng = Rng::with_seed(seed);
        let tables = Tables::random(&mut rng, shape);
        let cases: Vec<_> = (0..count).map(|_| registers::random(&mut rng, shape)).collect();
        self.machine.load(&tables)?;
        let answers = self.machine.walk(&cases)?;
        let mut host = Recorded::host(&tables);
        self.model.prepare(&mut host, shape);
        for (case, answer) in cases.iter().zip(answers) {
            let cpu = Outcome::of_par(answer.par, answer.syndrome);
            let model = self.model.walk(&mut host, shape, case);
            let reads = host.memory.take_reads();
            let expected = expected::of(shape, case, cpu, answer.par, &reads);
            report.count(cpu, &expected);
            let agrees = match expected {
                Expected::Same => cpu.agrees(model),
                Expected::Differs(_, outcome) => outcome.agrees(model),
            };
            if !agrees {
                report.add(Mismatch {
                    seed,
                    case: *case,
                    cpu,
                    model,
                    reads,
                });
            }
        }
        Ok(())
    }
}

/// A count per name.
type Counts = BTreeMap<String, u64>;
