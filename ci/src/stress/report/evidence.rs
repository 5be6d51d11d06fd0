// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Evidence of boots that showed something: the findings of their `verdict.json`, and the files that they left.
//!
//! The directories of boots are read as text that others wrote: up to a size, and what is damaged is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use host_guard::file;
use serde::{Deserialize, Serialize};

use super::Report;
use crate::boot::findings::{Finding, LateProbe};
use crate::recipe::{FindingKind, shipped};
use crate::report::shell;
use crate::stress::class::Class;
use crate::stress::record::Boot;
use crate::stress::repeat;
use crate::stress::store::Recorded;
use crate::timeline::event::Document;

/// Boots of one cell that are shown.
const BOOTS_MAX: usize = 3;
/// Bytes of a verdict that are read.
const VERDICT_MAX: u64 = 4 << 20;
/// Timeline that a repetition of the boot has left there, and bytes of it that are read.
const TIMELINE: &str = "timeline.json";
const TIMELINE_MAX: u64 = 32 << 20;
/// Files that a boot may leave, in the order in which people want them.
const FILES: [&str; 6] = [
    "console.log",
    TIMELINE,
    "verdict.json",
    "recipe.toml",
    "qemu.sh",
    "repro.sh",
];

/// A boot that showed something.
#[derive(Debug, Clone, Serialize)]
pub struct Evidence {
    /// Its cell's key.
    pub cell: String,
    /// Number of the boot within its cell.
    pub boot: u32,
    /// Class of the boot.
    pub class: Class,
    /// Why it is not as expected, if so.
    pub reason: Option<String>,
    /// The first late-probe warning of each kind.
    pub late_probes: Vec<LateProbe>,
    /// Other findings that are bugs of the kernel, and those of the boot's titles.
    pub findings: Vec<Finding>,
    /// Directory that it left, below that of the results.
    pub dir: String,
    /// Files in it.
    pub files: Vec<&'static str>,
    /// Timeline of its repetition.
    #[serde(skip)]
    pub timeline: Option<Document>,
    /// Words of the command that makes the boot again, quoted for a shell.
    words: Vec<String>,
}

/// Part of a `verdict.json` that is shown.
#[derive(Debug, Default, Deserialize)]
struct Verdict {
    #[serde(default)]
    hits: Vec<LateProbe>,
    #[serde(default)]
    findings: Vec<Finding>,
}

impl Evidence {
    /// Command that makes the boot again, for a shell, each option on a line of its own.
    pub fn command(&self) -> String {
        let mut text = String::new();
        for (number, word) in self.words.iter().enumerate() {
            match (number, word.starts_with("--")) {
                (0, _) => {}
                (_, true) => text.push_str(" \\\n  "),
                (_, false) => text.push(' '),
            }
            text.push_str(word);
        }
        text
    }

    /// Evidence of the boots whose directories a report lists: of each cell the first with each set of titles, hits
    /// before others. `dir` is the directory of the results.
    pub fn of(report: &Report, recorded: &Recorded, dir: &Path) -> Vec<Self> {
        let by_dir: BTreeMap<&str, &Boot> = recorded
            .boots
            .iter()
            .filter_map(|boot| Some((boot.dir.as_deref()?, boot)))
            .collect();
        let mut found = Vec::new();
        for cell in &report.cells {
            let mut boots: Vec<&Boot> = (cell.dirs.iter())
                .filter_map(|dir| by_dir.get(dir.as_str()).copied())
                .collect();
            boots.sort_by_key(|boot| (boot.class, boot.boot));
            let mut titles = BTreeSet::new();
            boots.retain(|boot| {
                titles.insert(
                    boot.titles
                        .iter()
                        .map(|title| (title.kind, &title.title))
                        .collect::<Vec<_>>(),
                )
            });
            for boot in boots.into_iter().take(BOOTS_MAX) {
                let name = boot.dir.clone().unwrap_or_default();
                let words = words(report, boot);
                found.push(Self::read(boot, &dir.join(&name), name, words));
            }
        }
        found
    }

    fn read(boot: &Boot, path: &Path, dir: String, words: Vec<String>) -> Self {
        let verdict = file::read_text(&path.join("verdict.json"), VERDICT_MAX).unwrap_or_default();
        let Verdict { hits, findings } = serde_json::from_str(&verdict).unwrap_or_default();
        let timeline = file::read_text(&path.join(TIMELINE), TIMELINE_MAX).unwrap_or_default();
        let mut kinds = BTreeSet::new();
        let late_probes = hits
            .into_iter()
            .filter(|hit| kinds.insert(hit.kind.name()))
            .collect();
        let shown = |finding: &Finding| {
            let is_of_boot = || {
                boot.titles
                    .iter()
                    .any(|title| (title.kind, &title.title) == (finding.kind, &finding.title))
            };
            finding.kind != FindingKind::LateProbe
                && (finding.kind.is_bug() || is_of_boot() && finding.kind.is_trouble())
        };
        let is_there = |name: &&&str| {
            path.join(name)
                .symlink_metadata()
                .is_ok_and(|found| found.is_file())
        };
        Self {
            cell: boot.cell.clone(),
            boot: boot.boot,
            class: boot.class,
            reason: boot.reason.clone(),
            late_probes,
            findings: findings.into_iter().filter(shown).collect(),
            files: FILES.iter().filter(is_there).copied().collect(),
            timeline: serde_json::from_str(&timeline).ok(),
            dir,
            words,
        }
    }
}

/// Words of the command that makes a boot again: with the shipped recipe, or the one that its directory has.
fn words(report: &Report, boot: &Boot) -> Vec<String> {
    let Some(cell) = report.cells.iter().find(|cell| cell.part.key == boot.cell) else {
        return Vec::new();
    };
    let part = &cell.part;
    let recipe = match &part.change {
        None if shipped(&part.recipe).is_some() => part.recipe.as_str(),
        _ => "recipe.toml",
    };
    let arguments = repeat::arguments(part, recipe.as_ref(), part.kernel.as_ref(), boot.seed);
    let words = ["boot-stress".into(), "reproduce".into()]
        .into_iter()
        .chain(arguments);
    words.map(|word| shell::quote(&word)).collect()
}
