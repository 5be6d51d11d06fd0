// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs;
use std::path::Path;

use guest_images::packages::digest;

use super::{Calibration, KernelSource, LOG, RECIPE, SCHEMA, State, Step, Subject, Verdict, create};
use crate::bisect::plan::Plan;
use crate::recipe::Start;

const TEXT: &str = "name = \"r\"\n";

fn calibration() -> Calibration {
    Calibration {
        schema: SCHEMA.to_owned(),
        version: "0.1.0".to_owned(),
        subject: Subject {
            kernel: KernelSource::NamedIn("kernel".to_owned()),
            build: Some("make".to_owned()),
            recipe_sha256: digest::of_bytes(TEXT.as_bytes()),
            cpus: None,
            start: Start::Warm,
            seed: 7,
        },
        commit: Some("0".repeat(40)),
        hits: 20,
        boots: 20,
        plan: Plan::new(6, 0.5, 0.05).unwrap(),
    }
}

fn step(number: u32, verdict: Verdict, clean: u32) -> Step {
    Step {
        number,
        commit: None,
        verdict,
        reason: None,
        release: None,
        hits: u32::from(verdict == Verdict::Bad),
        clean,
        others: vec!["WARNING foo in 1 boots".to_owned()],
        dir: None,
    }
}

fn made(dir: &Path) -> State {
    State::begin(create(dir, TEXT).unwrap(), calibration()).unwrap()
}

#[test]
fn steps_are_there_again_and_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = made(dir.path());
    let steps = [
        step(1, Verdict::Good, 7),
        step(2, Verdict::Bad, 3),
        step(3, Verdict::Skip, 1),
        step(4, Verdict::Good, 6),
    ];
    for step in &steps {
        state.record(step.clone()).unwrap();
    }
    drop(state);
    let state = State::open(dir.path()).unwrap();
    assert_eq!((state.calibration(), state.steps()), (&calibration(), &steps[..]));
    // Good commits alone: ½⁷ and ½⁶.
    assert!((state.chance() - 3.0 / 128.0).abs() < 1e-12);
    assert_eq!(state.count(Verdict::Good), 2);
}

/// A recipe or a plan that is not the one of the calibration is no state.
#[test]
fn changes_are_named() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path()).record(step(1, Verdict::Bad, 0)).unwrap();
    let log = dir.path().join(LOG);
    let text = fs::read_to_string(&log).unwrap();
    let problem = || State::open(dir.path()).unwrap_err().to_string();
    for (changed, words) in [
        (
            text.replace("boot-stress/bisect/1", "boot-stress/bisect/9"),
            "boot-stress/bisect/9",
        ),
        (text.replace("\"p1\":0.5", "\"p1\":1.5"), "0 < p0 < p1 < 1"),
    ] {
        fs::write(&log, changed).unwrap();
        assert!(problem().contains(words), "{}", problem());
    }
    fs::write(&log, text).unwrap();
    fs::write(dir.path().join(RECIPE), "name = \"s\"\n").unwrap();
    assert!(
        problem().contains("not the recipe that was calibrated"),
        "{}",
        problem()
    );
}
