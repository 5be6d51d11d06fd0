// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Refusals of the compile-time check of a table, and effects of the access rules on a value.

use super::{AccessRule, Row, Table, completed, fault_of, find};
use crate::spec::bank::Sctlr;
use crate::spec::effect::{Effect, Features};
use crate::spec::fields::{FieldType, Layout};
use crate::spec::par::{ParFault, ParShort, ParSuccess};

const fn row(offset: u32, width: u32, count: u16) -> Row {
    Row {
        name: "X",
        doc: "",
        offset,
        width,
        count,
        access: AccessRule::Rw,
        secure: false,
        banked: false,
        alias: None,
        formats: &[],
        write: 0,
        reset: 0,
        needs: Features::empty(),
        effect: Effect::None,
    }
}

const WORD: &[Layout] = &[Sctlr::LAYOUT];
const NEVER_ENDS: &[Layout] = &[ParFault::LAYOUT, ParShort::LAYOUT];
const TWICE: &[Layout] = &[ParSuccess::LAYOUT, ParSuccess::LAYOUT];

#[test]
fn unsound_tables_are_refused() {
    let good = [row(0, 4, 1), row(4, 4, 3), row(0x10, 8, 1), row(0xffc, 4, 1)];
    assert_eq!(fault_of(&good), None);
    let (order, shape) = (
        "out of order, or overlap",
        "misaligned, of odd width, or an empty",
    );
    let bad: &[(&str, &[Row])] = &[
        (order, &[row(8, 4, 1), row(4, 4, 1)]),
        (order, &[row(8, 4, 1), row(8, 4, 1)]),
        (order, &[row(8, 8, 1), row(12, 4, 1)]),
        (order, &[row(0, 4, 3), row(8, 4, 1)]),
        (shape, &[row(4, 8, 1)]),
        (shape, &[row(2, 4, 1)]),
        (shape, &[row(0, 2, 1)]),
        (shape, &[row(0, 4, 0)]),
        ("beyond the frame", &[row(0xff8, 4, 3)]),
    ];
    for (why, rows) in bad {
        let fault = fault_of(rows).unwrap_or("none");
        assert!(fault.contains(why), "{why}: {fault}");
    }
}

/// A row that differs from a sound one by one column.
fn fault_with(change: impl FnOnce(&mut Row)) -> Option<&'static str> {
    let mut changed = row(0, 4, 1);
    change(&mut changed);
    fault_of(&[changed])
}

#[test]
fn unsound_columns_are_refused() {
    assert_eq!(fault_with(|_| {}), None);
    assert_eq!(fault_with(|row| row.formats = WORD), None);
    let bad = [
        ("outside of the register", fault_with(|row| row.write = 1 << 32)),
        ("outside of the register", fault_with(|row| row.reset = 1 << 32)),
        (
            "a read-only register has writable bits",
            fault_with(|row| (row.access, row.write) = (AccessRule::Ro, 1)),
        ),
        (
            "reads zero has a reset value",
            fault_with(|row| (row.access, row.reset) = (AccessRule::Raz, 1)),
        ),
        (
            "no Non-secure copy",
            fault_with(|row| (row.banked, row.secure) = (true, true)),
        ),
        (
            "contradict each other",
            fault_with(|row| row.effect = Effect::Sync),
        ),
        (
            "contradict each other",
            fault_with(|row| row.access = AccessRule::Wo),
        ),
        (
            "contradict each other",
            fault_with(|row| (row.access, row.effect) = (AccessRule::W1c, Effect::SyncStatus)),
        ),
        ("different widths", fault_with(|row| row.formats = TWICE)),
        (
            "the last format",
            fault_of(&[Row {
                formats: NEVER_ENDS,
                ..row(0, 8, 1)
            }]),
        ),
        (
            "the last format",
            fault_of(&[Row {
                formats: TWICE,
                ..row(0, 8, 1)
            }]),
        ),
    ];
    for (why, fault) in bad {
        assert!(fault.is_some_and(|fault| fault.contains(why)), "{why}: {fault:?}");
    }
}

