// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A report as objects of KCIDB, schema 5.3: a checkout for each release, a build for each Image, a test for each cell,
//! an issue for each bug, and an incident for each cell that shows it.
//!
//! A test fails if the bug was seen, whatever its recipe looks for: its readers ask for the kernel's state. `kci-dev
//! submit` takes the file.

use std::collections::{BTreeMap, BTreeSet};

use host_guard::text::printable;
use serde_json::{Map, Value, json};

use super::{CellReport, Report, Word, junit};
use crate::report::date;

/// Origin of objects, unless the user names one.
pub const ORIGIN: &str = "smmu_emu";
/// Version of the schema, major and minor.
const VERSION: (u32, u32) = (5, 3);

/// Names of a run in the database.
#[derive(Debug, Clone)]
pub struct Names {
    origin: String,
    /// Name of the run in ids.
    run: Option<String>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            origin: ORIGIN.to_owned(),
            run: None,
        }
    }
}

impl Names {
    /// Names with this origin; the run has a name of its own, or one that is made of matrix, time and seed.
    ///
    /// # Errors
    /// The origin has characters that the schema does not allow.
    pub fn new(origin: &str, run: Option<&str>) -> Result<Self, String> {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if origin.is_empty() || !origin.bytes().all(is_allowed) {
            return Err(format!(
                "--kcidb-origin {origin:?}: it has a to z, 0 to 9 and _ only"
            ));
        }
        Ok(Self {
            origin: origin.to_owned(),
            run: run.map(str::to_owned),
        })
    }

    fn id(&self, parts: &[&str]) -> String {
        format!(
            "{}:{}",
            self.origin,
            printable(&parts.join("/")).replace('\n', " ")
        )
    }

    fn run(&self, report: &Report) -> String {
        self.run.clone().unwrap_or_else(|| {
            let began = date::compact(report.began.unwrap_or_default());
            format!("{}-{began}-{}", report.name, report.seed)
        })
    }
}

/// The report as KCIDB JSON.
pub fn objects(report: &Report, names: &Names) -> Value {
    let origin = names.origin.as_str();
    let run = names.run(report);
    let mut checkouts: BTreeMap<&str, Value> = BTreeMap::new();
    let mut builds: BTreeMap<&str, Value> = BTreeMap::new();
    let mut issues: BTreeMap<String, Value> = BTreeMap::new();
    let (mut tests, mut incidents) = (Vec::new(), Vec::new());
    for cell in &report.cells {
        let part = &cell.part;
        let checkout = names.id(&[&part.release]);
        let build = names.id(&["image", &part.image_sha256]);
        checkouts.entry(&part.release).or_insert_with(|| {
            json!({ "id": checkout, "origin": origin, "git_commit_name": printable(&part.release), "valid": true })
        });
        builds.entry(&part.image_sha256).or_insert_with(|| {
            json!({
                "id": build, "checkout_id": checkout, "origin": origin, "architecture": "arm64", "status": "PASS",
                "comment": printable(&part.release), "misc": { "image_sha256": part.image_sha256 },
            })
        });
        let test = names.id(&[&run, &part.key]);
        for (name, comment) in bugs(cell) {
            let issue = names.id(&[&name]);
            incidents.push(json!({
                "id": names.id(&[&run, &part.key, &name]), "origin": origin, "issue_id": issue, "issue_version": 1,
                "test_id": test, "present": true,
            }));
            issues.entry(name).or_insert_with(|| {
                json!({
                    "id": issue, "version": 1, "origin": origin, "comment": comment,
                    "culprit": { "code": true, "tool": false, "harness": false },
                })
            });
        }
        tests.push(self::test(report, cell, origin, &test, &build));
    }
    json!({
        "version": { "major": VERSION.0, "minor": VERSION.1 },
        "checkouts": checkouts.into_values().collect::<Vec<_>>(),
        "builds": builds.into_values().collect::<Vec<_>>(),
        "tests": tests,
        "issues": issues.into_values().collect::<Vec<_>>(),
        "incidents": incidents,
    })
}

fn test(report: &Report, cell: &CellReport, origin: &str, id: &str, build: &str) -> Value {
    let part = &cell.part;
    let mut test = json!({
        "id": id,
        "build_id": build,
        "origin": origin,
        "path": format!("smmu-emu.{}", element(&part.changed_recipe())),
        "comment": printable(&part.key),
        "status": status(cell),
        "number": { "value": cell.hits, "unit": "boots" },
        "log_excerpt": printable(&junit::line(cell)),
        "environment": {
            "comment": format!(
                "QEMU {} ({}), {} CPUs, GICv{}, {} start, smmu-emu {}",
                part.qemu,
                part.accelerator.name(),
                part.cpus,
                u8::from(part.gic),
                part.start,
                report.version
            ),
        },
        "misc": {
            "answer": cell.word,
            "hits": cell.hits,
            "clean": cell.clean,
            "other_bug": cell.other_bug,
            "inconclusive": cell.inconclusive,
            "infra": cell.infra,
            "interval": cell.interval,
            "seed": report.seed,
            "shards": report.shards,
            "counted": part.counted,
            "recipe_sha256": part.recipe_sha256,
        },
    });
    let mut more = Map::new();
    if let Some(began) = report.began {
        more.insert("start_time".to_owned(), date::rfc3339(began).into());
    }
    if let Some(mean) = cell.mean_s {
        more.insert("duration".to_owned(), (mean * f64::from(cell.counted())).into());
    }
    if let Some(test) = test.as_object_mut() {
        test.append(&mut more);
    }
    test
}

/// Status of a test: whether the bug was seen.
fn status(cell: &CellReport) -> &'static str {
    match cell.word {
        _ if cell.hits > 0 => "FAIL",
        Word::AsExpected | Word::NotAsExpected => "PASS",
        Word::Inconclusive => "SKIP",
        Word::Infra => "ERROR",
    }
}

/// Names of the bugs that the boots of a cell showed, and descriptions. Hits that the kernel did not name as a bug have
/// the recipe's name.
fn bugs(cell: &CellReport) -> BTreeSet<(String, String)> {
    let named = cell.titles.iter().filter(|title| title.kind.is_bug());
    let mut bugs: BTreeSet<_> = named
        .map(|title| {
            let title_text = printable(&title.title);
            let name = format!("{}/{title_text}", title.kind);
            (name, format!("{} {title_text}", title.kind.words()))
        })
        .collect();
    if bugs.is_empty() && cell.hits > 0 {
        let part = &cell.part;
        bugs.insert((
            format!("recipe/{}", part.recipe),
            format!("{}: {}", part.recipe, part.counted),
        ));
    }
    bugs
}

/// An element of a path: other characters than the schema's become underscores.
fn element(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "_-".contains(c) {
            c
        } else {
            '_'
        }
    };
    name.chars().map(plain).collect()
}
