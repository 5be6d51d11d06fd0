// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::Matrix;
use crate::recipe::{SHIPPED, Start};

const SMALL: &str = "name = \"m\"\nkernels = [\"debian:7.3.4\"]\nrecipes = [\"few-smrs\"]\n";

fn parse(text: &str) -> Result<Matrix, String> {
    Matrix::parse(text, "m.toml", Path::new("")).map_err(|error| error.to_string())
}

#[test]
fn cells_are_kernels_by_recipes_by_overrides_by_cpus() {
    let text = "name = \"m\"\nkernels = [\"debian:7.3.4\", \"debian:6.16.3\"]\n\
                recipes = [\"few-smrs\", \"attach-lock-control\"]\ncpus = [2, 4]\nboots = 50\nseed = 9\n\
                [[override]]\nname = \"wide\"\nrecipes = [\"few-smrs\"]\nrecipe.settle_ms = 700\n";
    let matrix = parse(text).unwrap();
    let keys: Vec<&str> = matrix.cells.iter().map(|cell| cell.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "few-smrs@debian:7.3.4,smp=2",
            "few-smrs@debian:7.3.4,smp=4",
            "few-smrs+wide@debian:7.3.4,smp=2",
            "few-smrs+wide@debian:7.3.4,smp=4",
            "attach-lock-control@debian:7.3.4,smp=2",
            "attach-lock-control@debian:7.3.4,smp=4",
            "few-smrs@debian:6.16.3,smp=2",
            "few-smrs@debian:6.16.3,smp=4",
            "few-smrs+wide@debian:6.16.3,smp=2",
            "few-smrs+wide@debian:6.16.3,smp=4",
            "attach-lock-control@debian:6.16.3,smp=2",
            "attach-lock-control@debian:6.16.3,smp=4",
        ]
    );
    assert_eq!((matrix.boots, matrix.seed), (50, Some(9)));
    let settle: Vec<u32> = matrix
        .cells
        .iter()
        .take(3)
        .map(|cell| cell.recipe.settle_ms)
        .collect();
    assert_eq!(settle, [500, 500, 700]);
}

#[test]
fn without_a_word_the_recipes_cpus_and_all_boots() {
    let matrix = parse(SMALL).unwrap();
    assert_eq!(matrix.cells.len(), 1);
    assert_eq!(
        (matrix.cells[0].cpus, matrix.cells[0].key.as_str()),
        (None, "few-smrs@debian:7.3.4,smp=2")
    );
    assert!(!matrix.stop.is_sequential());
    assert_eq!(
        (matrix.boots, matrix.retries, matrix.timeout, matrix.time),
        (20, 2, None, None)
    );
}

