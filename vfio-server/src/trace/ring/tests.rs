// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::*;

fn record(ns: u64) -> Record {
    Record {
        ns,
        smmu: 0,
        event: Event::Reset,
    }
}

/// Reads from `from` on, in steps of `most`.
fn all(ring: &Ring, mut from: u64, end: u64, most: usize) -> (u64, Vec<u64>) {
    let (mut lost, mut seen) = (0, Vec::new());
    while from < end.min(ring.next()) {
        let taken = ring.read(from, end, most, |number, record| {
            assert_eq!(number, record.ns);
            seen.push(number);
        });
        lost += taken.lost;
        assert!(taken.next > from, "no step from {from}");
        from = taken.next;
    }
    (lost, seen)
}

#[test]
fn the_oldest_are_overwritten_and_counted() {
    let mut ring = Ring::new(0);
    assert_eq!(ring.capacity(), 1024, "not fewer");
    assert_eq!(Ring::new(usize::MAX).capacity(), 1 << 18, "not more");
    for ns in 0..1024 {
        ring.push(record(ns));
    }
    assert_eq!(all(&ring, 0, u64::MAX, 100), (0, (0..1024).collect()));
    for ns in 1024..1500 {
        ring.push(record(ns));
    }
    assert_eq!((ring.oldest(), ring.next()), (476, 1500));
    assert_eq!(all(&ring, 400, u64::MAX, 100), (76, (476..1500).collect()));
    assert_eq!(all(&ring, 1490, 1495, 100), (0, (1490..1495).collect()));
    let behind = ring.read(0, 10, 100, |number, _| panic!("{number} is gone"));
    assert_eq!(behind, Taken { lost: 10, next: 10 }, "no further than asked for");
}

#[test]
fn a_ring_of_another_size_begins_empty_and_numbers_go_on() {
    let mut ring = Ring::new(1024);
    (0..1500).for_each(|ns| ring.push(record(ns)));
    ring.resize(2048);
    assert_eq!((ring.oldest(), ring.next(), ring.capacity()), (1500, 1500, 2048));
    (1500..1510).for_each(|ns| ring.push(record(ns)));
    assert_eq!(all(&ring, 1400, u64::MAX, 100), (100, (1500..1510).collect()));
}

proptest! {
    #[test]
    fn every_record_is_read_or_lost(
        before in 0_u64..3000,
        resize in proptest::option::of(0_usize..4000),
        after in 0_u64..5000,
        from in 0_u64..8000,
        most in 1_usize..300,
    ) {
        let mut ring = Ring::new(1024);
        (0..before).for_each(|ns| ring.push(record(ns)));
        if let Some(capacity) = resize {
            ring.resize(capacity);
        }
        (before..before + after).for_each(|ns| ring.push(record(ns)));
        let (lost, seen) = all(&ring, from, u64::MAX, most);
        let expected = ring.next().saturating_sub(from);
        prop_assert_eq!(lost + seen.len() as u64, expected);
        prop_assert!(seen.is_sorted());
        if expected > 0 {
            prop_assert_eq!(seen.first().copied().unwrap_or(ring.next()), from.max(ring.oldest()));
        }
    }
}
