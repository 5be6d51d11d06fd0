// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The repository's own rules: dependency arrows, licence headers, file lengths, what the documentation lists.

mod layers;
mod sources;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Product files have one subject; the number is the rule's “near 400” with a margin.
const LONGEST_PRODUCT_FILE: usize = 450;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ stands in the workspace")
        .to_path_buf()
}

/// Every file that is the project's own, by extension; build output and fuzz corpora are left out.
fn files(extension: &str) -> Vec<PathBuf> {
    fn walk(dir: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("a readable directory") {
            let path = entry.expect("a directory entry").path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if path.is_dir() {
                if !matches!(name, "target" | "fuzz-target" | ".git" | "corpus" | "artifacts") {
                    walk(&path, extension, found);
                }
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), extension, &mut found);
    assert!(!found.is_empty(), "no .{extension} file: the walk is wrong");
    found
}

fn is_test(path: &Path) -> bool {
    path.file_name().is_some_and(|n| n == "tests.rs")
        || path
            .strip_prefix(root())
            .expect("files() yields files below the root")
            .components()
            .any(|c| matches!(c.as_os_str().to_str(), Some("tests" | "fuzz" | "benches")))
}

/// Packages of the workspace that a package may use, by its folder.
const PACKAGES: [(&str, &[&str]); 9] = [
    ("smmu-emu", &[]),
    ("smmu-emu/fuzz", &["smmu-emu"]),
    ("host-guard", &[]),
    ("vfio-server", &["smmu-emu", "host-guard"]),
    ("vfio-server/fuzz", &["smmu-emu", "vfio-server", "host-guard"]),
    ("guest-images", &["host-guard"]),
    ("ci", &["smmu-emu", "vfio-server", "guest-images", "host-guard"]),
    ("ci/fuzz", &["boot-stress"]),
    (
        "tests",
        &[
            "smmu-emu",
            "vfio-server",
            "guest-images",
            "boot-stress",
            "host-guard",
        ],
    ),
];

fn manifest(folder: &str) -> toml::Table {
    let path = root().join(folder).join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().expect("a valid manifest")
}

#[test]
fn dependencies_point_one_way() {
    let workspace = &manifest("")["workspace"];
    let members: BTreeSet<&str> = workspace["members"]
        .as_array()
        .expect("a list of members")
        .iter()
        .filter_map(toml::Value::as_str)
        .collect();
    assert_eq!(members, PACKAGES.iter().map(|(folder, _)| *folder).collect());
    let manifests = PACKAGES.map(|(folder, allowed)| (folder, manifest(folder), allowed));
    let names: BTreeSet<&str> = manifests
        .iter()
        .filter_map(|(_, manifest, _)| manifest["package"]["name"].as_str())
        .collect();
    for (folder, manifest, allowed) in &manifests {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let dependencies = manifest.get(section).and_then(toml::Value::as_table);
            let own = manifest["package"]["name"].as_str();
            let others = dependencies.into_iter().flat_map(toml::Table::keys);
            // A package may ask itself for more features in its tests.
            for name in others.filter(|name| Some(name.as_str()) != own) {
                assert!(
                    !names.contains(name.as_str()) || allowed.contains(&name.as_str()),
                    "{folder} must not depend on {name} ({section})"
                );
            }
        }
    }
}

#[test]
fn every_source_file_names_its_licence() {
    for path in files("rs") {
        let text = fs::read_to_string(&path).expect("a readable source file");
        let first = text.lines().next().unwrap_or_default();
        assert_eq!(
            first,
            "// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause",
            "{}",
            path.display()
        );
    }
}

#[test]
fn product_files_have_one_subject() {
    let too_long: Vec<String> = files("rs")
        .into_iter()
        .filter(|path| !is_test(path))
        .map(|path| {
            (
                fs::read_to_string(&path)
                    .expect("a readable source file")
                    .lines()
                    .count(),
                path,
            )
        })
        .filter(|(lines, _)| *lines > LONGEST_PRODUCT_FILE)
        .map(|(lines, path)| format!("{} ({lines} lines)", path.display()))
        .collect();
    assert!(
        too_long.is_empty(),
        "files of more than {LONGEST_PRODUCT_FILE} lines: {too_long:?}"
    );
}

#[test]
fn the_model_is_pure() {
    let manifest = fs::read_to_string(root().join("smmu-emu/Cargo.toml")).expect("the model's manifest");
    let manifest: toml::Table = manifest.parse().expect("a valid manifest");
    let dependencies = manifest["dependencies"]
        .as_table()
        .expect("a table of dependencies");
    // vm-memory for its traits: without features it maps and reads nothing.
    let pure = [
        "arbitrary-int",
        "arrayvec",
        "bitbybit",
        "bitflags",
        "serde",
        "thiserror",
        "vm-memory",
    ];
    // The test kit's own are no part of the product.
    let kit: Vec<&str> = manifest["features"]["testing"]
        .as_array()
        .expect("the features of the kit")
        .iter()
        .filter_map(|feature| feature.as_str()?.strip_prefix("dep:"))
        .collect();
    let product = |name: &str| !kit.contains(&name);
    for (name, entry) in dependencies.iter().filter(|(name, _)| product(name)) {
        assert!(
            pure.contains(&name.as_str()),
            "smmu-emu must stay free of I/O and threads: {name}"
        );
        assert!(entry.get("features").is_none(), "{name} has features");
    }
    let workspace = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace's manifest");
    let workspace: toml::Table = workspace.parse().expect("a valid manifest");
    let vm_memory = &workspace["workspace"]["dependencies"]["vm-memory"];
    assert_eq!(vm_memory.get("default-features"), Some(&false.into()));
    assert!(vm_memory.get("features").is_none(), "vm-memory has features");
    let lib = fs::read_to_string(root().join("smmu-emu/src/lib.rs")).expect("the model's root");
    assert!(lib.contains("#![forbid(unsafe_code)]"));
}

