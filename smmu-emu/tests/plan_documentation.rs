// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `docs/plan.md`: its table of injections is that of the model, and its examples are plans.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use smmu_emu::plan::{InjectionKind, KINDS};
use smmu_emu::{Config, DelayRule, InjectionRule, Plan};

const BEGIN: &str =
    "<!-- Below: written by a test of smmu-emu/tests/plan_documentation.rs; do not edit. -->\n";
const END: &str = "<!-- Above: written by a test. -->\n";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plan.md")
}

fn text() -> String {
    std::fs::read_to_string(path()).expect("docs/plan.md is there")
}

#[test]
fn the_table_of_injections_is_current() {
    let mut table = String::from("\n| `kind` | fields | counts | effect |\n| --- | --- | --- | --- |\n");
    for row in KINDS {
        let fields: Vec<String> = row.takes.iter().map(|field| format!("`{field}`")).collect();
        writeln!(
            table,
            "| `{}` | {} | {} | {} |",
            row.name,
            fields.join(", "),
            row.operation,
            row.effect
        )
        .expect("a string");
    }
    let text = text();
    let (head, rest) = text.split_once(BEGIN).expect("the first marker");
    let (_, tail) = rest.split_once(END).expect("the second marker");
    let current = format!("{head}{BEGIN}{table}{END}{tail}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path(), current).expect("docs/plan.md can be written");
    } else {
        assert!(current == text, "run `UPDATE_DOCS=1 cargo test -p smmu-emu`");
    }
}

/// The part of a configuration file that the examples are.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    seed: u64,
    smmu: Vec<Smmu>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Smmu {
    #[serde(default, rename = "name")]
    _name: String,
    #[serde(default)]
    delay: Vec<DelayRule>,
    #[serde(default)]
    injection: Vec<InjectionRule>,
}

#[test]
fn the_examples_are_plans_and_have_every_kind() {
    let text = text();
    let examples = text.split("```toml\n").skip(1);
    let mut shown: Vec<InjectionKind> = Vec::new();
    for example in examples {
        let (example, _) = example.split_once("```").expect("its end");
        let whole = if example.contains("[[smmu]]") {
            example.to_owned()
        } else {
            format!("[[smmu]]\n{example}")
        };
        let file: File = toml::from_str(&whole).expect(example);
        let smmu = &file.smmu[0];
        let plan = Plan {
            seed: file.seed,
            delays: smmu.delay.clone(),
            injections: smmu.injection.clone(),
        };
        let config = Config::default().validate().expect("valid");
        plan.validate(&config).expect(example);
        shown.extend(plan.injections.iter().map(|injection| injection.kind));
    }
    for row in KINDS {
        assert!(shown.contains(&row.kind), "{} has no example", row.name);
    }
}
