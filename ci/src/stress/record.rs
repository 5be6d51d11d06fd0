// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Lines of `results.ndjson` of a stress run: a header, a line for each session and for each attempt of a boot.
//!
//! `docs/schemas/stress.schema.json` is their schema. A reader ignores fields and types of lines that it does not know.

use std::collections::BTreeMap;

use guest_images::machine::gic::Gic;
use serde::{Deserialize, Serialize};
use smmu_emu::plan::Time;

use super::class::Class;
use super::shard::Shard;
use super::stop::Stop;
use crate::boot::accel::Accel;
use crate::recipe::{ExpectBoots, FindingKind, Recipe, Start};

/// Version of the lines; it changes when a field changes its meaning or goes.
pub const SCHEMA: &str = "boot-stress/stress/1";

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Line {
    /// The first line.
    Header(Box<Header>),
    /// The run began, or was resumed.
    Session(Session),
    /// An attempt of a boot is over.
    Boot(Box<Boot>),
}

/// Identity of a run: it is resumed only by one that has the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of this program.
    pub version: String,
    /// Name of the matrix.
    pub name: String,
    /// Text of the matrix.
    pub matrix: String,
    /// Seed of the run.
    pub seed: u64,
    /// Seed of every boot, if they have one instead of one each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_seed: Option<u64>,
    /// Boots of each cell at most, those of all shards together.
    pub boots: u32,
    /// Rules that end a cell earlier.
    pub stop: Stop,
    /// Attempts of a boot that QEMU, server or host fail, beyond the first.
    pub retries: u32,
    /// Shards whose boots are here.
    pub shards: Vec<Shard>,
    /// Cells, in the order of the matrix.
    pub cells: Vec<CellPart>,
    /// Cells that no boot is of, since their kernel cannot run their recipe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
}

/// A cell: a kernel, a recipe, an override, a number of CPUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellPart {
    /// Its name: of all shards and nights the same.
    pub key: String,
    /// Name of the recipe in the matrix.
    pub recipe: String,
    /// Name of the override.
    #[serde(rename = "override", default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    /// SHA-256 of the recipe's text with the override, hexadecimal.
    pub recipe_sha256: String,
    /// Kernel, as the matrix names it.
    pub kernel: String,
    /// Its release.
    pub release: String,
    /// SHA-256 of its Image, hexadecimal.
    pub image_sha256: String,
    /// QEMU's version.
    pub qemu: String,
    /// Accelerator of the guest's CPUs.
    pub accelerator: Accel,
    /// CPUs of the guest.
    pub cpus: u8,
    /// Version of its interrupt controller.
    pub gic: Gic,
    /// How its boots start.
    pub start: Start,
    /// Boots that have to be as the recipe expects.
    pub expect_boots: ExpectBoots,
    /// Description of the boots that are hits.
    pub counted: String,
    /// Delays of its recipe that are numbers, by [`delays`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub delays: BTreeMap<String, u64>,
}

impl CellPart {
    /// Name of its recipe, with that of the override.
    pub fn changed_recipe(&self) -> String {
        match &self.change {
            Some(change) => format!("{}+{change}", self.recipe),
            None => self.recipe.clone(),
        }
    }
}

/// Delays of a recipe that are numbers: SMMU, site and unit, such as `a ats polls`, and status reads (`polls`) or
/// microseconds (`us`, the mean of those that are drawn). Further rules of one name are numbered from 2.
pub fn delays(recipe: &Recipe) -> BTreeMap<String, u64> {
    let mut delays = BTreeMap::new();
    for smmu in &recipe.smmus {
        for rule in &smmu.delays {
            let (unit, number) = match (rule.polls, rule.time_us) {
                (Some(polls), _) => ("polls", u64::from(polls)),
                (None, Some(Time::Fixed(us))) => ("us", us),
                (None, Some(Time::Uniform(bounds))) => ("us", bounds.min.midpoint(bounds.max)),
                (None, Some(Time::Exponential(drawn))) => ("us", drawn.mean),
                (None, None) => continue,
            };
            let name = format!("{} {} {unit}", smmu.name, rule.site.name());
            let names = std::iter::once(name.clone()).chain((2..).map(|number| format!("{name} {number}")));
            if let Some(free) = names.into_iter().find(|name| !delays.contains_key(name)) {
                delays.insert(free, number);
            }
        }
    }
    delays
}

/// A cell without boots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its name.
    pub key: String,
    /// Why its kernel cannot run its recipe.
    pub reason: String,
}

/// A start of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its number, from 1.
    pub number: u32,
    /// Seconds since 1970 by the host's clock, for people.
    pub time: u64,
    /// CPUs of the host that the run may use.
    pub host_cpus: u32,
    /// Guests at a time that were asked for; measured if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<u32>,
}

/// A finding of a boot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Title {
    /// Its kind.
    pub kind: FindingKind,
    /// Name of the trouble within its kind.
    pub title: String,
    /// Occurrences.
    pub count: u32,
    /// A bug of the kernel that the recipe does not look for.
    pub other_bug: bool,
}

/// An attempt of a boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Its cell's key.
    pub cell: String,
    /// Number of the boot within its cell, from 1.
    pub boot: u32,
    /// Number of the attempt, from 1. The last one of a boot counts.
    pub attempt: u32,
    /// `boot-stress reproduce --boots 1 --seed` with this number makes the same boot.
    pub seed: u64,
    /// How it started.
    pub start: Start,
    /// Class of the boot.
    pub class: Class,
    /// Why it is not as expected, inconclusive, or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Findings on its console.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub titles: Vec<Title>,
    /// SHA-256 of its console up to the line that decided it, hexadecimal; of deterministic boots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console_sha256: Option<String>,
    /// From the start of QEMU to the guest's first step, in milliseconds; absent if it did not get there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_ms: Option<u64>,
    /// From the start of the server to the end of everything, in milliseconds.
    pub total_ms: u64,
    /// Guests at a time when it started.
    pub guests: u32,
    /// Directory of what it left, below that of the results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
}
