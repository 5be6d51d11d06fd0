// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::Jobs;

/// Runs on a host on which a boot lasts `millis(guests)`; returns the number of guests that is settled, and what was
/// said.
fn settled(mut jobs: Jobs, cells: usize, millis: impl Fn(u32, usize) -> u64) -> (u32, Vec<String>) {
    let mut said = Vec::new();
    for number in 0..2000 {
        let cell = number / 10 % cells;
        let level = jobs.level();
        said.extend(jobs.ended(cell, level, millis(level, cell)));
    }
    (jobs.level(), said)
}

/// A host that does so much at once, and is shared evenly beyond.
fn host(carries: u32) -> impl Fn(u32, usize) -> u64 {
    move |guests, cell| {
        let own = 5000 * (1 + u64::try_from(cell).unwrap());
        own * u64::from(guests.max(carries)) / u64::from(carries)
    }
}

#[test]
fn more_guests_as_long_as_they_make_more_boots_an_hour() {
    for (cpus, carries, expected) in [(2, 2, 2..=2), (2, 1, 1..=1), (64, 64, 48..=72), (8, 20, 19..=28)] {
        let (level, said) = settled(Jobs::measured(cpus, 1000), 3, host(carries));
        assert!(
            expected.contains(&level),
            "{cpus} CPUs, {carries}: {level}, {said:?}"
        );
        assert!(said.last().unwrap().contains("guests at a time"), "{said:?}");
    }
}

#[test]
fn memory_and_cpus_are_limits() {
    assert_eq!(settled(Jobs::measured(8, 3), 1, host(100)).0, 3);
    assert_eq!(settled(Jobs::measured(2, 1000), 1, host(100)).0, 8);
    assert_eq!(settled(Jobs::measured(1, 0), 1, host(100)).0, 1);
}

#[test]
fn a_number_of_the_users_stays() {
    let (level, said) = settled(Jobs::fixed(7), 1, host(1));
    assert_eq!((level, said.len()), (7, 0));
}

/// Boots that began with another number of guests, or of cells that the other level did not have, tell nothing.
#[test]
fn only_boots_that_can_be_compared_count() {
    let mut jobs = Jobs::measured(2, 1000);
    for _ in 0..100 {
        assert_eq!(jobs.ended(0, 5, 1000), None);
    }
    assert!(jobs.ended(0, 1, 1000).is_none() && jobs.ended(0, 1, 1000).is_some());
    assert_eq!(jobs.level(), 2);
    for _ in 0..100 {
        assert_eq!(jobs.ended(1, 2, 1), None);
    }
}
