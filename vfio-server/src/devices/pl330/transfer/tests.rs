// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Queued accesses have the effect of accesses one after the other.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{Burst, Transfer};
use crate::devices::pl330::bus::Protection;
use crate::devices::pl330::spec::Faults;
use crate::devices::pl330::testing::{Op, Ram};

fn burst(address: u32, size: u32, beats: u32) -> Burst {
    Burst {
        address,
        beat: 1 << size,
        beats,
        incrementing: true,
        protection: Protection::default(),
        swap: 1,
    }
}

#[test]
fn what_continues_is_one_access() {
    let (mut transfer, mut ram) = (Transfer::default(), Ram::default());
    for n in 0..8 {
        transfer.load(&mut ram, &burst(0x100 + 4 * n, 2, 1)).expect("RAM");
        transfer
            .store(&mut ram, &burst(0x2000 + 4 * n, 2, 1), false)
            .expect("RAM");
    }
    assert_eq!((transfer.held(), transfer.available()), (32, 0));
    assert_eq!(ram.data(), []);
    transfer.drain(&mut ram).expect("RAM");
    assert_eq!(ram.data(), [(Op::Read, 0x100, 32), (Op::Write, 0x2000, 32)]);
}

#[test]
fn other_protection_is_another_access() {
    let (mut transfer, mut ram) = (Transfer::default(), Ram::default());
    let privileged = Protection {
        privileged: true,
        ..Protection::default()
    };
    transfer.load(&mut ram, &burst(0x100, 2, 1)).expect("RAM");
    transfer
        .load(
            &mut ram,
            &Burst {
                protection: privileged,
                ..burst(0x104, 2, 1)
            },
        )
        .expect("RAM");
    transfer.drain(&mut ram).expect("RAM");
    assert_eq!(ram.data(), [(Op::Read, 0x100, 4), (Op::Read, 0x104, 4)]);
    assert_eq!(ram.seen[1].3, privileged);
}

#[test]
fn bursts_end_at_a_multiple_of_their_beats() {
    let unaligned = burst(0x103, 2, 4);
    assert_eq!((unaligned.bytes(), unaligned.next()), (13, 0x110));
    let fixed = Burst {
        incrementing: false,
        ..unaligned
    };
    assert_eq!((fixed.bytes(), fixed.next()), (4, 0x103));
    let last = burst(0xffff_fffc, 2, 2);
    assert_eq!(
        last.accesses().collect::<Vec<_>>(),
        [(0xffff_fffc, 4), (0, 4)],
        "addresses wrap around"
    );
}

#[test]
fn pages_are_accesses_of_their_own() {
    let (mut transfer, mut ram) = (Transfer::default(), Ram::default());
    transfer.load(&mut ram, &burst(0xff8, 4, 2)).expect("RAM");
    transfer
        .store(&mut ram, &burst(0x2ff0, 3, 3), false)
        .expect("RAM");
    transfer.drain(&mut ram).expect("RAM");
    let expected = [
        (Op::Read, 0xff8, 8),
        (Op::Read, 0x1000, 16),
        (Op::Write, 0x2ff0, 16),
        (Op::Write, 0x3000, 8),
    ];
    assert_eq!(ram.data(), expected);
}

#[test]
fn bytes_change_their_order() {
    for (swap, expected) in [
        (1, *b"abcdefgh"),
        (2, *b"badcfehg"),
        (4, *b"dcbahgfe"),
        (8, *b"hgfedcba"),
    ] {
        let (mut transfer, mut ram) = (Transfer::default(), Ram::default());
        ram.bytes[0x100..0x108].copy_from_slice(b"abcdefgh");
        transfer
            .load(
                &mut ram,
                &Burst {
                    swap,
                    ..burst(0x100, 3, 1)
                },
            )
            .expect("RAM");
        transfer.store(&mut ram, &burst(0x200, 3, 1), false).expect("RAM");
        transfer.drain(&mut ram).expect("RAM");
        assert_eq!(ram.bytes[0x200..0x208], expected);
    }
}

#[test]
fn stores_before_a_load_that_fails_are_done() {
    let (mut transfer, mut ram) = (Transfer::default(), Ram::default());
    ram.holes.push(0x1000..0x2000);
    transfer.load(&mut ram, &burst(0xff0, 4, 1)).expect("queued");
    transfer
        .store(&mut ram, &burst(0x4000, 4, 1), false)
        .expect("queued");
    transfer.load(&mut ram, &burst(0x1000, 4, 1)).expect("queued");
    transfer
        .store(&mut ram, &burst(0x4010, 4, 1), false)
        .expect("queued");
    assert_eq!(transfer.drain(&mut ram), Err(Faults::DATA_READ_ERR));
    assert_eq!(ram.bytes[0xff0..0x1000], ram.bytes[0x4000..0x4010]);
}

/// A load or a store.
#[derive(Clone, Copy, Debug)]
enum Step {
    Load(Burst),
    Store(Burst, bool),
    Drain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few addresses, so that accesses continue and overlap each other.
    let burst = (0..2_u32, 0..24_u32, 0..5_u32, 1..17_u32, 0..8_u32, 0..4_u32).prop_map(
        |(page, at, size, beats, fixed, swap)| Burst {
            address: 0xfe0 + page * 0x1000 + at * 4 + at % 2,
            beat: 1 << size,
            beats,
            incrementing: fixed != 0,
            protection: Protection::default(),
            swap: [1, 1, 1, 2][swap as usize],
        },
    );
    let step = prop_oneof![
        5 => burst.clone().prop_map(Step::Load),
        5 => (burst, prop::bool::weighted(0.1)).prop_map(|(burst, zero)| Step::Store(burst, zero)),
        1 => Just(Step::Drain),
    ];
    prop::collection::vec(step, 0..40)
}

/// Carries a step out at once.
fn reference(bytes: &mut [u8], fifo: &mut VecDeque<u8>, step: &Step) {
    let addresses = |burst: &Burst| {
        let (burst, first) = (*burst, burst.beat - burst.address % burst.beat);
        (0..burst.bytes()).map(move |n| {
            let n = if burst.incrementing { n } else { n % first };
            (burst.address + n) as usize
        })
    };
    match step {
        Step::Load(burst) => {
            let mut data: Vec<u8> = addresses(burst).map(|at| bytes[at]).collect();
            data.chunks_exact_mut(burst.swap as usize)
                .for_each(<[u8]>::reverse);
            fifo.extend(data);
        }
        Step::Store(burst, zero) => {
            for at in addresses(burst) {
                bytes[at] = if *zero {
                    0
                } else {
                    fifo.pop_front().expect("checked")
                };
            }
        }
        Step::Drain => {}
    }
}

proptest! {
    #[test]
    fn queues_are_out_of_sight(steps in steps()) {
        let (mut transfer, mut ram) = (Transfer::default(), Ram::default());
        let (mut bytes, mut fifo) = (ram.bytes.clone(), VecDeque::new());
        for step in &steps {
            match step {
                Step::Store(burst, false) if burst.bytes() as usize > transfer.available() => continue,
                Step::Load(burst) => transfer.load(&mut ram, burst).expect("RAM"),
                Step::Store(burst, zero) => transfer.store(&mut ram, burst, *zero).expect("RAM"),
                Step::Drain => transfer.drain(&mut ram).expect("RAM"),
            }
            reference(&mut bytes, &mut fifo, step);
            prop_assert_eq!(transfer.available(), fifo.len());
        }
        transfer.drain(&mut ram).expect("RAM");
        prop_assert!(ram.bytes == bytes);
        prop_assert!(transfer.fifo.front(usize::MAX) == fifo.make_contiguous());
    }
}
