// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Job, Schedule, TURN};
use crate::stress::class::Class::{self, Clean, Hit, Infra};
use crate::stress::pairs::PairTest;
use crate::stress::record::{Boot, Header};
use crate::stress::samples::{boot, header};
use crate::stress::shard::Shard;
use crate::stress::tally::tally;

fn result(header: &Header, job: Job, class: Class) -> Boot {
    Boot {
        attempt: job.attempt,
        ..boot(header, job.cell, job.boot, class)
    }
}

#[test]
fn cells_take_turns() {
    let header = header(15, &["a", "b"]);
    let mut schedule = Schedule::new(&header, Shard::WHOLE, &[]);
    let jobs: Vec<Job> = std::iter::from_fn(|| schedule.hand_out()).collect();
    assert_eq!(jobs.len(), 30);
    let cells: Vec<usize> = jobs.iter().map(|job| job.cell).collect();
    let turn = usize::try_from(TURN).unwrap();
    let expected = [vec![0; turn], vec![1; turn], vec![0; 5], vec![1; 5]].concat();
    assert_eq!(cells, expected);
    assert!(jobs.iter().all(|job| job.attempt == 1));
}

#[test]
fn a_boot_that_failed_is_made_again_up_to_a_limit() {
    let header = header(1, &["a"]);
    let mut schedule = Schedule::new(&header, Shard::WHOLE, &[]);
    let mut boots = Vec::new();
    for attempt in 1..=3 {
        let job = schedule.hand_out().unwrap();
        assert_eq!((job.boot, job.attempt), (1, attempt));
        boots.push(result(&header, job, Infra));
        assert_eq!(schedule.done(job, boots.last().unwrap()), attempt == 3);
    }
    assert_eq!(schedule.hand_out(), None);
    // Resumed, it has as many attempts again.
    let mut schedule = Schedule::new(&header, Shard::WHOLE, &boots);
    for attempt in 4..=6 {
        let job = schedule.hand_out().unwrap();
        assert_eq!((job.boot, job.attempt), (1, attempt));
        schedule.done(job, &result(&header, job, Infra));
    }
    assert_eq!(schedule.hand_out(), None);
}

#[test]
fn a_cell_whose_boots_all_fail_is_given_up() {
    let mut header = header(100, &["a", "b"]);
    header.retries = 0;
    let mut schedule = Schedule::new(&header, Shard::WHOLE, &[]);
    let mut made = [0; 2];
    while let Some(job) = schedule.hand_out() {
        made[job.cell] += 1;
        let class = if job.cell == 0 { Infra } else { Clean };
        schedule.done(job, &result(&header, job, class));
    }
    assert_eq!(made, [3, 100]);
    let given_up: Vec<_> = schedule.given_up().collect();
    assert_eq!(given_up, [(0, "reason of infra")]);
}

#[test]
fn a_cell_that_is_decided_has_no_more_boots() {
    let mut header = header(100, &["a", "b"]);
    header.stop.first_hit = true;
    let mut schedule = Schedule::new(&header, Shard::WHOLE, &[]);
    let mut made = [0; 2];
    while let Some(job) = schedule.hand_out() {
        made[job.cell] += 1;
        let class = if job.cell == 0 && job.boot == 4 {
            Hit
        } else {
            Clean
        };
        schedule.done(job, &result(&header, job, class));
    }
    assert_eq!(made, [4, 100]);
}

/// Two cells that are compared take turns boot by boot, until the pairs decide.
#[test]
fn cells_that_are_compared_have_their_boots_in_pairs() {
    let mut header = header(100, &["r@a", "r@b"]);
    header.stop.pairs = Some(PairTest { alpha: 0.05 });
    let mut schedule = Schedule::new(&header, Shard::WHOLE, &[]);
    let (mut cells, mut boots) = (Vec::new(), Vec::new());
    while let Some(job) = schedule.hand_out() {
        cells.push(job.cell);
        boots.push(result(&header, job, [Hit, Clean][job.cell]));
        schedule.done(job, boots.last().unwrap());
    }
    assert_eq!(cells, [0, 1].repeat(7));
    // A resumed run knows it.
    assert_eq!(Schedule::new(&header, Shard::WHOLE, &boots).hand_out(), None);
    let mut resumed = Schedule::new(&header, Shard::WHOLE, &boots[..13]);
    let last = resumed.hand_out().map(|job| (job.cell, job.boot));
    assert_eq!(last, Some((0, 8)), "the turn of the first cell, for its pair");
    assert_eq!(resumed.hand_out().map(|job| (job.cell, job.boot)), Some((1, 7)));
}

proptest! {
    /// However often a run is killed, and with any number of shards, each boot has one result at the end.
    #[test]
    fn resumed_runs_lose_and_repeat_nothing(
        boots in 1u32..40,
        count in 1u32..5,
        guests in 1usize..6,
        kills in proptest::collection::vec(1usize..20, 0..6),
    ) {
        let mut whole = header(boots, &["a", "b-control", "c"]);
        let mut recorded = Vec::new();
        for index in 1..=count {
            let shard = Shard { index, count };
            let mut own: Vec<Boot> = Vec::new();
            let mut kills = kills.iter();
            loop {
                let mut schedule = Schedule::new(&whole, shard, &own);
                let mut under_way = Vec::new();
                let mut left = kills.next().copied().unwrap_or(usize::MAX);
                loop {
                    while under_way.len() < guests && let Some(job) = schedule.hand_out() {
                        under_way.push(job);
                    }
                    // The last one that began ends first.
                    let Some(job) = under_way.pop() else { break };
                    let boot = result(&whole, job, Clean);
                    schedule.done(job, &boot);
                    own.push(boot);
                    left -= 1;
                    if left == 0 {
                        break;
                    }
                }
                if left > 0 {
                    break;
                }
            }
            recorded.extend(own);
        }
        let made: BTreeSet<_> = recorded.iter().map(|boot| (boot.cell.clone(), boot.boot)).collect();
        prop_assert_eq!(made.len(), recorded.len());
        whole.shards = (1..=count).map(|index| Shard { index, count }).collect();
        for (_, cell) in tally(&whole, &recorded) {
            prop_assert_eq!((cell.of(Clean), cell.complete), (boots, true));
        }
    }
}
