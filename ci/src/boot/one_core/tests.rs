// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

use std::fs;
use std::process::{Command, Stdio};

#[test]
fn a_process_stays_on_the_core_and_its_starter_does_not() {
    let before = sched_getaffinity(None).unwrap();
    let core = Core::take().unwrap();
    let mut process = core
        .with(|| Command::new("sleep").arg("60").stdout(Stdio::null()).spawn())
        .unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    let only = format!("Cpus_allowed_list:\t{}\n", core.number);
    assert!(status.contains(&only), "{status}");
    assert!(sched_getaffinity(None).unwrap() == before);
}

#[test]
fn guests_share_a_core_only_if_there_are_more_of_them() {
    let allowed = sched_getaffinity(None).unwrap();
    let count = usize::try_from(allowed.count()).unwrap();
    let cores: Vec<Core> = (0..count).map(|_| Core::take().unwrap()).collect();
    let mut numbers: Vec<usize> = cores.iter().map(|core| core.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), count);
    assert!(allowed.is_set(Core::take().unwrap().number));
}
