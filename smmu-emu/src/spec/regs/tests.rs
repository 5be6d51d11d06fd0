// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What the compile-time check of a table refuses, and what the access rules do to a value.

use super::{Access, Row, Table, find, rows_are_sound};

const fn row(offset: u32, width: u32, count: u16) -> Row {
    Row {
        name: "X",
        doc: "",
        offset,
        width,
        count,
        access: Access::Rw,
        secure: false,
        write: 0,
        reset: 0,
    }
}

#[test]
fn unsound_tables_are_refused() {
    let good = [row(0, 4, 1), row(4, 4, 3), row(0x10, 8, 1), row(0xffc, 4, 1)];
    assert!(rows_are_sound(&good));
    let bad: &[(&str, &[Row])] = &[
        ("out of order", &[row(8, 4, 1), row(4, 4, 1)]),
        ("twice the same offset", &[row(8, 4, 1), row(8, 4, 1)]),
        ("on a 64-bit neighbour", &[row(8, 8, 1), row(12, 4, 1)]),
        ("on an array", &[row(0, 4, 3), row(8, 4, 1)]),
        ("misaligned", &[row(4, 8, 1)]),
        ("misaligned", &[row(2, 4, 1)]),
        ("odd width", &[row(0, 2, 1)]),
        ("empty array", &[row(0, 4, 0)]),
        ("beyond the frame", &[row(0xff8, 4, 3)]),
        (
            "mask too wide",
            &[Row {
                write: 1 << 32,
                ..row(0, 4, 1)
            }],
        ),
        (
            "reset too wide",
            &[Row {
                reset: 1 << 32,
                ..row(0, 4, 1)
            }],
        ),
    ];
    for (why, rows) in bad {
        assert!(!rows_are_sound(rows), "{why}");
    }
}

#[test]
fn offsets_between_rows_decode_to_nothing() {
    let rows = [row(4, 4, 2), row(0x10, 8, 1)];
    let found: Vec<_> = (0..0x1c).step_by(4).map(|offset| find(&rows, offset)).collect();
    let (first, second) = (|n| Some((0, n)), Some((1, 0)));
    assert_eq!(found, [None, first(0), first(1), None, second, second, None]);
}

#[test]
fn access_rules() {
    let with = |access| Row {
        access,
        write: 0xff0,
        ..row(0, 4, 1)
    };
    let (old, written) = (0x1234, 0xabcd);
    for (access, expected) in [
        (Access::Ro, 0x1234),
        (Access::Wo, 0x1234),
        (Access::Raz, 0x1234),
        (Access::Rw, 0x1bc4),
        (Access::W1c, 0x1034),
        (Access::W1s, 0x1bf4),
    ] {
        assert_eq!(
            with(access).merge(u64::MAX, old, written, u64::MAX),
            expected,
            "{access:?}"
        );
    }
    assert_eq!(
        with(Access::Rw).merge(0x0f0, old, written, u64::MAX),
        0x12c4,
        "fixed by the configuration"
    );
    assert_eq!(
        with(Access::Rw).merge(u64::MAX, old, written, 0xf00),
        0x1b34,
        "other byte lanes"
    );
}

frame! {
    /// A frame to count slots in.
    pub enum Small {
        /// One.
        One "ONE" = 0x00, 4, Ro;
        /// Array.
        Many "MANYn" = 0x08, 8 x 3, Rw, write 1, reset 2;
        /// Last.
        Last "LAST" = 0x20, 4, Ro;
    }
}

#[test]
fn arrays_take_one_slot_per_register() {
    assert_eq!(
        [Small::One.slot(), Small::Many.slot(), Small::Last.slot()],
        [0, 1, 4]
    );
    assert_eq!(Small::decode(0x18), Some((Small::Many, 2)));
    assert_eq!(Small::decode(0x1c), Some((Small::Many, 2)), "its upper half");
    assert_eq!(
        (
            Small::Many.row().write,
            Small::Many.row().reset,
            Small::One.row().write
        ),
        (1, 2, 0)
    );
}
