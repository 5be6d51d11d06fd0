// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::{CellTally, tally};
use crate::stats::sprt::Sprt;
use crate::stress::class::Class::{self, Clean, Hit, Inconclusive, Infra, OtherBug};
use crate::stress::pairs::PairTest;
use crate::stress::record::{Boot, Header};
use crate::stress::samples::{boot, header};
use crate::stress::shard::Shard;
use crate::stress::stop::{Reason, Stop};

fn of_classes(header: &Header, classes: &[Class]) -> Vec<Boot> {
    (1..)
        .zip(classes)
        .map(|(number, class)| boot(header, 0, number, *class))
        .collect()
}

fn one(header: &Header, boots: &[Boot]) -> CellTally {
    tally(header, boots).remove(0).1
}

#[test]
fn hits_and_clean_boots_make_the_rate() {
    let header = header(6, &["r"]);
    let boots = of_classes(&header, &[Hit, Clean, OtherBug, Inconclusive, Clean, Infra]);
    let found = one(&header, &boots);
    assert_eq!((found.of(Hit), found.conclusive()), (1, 3));
    assert_eq!(
        (found.of(OtherBug), found.of(Inconclusive), found.of(Infra)),
        (1, 1, 1)
    );
    // The boot that failed has no result yet.
    assert!(!found.complete);
    assert_eq!(found.reasons.get(&OtherBug).unwrap().0, 3);
    assert_eq!(found.titles.len(), 2);
}

#[test]
fn the_last_attempt_counts() {
    let header = header(1, &["r"]);
    let mut boots = vec![
        boot(&header, 0, 1, Infra),
        boot(&header, 0, 1, Infra),
        boot(&header, 0, 1, Hit),
    ];
    (boots[1].attempt, boots[2].attempt) = (2, 3);
    boots.swap(0, 2);
    let found = one(&header, &boots);
    assert_eq!((found.of(Hit), found.of(Infra), found.infra_attempts), (1, 0, 2));
    assert!(found.complete);
}

#[test]
fn a_stop_rule_counts_boots_in_their_order() {
    let mut header = header(100, &["r"]);
    header.stop.first_hit = true;
    let mut boots = of_classes(&header, &[Clean, Inconclusive, Hit, Hit, Clean]);
    // The hits ended first.
    boots.rotate_left(2);
    let found = one(&header, &boots);
    assert_eq!((found.of(Hit), found.of(Clean), found.surplus), (1, 1, 2));
    assert_eq!(
        (found.complete, found.ended.as_slice()),
        (true, &[Reason::FirstHit][..])
    );
    // As long as boot 2 is under way the hit at 3 does not end the cell.
    boots.retain(|boot| boot.boot != 2);
    let found = one(&header, &boots);
    assert_eq!((found.of(Hit), found.surplus, found.complete), (2, 0, false));
}

#[test]
fn a_sequential_test_decides() {
    let mut header = header(100, &["r"]);
    header.stop.sprt = Some(Sprt {
        p0: 0.01,
        p1: 0.2,
        alpha: 0.05,
        beta: 0.05,
    });
    let found = one(&header, &of_classes(&header, &[Clean; 20]));
    assert_eq!((found.of(Clean), found.surplus), (14, 6));
    assert_eq!(found.ended, [Reason::SprtLow]);
    let found = one(&header, &of_classes(&header, &[Clean, Hit, OtherBug, Hit, Clean]));
    assert_eq!((found.ended, found.surplus), (vec![Reason::SprtHigh], 1));
}

#[test]
fn a_guest_that_does_not_boot_ends_its_cell() {
    let header = header(100, &["r"]);
    let mut boots = of_classes(&header, &[Inconclusive; 4]);
    for boot in &mut boots {
        boot.boot_ms = None;
    }
    assert_eq!(one(&header, &boots).ended, [Reason::NotBooted]);
    // One that has booted before was slow.
    boots[1].boot_ms = Some(5);
    assert_eq!(one(&header, &boots).ended, []);
}

/// Boots after the pair that decides were under way by then.
#[test]
fn a_difference_of_pairs_ends_both_cells() {
    let mut header = header(20, &["r@a", "r@b"]);
    header.stop.pairs = Some(PairTest { alpha: 0.05 });
    let of_pairs = |pairs: u32, classes: [Class; 2]| -> Vec<Boot> {
        let numbers = 1..=pairs;
        numbers
            .flat_map(|number| [0, 1].map(|cell| boot(&header, cell, number, classes[cell])))
            .collect()
    };
    let found = tally(&header, &of_pairs(9, [Hit, Clean]));
    for (_, cell) in &found {
        assert_eq!((cell.conclusive(), cell.surplus, cell.complete), (7, 2, true));
        assert_eq!(cell.ended, [Reason::Differ]);
    }
    let found = tally(&header, &of_pairs(19, [Hit, Hit]));
    assert!(
        found
            .iter()
            .all(|(_, cell)| !cell.complete && cell.ended.is_empty())
    );
    // The guest of one cell does not boot; the other one has no partner any more.
    let mut boots = of_pairs(3, [Clean, Inconclusive]);
    boots
        .iter_mut()
        .for_each(|boot| boot.boot_ms = boot.boot_ms.filter(|_| boot.class == Clean));
    assert!(tally(&header, &boots).iter().all(|(_, cell)| cell.complete));
}

#[test]
fn boots_of_no_cell_and_of_no_number_are_left_out() {
    let header = header(2, &["r"]);
    let mut boots = of_classes(&header, &[Hit, Hit, Hit]);
    boots.push(boot(&header, 0, 0, Hit));
    boots[0].cell = "another".to_owned();
    let found = one(&header, &boots);
    assert_eq!((found.of(Hit), found.complete), (1, false));
}

fn classes() -> impl Strategy<Value = Vec<Class>> {
    let class = prop_oneof![4 => Just(Clean), 1 => Just(Hit), 1 => Just(Inconclusive), 1 => Just(OtherBug)];
    proptest::collection::vec(class, 0..60)
}

proptest! {
    /// Counts do not depend on the order in which boots end, nor on boots after the last that counts.
    #[test]
    fn the_order_of_ends_is_of_no_matter(
        classes in classes(),
        first_hit: bool,
        count in 1u32..4,
        keys in proptest::collection::vec(any::<u64>(), 60),
    ) {
        let mut header = header(60, &["r"]);
        let sprt = Some(Sprt { p0: 0.05, p1: 0.4, alpha: 0.05, beta: 0.05 });
        header.stop = Stop { first_hit, sprt, pairs: None };
        header.shards = (1..=count).map(|index| Shard { index, count }).collect();
        let boots = of_classes(&header, &classes);
        let mut shuffled: Vec<_> = boots.iter().cloned().zip(keys).collect();
        shuffled.sort_by_key(|(_, key)| *key);
        let shuffled: Vec<_> = shuffled.into_iter().map(|(boot, _)| boot).collect();
        let (a, b) = (one(&header, &boots), one(&header, &shuffled));
        prop_assert_eq!(&a.classes, &b.classes);
        prop_assert_eq!((&a.ended, a.surplus, a.complete), (&b.ended, b.surplus, b.complete));
        let counted: u32 = a.classes.values().sum();
        prop_assert_eq!(usize::try_from(counted + a.surplus).unwrap(), boots.len());
    }
}
