// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::Arguments;
use crate::recipe::Start;
use crate::stress::stop::Stop;

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn keys(kernels: &[&str], recipes: &[&str]) -> Result<Vec<String>, String> {
    let arguments = Arguments {
        name: "compare",
        kernels: &strings(kernels),
        recipes: &strings(recipes),
        cpus: Some(4),
        start: Start::Warm,
        boots: 7,
        stop: Stop {
            first_hit: true,
            ..Stop::default()
        },
    };
    let matrix = arguments.matrix()?;
    assert_eq!((matrix.boots, matrix.stop), (7, arguments.stop));
    Ok(matrix.cells.into_iter().map(|cell| cell.key).collect())
}

#[test]
fn cells_are_those_of_a_matrix_file() {
    let two = keys(&["debian:6.16.3", "debian:7.3.4"], &["few-smrs"]).unwrap();
    assert_eq!(
        two,
        [
            "few-smrs@debian:6.16.3,smp=4,warm",
            "few-smrs@debian:7.3.4,smp=4,warm"
        ]
    );
}

#[test]
fn mistakes_have_no_place_in_a_text_that_no_user_wrote() {
    for (kernels, recipes, problem) in [
        (
            &["/nowhere\"/Image"][..],
            &["few-smrs"][..],
            "/nowhere\"/Image does not exist",
        ),
        (
            &["debian:7.3.4"],
            &["no-such"],
            "no-such: no such file, and no shipped recipe",
        ),
        (
            &["debian:7.3.4", "debian:7.3.4"],
            &["few-smrs"],
            "`kernels` has \"debian:7.3.4\" twice",
        ),
    ] {
        let found = keys(kernels, recipes).unwrap_err();
        assert!(found.starts_with(problem), "{found}");
    }
}