#[test]
fn every_shipped_recipe_is_documented() {
    let documented = fs::read_to_string(root().join("docs/recipes.md")).expect("docs/recipes.md");
    for entry in fs::read_dir(root().join("ci/recipes")).expect("the recipes") {
        let path = entry.expect("a directory entry").path();
        let name = path
            .file_stem()
            .and_then(|n| n.to_str())
            .expect("a recipe's name");
        assert!(
            documented.contains(&format!("`{name}`")),
            "docs/recipes.md does not mention {name}"
        );
    }
}

/// Source of a test that documents of the protocol name, and the name of its function.
fn protocol_test(path: &str) -> (PathBuf, &str) {
    let (module, name) = path.rsplit_once("::").expect("module::name");
    let file = match module {
        "request::tests" => PathBuf::from("vfio-server/src/client/request/tests.rs"),
        module => Path::new("tests/tests")
            .join(module.replace("::", "/"))
            .with_extension("rs"),
    };
    (root().join(file), name)
}

#[test]
fn every_row_of_the_protocol_names_a_test_that_exists() {
    let read = |name: &str| fs::read_to_string(root().join("docs").join(name)).expect("a document");
    let (table, deviations) = (read("vfio-user.md"), read("deviations.md"));
    let (_, deviations) = deviations
        .split_once("\n## vfio-user\n")
        .expect("a section of the protocol");
    let mut named = 0;
    for row in table
        .lines()
        .chain(deviations.lines())
        .filter_map(|line| line.strip_suffix(" |"))
    {
        let cell = row.rsplit("| ").next().unwrap_or_default();
        let tests: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        assert!(
            !tests.is_empty() || ["test", "---", "same"].contains(&cell),
            "no test in: {row}"
        );
        for test in tests {
            let (file, name) = protocol_test(test);
            let source = fs::read_to_string(&file).unwrap_or_default();
            assert!(source.contains(&format!("fn {name}(")), "no such test: {test}");
            named += 1;
        }
    }
    assert!(named > 60, "the tables have another form: {named}");
}

#[test]
fn every_difference_of_the_oracle_is_documented() {
    let documented =
        fs::read_to_string(root().join("docs/cpu-differences.md")).expect("docs/cpu-differences.md");
    for name in integration_tests::oracle::expected::DIFFERENCES {
        assert!(
            documented.contains(&format!("| {name} |")),
            "docs/cpu-differences.md does not list {name:?}"
        );
    }
}

#[test]
fn decisions_are_numbered_without_gaps() {
    let mut numbers: Vec<u32> = fs::read_dir(root().join("docs/decisions"))
        .expect("the decisions")
        .map(|entry| entry.expect("a directory entry").file_name())
        .map(|name| {
            name.to_str()
                .and_then(|n| n.get(..4)?.parse().ok())
                .expect("a name NNNN-subject.md")
        })
        .collect();
    numbers.sort_unstable();
    let expected: Vec<u32> = (1..).take(numbers.len()).collect();
    assert_eq!(numbers, expected);
}

/// First words of doc comments that name no thing.
const HOUSE_WORDS: [&str; 5] = ["What ", "The same", "Who ", "Whoever ", "Somebody "];

#[test]
fn doc_comments_begin_with_the_thing_that_they_describe() {
    let mut found = Vec::new();
    for path in files("rs") {
        let text = fs::read_to_string(&path).expect("a readable source file");
        let mut before = "";
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_start();
            let first = line.strip_prefix("/// ").or_else(|| line.strip_prefix("//! "));
            let begins = !before.starts_with("///") && !before.starts_with("//!");
            before = line;
            if begins && first.is_some_and(begins_with_house_word) {
                found.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Whether a sentence begins with a word that names no thing.
fn begins_with_house_word(sentence: &str) -> bool {
    HOUSE_WORDS.iter().any(|word| sentence.starts_with(word))
}

#[test]
fn documents_and_recipes_begin_with_the_thing_that_they_describe() {
    let mut found = Vec::new();
    for path in files("md").into_iter().chain(files("toml")) {
        let text = fs::read_to_string(&path).expect("a readable document");
        for (number, line) in text.lines().enumerate() {
            // Sentences, headings, items of lists, cells of tables, and texts of keys.
            let begins = [". ", "| ", "= "]
                .map(|before| line.split(before))
                .into_iter()
                .flatten();
            let mut begins = begins.map(|text| text.trim_start_matches(['#', '-', '*', '"', '\'', ' ']));
            // A question may begin with its question word.
            if begins.any(|text| begins_with_house_word(text) && !line.contains('?')) {
                found.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Width of a line in characters, comments and strings too: rustfmt breaks neither.
const WIDTH: usize = 120;

#[test]
fn lines_end_at_120_columns() {
    let mut found = Vec::new();
    for path in files("rs") {
        let text = fs::read_to_string(&path).expect("a readable source file");
        for (number, line) in text.lines().enumerate() {
            if line.chars().count() > WIDTH {
                found.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
