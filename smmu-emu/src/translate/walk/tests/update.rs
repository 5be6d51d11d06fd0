// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Hardware update of access flag and dirty state, and disabled hierarchical attributes.

use super::{AF, Machine, READ, STAGE2, USER, WRITE, fault};
use crate::arch::fault::ContextCause::{AccessFlag, ExternalOnWalk, Permission};
use crate::spec::cb::Cb;

const READ_ONLY: u64 = 1 << 7;
const DBM: u64 = 1 << 51;
const HA: u64 = 1 << 10;
const HD: u64 = 1 << 11;

#[test]
fn stage1() {
    let (mut machine, mut tables) = Machine::stage1("hardware_update = true");
    let at = tables.entry(&machine.ram, 0x1000, 3);
    tables.map(&machine.ram, 0x1000, 0x5000, 3, READ_ONLY | DBM);
    let before = machine.ram.get(at);
    machine.set(1, Cb::Tcr2, 5 | HA);
    assert_eq!(machine.at(1, 0x1000), Ok(0x5000), "seen as updated");
    assert_eq!(machine.ram.get(at), before, "but a question has no side effects");
    let access = |machine: &Machine, intent| machine.access(&machine.ram, 1, 0x1000, intent);
    assert!(access(&machine, READ).is_ok());
    assert_eq!(machine.ram.get(at), before | AF);
    assert_eq!(access(&machine, WRITE), Err(fault(Permission, 3)), "HD is off");
    machine.set(1, Cb::Tcr2, 5 | HA | HD);
    let user_write = crate::Intent {
        privileged: false,
        ..WRITE
    };
    assert_eq!(access(&machine, user_write), Err(fault(Permission, 3)));
    assert_eq!(machine.ram.get(at), before | AF, "only what becomes permitted");
    assert!(access(&machine, WRITE).is_ok());
    assert_eq!(machine.ram.get(at), (before | AF) & !READ_ONLY);
    // A descriptor that changes meanwhile is read again, but not for ever.
    tables.map(&machine.ram, 0x1000, 0x5000, 3, USER);
    machine.ram.lose_races(3);
    assert!(access(&machine, READ).is_ok());
    tables.map(&machine.ram, 0x1000, 0x5000, 3, USER);
    machine.ram.lose_races(4);
    assert_eq!(access(&machine, READ), Err(fault(ExternalOnWalk, 3)));
}

#[test]
fn stage2_and_nested() {
    let (mut machine, mut tables) = Machine::stage2("hardware_update = true");
    machine.set(2, Cb::Tcr, 5 << 16 | 1 << 6 | 24 | 1 << 21 | 1 << 22);
    let at = tables.entry(&machine.ram, 0x1000, 3);
    tables.map(&machine.ram, 0x1000, 0x5000, 3, STAGE2 & !AF & !(1 << 7) | DBM);
    let before = machine.ram.get(at);
    assert!(machine.access(&machine.ram, 2, 0x1000, READ).is_ok());
    assert_eq!(machine.ram.get(at), before | AF);
    assert!(machine.access(&machine.ram, 2, 0x1000, WRITE).is_ok());
    assert_eq!(machine.ram.get(at), before | AF | 1 << 7);
}

#[test]
fn not_without_the_feature() {
    let (mut machine, mut tables) = Machine::stage1("hardware_update = false");
    machine.set(1, Cb::Tcr2, 5 | HA | HD);
    tables.map(&machine.ram, 0x1000, 0x5000, 3, 0);
    assert_eq!(machine.at(1, 0x1000), Err(fault(AccessFlag, 3)));
}

#[test]
fn hierarchical_attributes_off() {
    for (feature, had, refused) in [(true, 1 << 8, false), (true, 1 << 9, true), (false, 1 << 8, true)] {
        let (mut machine, mut tables) = Machine::stage1(&format!("hierarchy_disable = {feature}"));
        tables.map(&machine.ram, 0x1000, 0x5000, 3, AF);
        let above = tables.entry(&machine.ram, 0x1000, 1);
        machine.ram.set(above, machine.ram.get(above) | 1 << 62);
        machine.set(1, Cb::Tcr2, 5 | had);
        assert_eq!(
            machine.look(1, 0x1000, WRITE).is_err(),
            refused,
            "{feature} {had:#x}"
        );
    }
}