#[test]
fn unsound_aliases_are_refused() {
    let of = |at| Row {
        alias: Some(at),
        ..row(0x10, 4, 1)
    };
    let own = Row { reset: 1, ..of(0) };
    assert_eq!(fault_of(&[row(0, 4, 1), of(0)]), None);
    let bad: &[(&str, &[Row])] = &[
        ("another width or count", &[row(0, 8, 1), of(0)]),
        ("another width or count", &[row(0, 4, 2), of(0)]),
        ("of another alias", &[row(0, 4, 1), of(1)]),
        ("of its own", &[row(0, 4, 1), own]),
    ];
    for (why, rows) in bad {
        let fault = fault_of(rows).unwrap_or("none");
        assert!(fault.contains(why), "{why}: {fault}");
    }
}

#[test]
fn an_alias_has_the_columns_of_its_register() {
    let register = Row {
        formats: WORD,
        write: 0xf,
        reset: 3,
        needs: Features::ATS,
        effect: Effect::Control,
        ..row(0, 4, 1)
    };
    let alias = Row {
        alias: Some(0),
        ..row(4, 4, 1)
    };
    let [register, alias] = completed(Features::MMU_500, [register, alias]);
    assert_eq!(register.needs, Features::ATS | Features::MMU_500);
    assert_eq!(
        (alias.write, alias.reset, alias.needs, alias.effect),
        (0xf, 0, register.needs, Effect::Control)
    );
    assert_eq!(alias.formats.first().map(|format| format.name), Some("Sctlr"));
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
        (AccessRule::Ro, 0x1234),
        (AccessRule::Wo, 0x1234),
        (AccessRule::Raz, 0x1234),
        (AccessRule::Rw, 0x1bc4),
        (AccessRule::W1c, 0x1034),
        (AccessRule::W1s, 0x1bf4),
    ] {
        assert_eq!(
            with(access).merge(u64::MAX, old, written, u64::MAX),
            expected,
            "{access:?}"
        );
    }
    assert_eq!(
        with(AccessRule::Rw).merge(0x0f0, old, written, u64::MAX),
        0x12c4,
        "fixed by the configuration"
    );
    assert_eq!(
        with(AccessRule::Rw).merge(u64::MAX, old, written, 0xf00),
        0x1b34,
        "other byte lanes"
    );
}

frame! {
    /// A frame to count slots in.
    pub enum Small needs ATS {
        /// One.
        One "ONE" = 0x00, 4, Ro, as Sctlr;
        /// Array.
        Many "MANYn" = 0x08, 8 x 3, Rw, write 1, reset 2, needs STAGE_1 and QCOM, banked in SECURE, effect Control;
        /// Another view of the array.
        Same "SAMEn" = 0x20, 8 x 3, Rw in SECURE, alias of Many;
        /// Last.
        Last "LAST" = 0x38, 4, Rw, as Sctlr;
    }
}

#[test]
fn arrays_take_one_slot_per_register_and_aliases_none() {
    let slots = [Small::One, Small::Many, Small::Same, Small::Last].map(Table::slot);
    assert_eq!(slots, [0, 1, 1, 4]);
    assert_eq!(Small::decode(0x18), Some((Small::Many, 2)));
    assert_eq!(Small::decode(0x1c), Some((Small::Many, 2)), "its upper half");
    let many = Small::Many.row();
    assert_eq!((many.write, many.reset, many.banked), (1, 2, true));
    assert_eq!(many.needs, Features::ATS | Features::STAGE_1 | Features::QCOM);
    let same = Small::Same.row();
    assert_eq!(
        (same.write, same.needs, same.effect),
        (1, many.needs, Effect::Control)
    );
    assert_eq!(
        (Small::One.row().write, Small::Last.row().write),
        (0, 0x7fff_f7ff),
        "the type's fields, where software can write"
    );
}