#[test]
fn mistakes_have_a_place() {
    for (more, place, words) in [
        ("kernel = 1\n", "m.toml:4:1", "unknown field `kernel`"),
        ("[stop]\nfirst = true\n", "m.toml:5:1", "unknown field `first`"),
        (
            "[stop.sprt]\np0 = 0.2\np1 = 0.1\n",
            "m.toml:4:1",
            "0 < p0 < p1 < 1",
        ),
        (
            "[stop.sprt]\np0 = 0.1\np1 = 0.2\nalpha = 0.7\n",
            "m.toml:4:1",
            "`alpha`",
        ),
        ("boots = 0\n", "m.toml:4:9", "from 1 to 100000"),
        ("boots = 100001\n", "m.toml:4:9", "from 1 to 100000"),
        ("retries = 11\n", "m.toml:4:11", "from 0 to 10"),
        ("seed = -1\n", "m.toml:4:8", "-1"),
        ("cpus = [2, 2]\n", "m.toml:4:12", "twice"),
        ("cpus = [0]\n", "m.toml:4:9", "1 to 123"),
        ("start = [\"hot\"]\n", "m.toml:4:10", "unknown variant"),
        ("start = [\"warm\", \"warm\"]\n", "m.toml:4:18", "\"warm\" twice"),
        ("keep = \"some\"\n", "m.toml:4:8", "unknown variant"),
        ("schema = 2\n", "m.toml:4:10", "`schema` is 1"),
        (
            "[[override]]\nname = \"a b\"\nrecipe = {}\n",
            "m.toml:5:8",
            "a name has",
        ),
        (
            "[[override]]\nname = \"a\"\nrecipes = [\"boot\"]\nrecipe = {}\n",
            "m.toml:6:12",
            "none of the matrix's",
        ),
        (
            "[[override]]\nname = \"a\"\nrecipe.bord = 1\n",
            "m.toml:4:1",
            "unknown field `bord`",
        ),
        (
            "[[override]]\nname = \"a\"\nrecipe = {}\nmore = 1\n",
            "m.toml:7:1",
            "unknown field `more`",
        ),
    ] {
        let error = parse(&format!("{SMALL}{more}")).unwrap_err();
        assert!(error.starts_with(&format!("{place}: ")), "{more}: {error}");
        assert!(error.contains(words), "{more}: {error}");
    }
    for (text, place, words) in [
        ("kernels = []\nrecipes = [\"boot\"]\n", "m.toml:2:11", "is empty"),
        (
            "kernels = [\"debian:1\"]\nrecipes = [\"boot\", \"boot\"]\n",
            "m.toml:3:20",
            "\"boot\" twice",
        ),
        (
            "kernels = [\"debian:1\"]\nrecipes = [\"bot\"]\n",
            "m.toml:3:12",
            "no shipped recipe",
        ),
        (
            "kernels = [\"no/such/Image\"]\nrecipes = [\"boot\"]\n",
            "m.toml:2:12",
            "does not exist",
        ),
    ] {
        let error = parse(&format!("name = \"m\"\n{text}")).unwrap_err();
        assert!(error.starts_with(&format!("{place}: ")), "{text}: {error}");
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn a_warm_cell_is_one_of_its_own() {
    let keys = |more: &str| -> Vec<(String, Start)> {
        let matrix = parse(&format!("{SMALL}{more}")).unwrap();
        let cells = matrix.cells.into_iter();
        cells.map(|cell| (cell.key, cell.start)).collect()
    };
    let cold = keys("");
    assert!(cold.iter().all(|(_, start)| *start == Start::Cold));
    assert_eq!(keys("start = [\"cold\"]\n"), cold);
    let both = keys("start = [\"cold\", \"warm\"]\n");
    assert_eq!(both.len(), 2 * cold.len());
    for ((key, _), pair) in cold.iter().zip(both.chunks(2)) {
        let expected = [(key.clone(), Start::Cold), (format!("{key},warm"), Start::Warm)];
        assert_eq!(pair, expected);
    }
}

#[test]
fn a_matrix_is_bounded() {
    let names: Vec<String> = SHIPPED
        .iter()
        .map(|shipped| format!("\"{}\"", shipped.name))
        .collect();
    let kernels: Vec<String> = (0..200).map(|number| format!("\"debian:{number}\"")).collect();
    let text = format!(
        "name = \"m\"\nkernels = [{}]\nrecipes = [{}]\n",
        kernels.join(","),
        names.join(",")
    );
    let error = parse(&text).unwrap_err();
    assert!(error.contains("cells are more than 4096"), "{error}");
}

/// Paths begin at the directory of the file, not at that of the process.
#[test]
fn recipes_and_kernels_beside_the_matrix() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = crate::recipe::shipped("boot").unwrap().text;
    fs::write(dir.path().join("mine.toml"), recipe).unwrap();
    fs::write(dir.path().join("Image"), "x").unwrap();
    let path = dir.path().join("m.toml");
    fs::write(
        &path,
        "name = \"m\"\nkernels = [\"Image\"]\nrecipes = [\"mine.toml\"]\n",
    )
    .unwrap();
    let matrix = Matrix::read(&path).unwrap();
    assert_eq!(matrix.cells[0].kernel_argument, dir.path().join("Image"));
    assert_eq!(matrix.cells[0].key, "mine.toml@Image,smp=4");
    fs::write(dir.path().join("mine.toml"), recipe.replace("[board]", "[bord]")).unwrap();
    let error = Matrix::read(&path).unwrap_err().to_string();
    assert!(
        error.contains("m.toml:3:12: ") && error.contains("mine.toml:"),
        "{error}"
    );
}

/// The shipped matrix is read, and has each shipped recipe but those for kernels without modules.
#[test]
fn the_nightly_matrix_has_all_recipes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("nightly.toml");
    let matrix = Matrix::read(&path).unwrap();
    let named: BTreeSet<&str> = matrix
        .cells
        .iter()
        .map(|cell| cell.recipe_name.as_str())
        .collect();
    for shipped in SHIPPED {
        let name = shipped.recipe().unwrap().name;
        assert_eq!(named.contains(name.as_str()), !name.contains("builtin"), "{name}");
    }
    let kernels: BTreeSet<&str> = matrix.cells.iter().map(|cell| cell.kernel.as_str()).collect();
    assert_eq!(matrix.cells.len(), named.len() * kernels.len());
}
