// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What a run showed: as text for people, and as JSON with a schema version.

#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::boot::classify::{LateProbe, Other, OtherKind};
use crate::boot::run::{BootReport, Outcome};
use crate::recipe::{Expect, Recipe};
use crate::report::stats::Rate;

/// Version of the JSON form; it changes when a field changes its meaning or goes.
pub const SCHEMA: &str = "boot-stress/verdict/1";

/// The one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// The warning was seen.
    Reproduced,
    /// Every boot was conclusive and none showed the warning.
    NotReproduced,
    /// The warning was not seen, and at least one boot says nothing.
    Inconclusive,
}

/// A kernel or a QEMU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Release or version.
    pub version: String,
    /// Where it comes from.
    pub source: String,
}

/// Which recipe was run.
#[derive(Debug, Clone, Serialize)]
pub struct RecipePart {
    /// Its name.
    pub name: String,
    /// What it does.
    pub summary: String,
    /// `hit` or `no-hit`.
    pub expect: &'static str,
}

/// A hit and the boot that showed it.
#[derive(Debug, Clone, Serialize)]
pub struct Hit {
    /// Number of the boot, from 1.
    pub boot: u32,
    /// What was seen.
    #[serde(flatten)]
    pub late: LateProbe,
}

/// A boot that says nothing.
#[derive(Debug, Clone, Serialize)]
pub struct Spoiled {
    /// Number of the boot, from 1.
    pub boot: u32,
    /// Why.
    pub reason: String,
    /// The last lines of its console.
    pub tail: Vec<String>,
}

/// What a run showed.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The one word; [`Word`] of the boots so far.
    pub verdict: Word,
    /// The recipe.
    pub recipe: RecipePart,
    /// The kernel.
    pub kernel: Part,
    /// QEMU.
    pub qemu: Part,
    /// CPUs of the guest.
    pub cpus: u8,
    /// Seed of the run.
    pub seed: u64,
    /// How many boots were wanted at most.
    pub boots_wanted: u32,
    /// Boots with the warning among the conclusive ones, with its 95 % interval (Clopper-Pearson).
    pub rate: Rate,
    /// The boots that say nothing.
    pub inconclusive: Vec<Spoiled>,
    /// The hits, with their traces.
    pub hits: Vec<Hit>,
    /// Other kernel trouble, over all boots.
    pub others: Vec<Other>,
    /// Why the run ended before it had to.
    pub ended_early: Option<String>,
    /// How long the run took, in milliseconds, without fetching anything.
    pub elapsed_ms: u64,
    /// From the start to the end of the first boot with the warning, in milliseconds.
    pub first_hit_ms: Option<u64>,
    /// Directory with `results.ndjson`.
    #[serde(serialize_with = "lossy")]
    pub results: PathBuf,
    /// Consoles kept.
    #[serde(serialize_with = "all_lossy")]
    pub files: Vec<PathBuf>,
}

/// A path as text: JSON has no other bytes, and a verdict must not fail for want of them.
fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

fn all_lossy<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}

impl Verdict {
    /// A verdict on no boots yet.
    pub fn new(
        recipe: &Recipe,
        kernel: Part,
        qemu: Part,
        seed: u64,
        boots_wanted: u32,
        results: PathBuf,
    ) -> Self {
        Self {
            schema: SCHEMA,
            verdict: Word::Inconclusive,
            recipe: RecipePart {
                name: recipe.name.clone(),
                summary: recipe.summary.clone(),
                expect: match recipe.expect {
                    Expect::Hit => "hit",
                    Expect::NoHit => "no-hit",
                },
            },
            kernel,
            qemu,
            cpus: recipe.board.cpus,
            seed,
            boots_wanted,
            rate: Rate::new(0, 0),
            inconclusive: Vec::new(),
            hits: Vec::new(),
            others: Vec::new(),
            ended_early: None,
            elapsed_ms: 0,
            first_hit_ms: None,
            results,
            files: Vec::new(),
        }
    }

    /// Counts a boot.
    pub fn add(&mut self, boot: u32, report: BootReport) {
        let BootReport {
            outcome,
            warnings: _,
            hits,
            others,
            total_ms: _,
            boot_ms: _,
            tail,
            results: _,
            said: _,
        } = report;
        let Rate {
            hits: seen,
            boots,
            low: _,
            high: _,
        } = self.rate;
        match outcome {
            Outcome::Hit => self.rate = Rate::new(seen + 1, boots + 1),
            Outcome::NoHit => self.rate = Rate::new(seen, boots + 1),
            Outcome::Inconclusive(reason) | Outcome::NotBooted(reason) => {
                self.inconclusive.push(Spoiled { boot, reason, tail });
            }
        }
        self.hits.extend(hits.into_iter().map(|late| Hit { boot, late }));
        let mut sum: BTreeMap<(OtherKind, String), u32> = BTreeMap::new();
        for Other { kind, title, count } in self.others.drain(..).chain(others) {
            let total = sum.entry((kind, title)).or_default();
            *total = total.saturating_add(count);
        }
        self.others = sum
            .into_iter()
            .map(|((kind, title), count)| Other { kind, title, count })
            .collect();
        self.verdict = match (self.rate.hits, self.rate.boots, self.inconclusive.is_empty()) {
            (1.., _, _) => Word::Reproduced,
            (0, 1.., true) => Word::NotReproduced,
            (0, _, _) => Word::Inconclusive,
        };
    }

    /// Boots so far.
    pub fn boots(&self) -> u32 {
        self.rate.boots + u32::try_from(self.inconclusive.len()).unwrap_or(u32::MAX)
    }
}
