// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The manager, debug instructions, faults and lock-ups.

use crate::devices::pl330::config::Config;
use crate::devices::pl330::spec::{Faults, Status};
use crate::devices::pl330::testing::{END, KILL, LD, Machine, ST, ccr, go, mov_ccr, mov_dar, sev, wfe};

#[test]
fn only_some_instructions_can_be_debugged() {
    let mut machine = Machine::default();
    for instruction in [&[0x18_u8][..], LD, END, &wfe(0), &[0xff]] {
        assert!(machine.debug(None, instruction), "{instruction:02x?}");
        let view = machine.engine.view();
        assert_eq!(view.manager_faults, Faults::UNDEF_INSTR | Faults::DBG_INSTR);
        assert_eq!(view.manager_status.dma_status().value(), Status::Faulting as u8);
        assert!(!machine.debug(None, KILL), "the way out");
        assert_eq!(machine.engine.view().manager_faults, Faults::empty());
    }
    assert!(machine.debug(Some(3), &go(0, true, 0)), "DMAGO is the manager's");
    assert_eq!(machine.faults(3), Faults::UNDEF_INSTR | Faults::DBG_INSTR);
    assert!(
        !machine.debug(Some(3), &sev(1)),
        "a thread that is faulting executes DMAKILL alone"
    );
    assert_eq!(machine.events.active(), 0);
    assert!(!machine.debug(Some(3), KILL));
    assert!(!machine.debug(Some(3), &sev(1)));
    assert_eq!(
        (machine.events.active(), machine.status(3)),
        (0b10, Status::Stopped)
    );
}

#[test]
fn a_manager_that_is_faulting_starts_nothing() {
    let mut machine = Machine::default();
    machine.debug(None, LD);
    assert!(!machine.debug(None, &go(0, true, 0x100)));
    assert_eq!(machine.status(0), Status::Stopped);
}

#[test]
fn the_security_of_a_channel_is_that_of_dmago() {
    let mut machine = Machine::default();
    assert!(machine.debug(None, &go(0, false, 0x100)), "a Non-secure manager");
    assert_eq!(
        machine.engine.view().manager_faults,
        Faults::DMAGO_ERR | Faults::DBG_INSTR
    );
    assert_eq!(machine.status(0), Status::Stopped);

    let mut machine = Machine::new(Config {
        manager_non_secure: false,
        ..Config::default()
    });
    assert!(!machine.engine.view().manager_status.dns());
    for (channel, non_secure) in [(0, false), (1, true)] {
        assert!(!machine.debug(None, &go(channel, non_secure, 0x100)));
        let view = machine.engine.view().channels[usize::from(channel)];
        assert_eq!((view.status.cns(), view.pc), (non_secure, 0x100));
    }
}

#[test]
fn a_secure_channel_makes_secure_accesses() {
    let mut machine = Machine::new(Config {
        manager_non_secure: false,
        ..Config::default()
    });
    machine.ram.bytes[0x100..0x106].copy_from_slice(&mov_ccr(ccr(2, 1) & !(1 << 9)));
    machine.ram.bytes[0x106..0x108].copy_from_slice(&[LD[0], END[0]]);
    machine.debug(None, &go(0, false, 0x100));
    machine.run();
    assert_eq!(machine.status(0), Status::Stopped);
    assert!(
        machine.ram.seen.iter().all(|seen| !seen.3.non_secure),
        "{:?}",
        machine.ram.seen
    );
}

#[test]
fn dmago_of_a_channel_that_is_busy_or_not_there() {
    let mut machine = Machine::new(Config {
        channels: 2,
        ..Config::default()
    });
    machine.go(0, &[wfe(0).as_slice(), END].concat());
    machine.run();
    let before = machine.engine.view();
    assert!(!machine.debug(None, &go(0, true, 0x100)), "as DMANOP");
    assert_eq!(machine.engine.view(), before);
    assert!(machine.debug(None, &go(2, true, 0x100)));
    assert_eq!(
        machine.engine.view().manager_faults,
        Faults::OPERAND_INVALID | Faults::DBG_INSTR
    );
    assert!(
        !machine.debug(Some(7), &sev(0)),
        "a channel that is not there does nothing"
    );
}

#[test]
fn events_that_are_not_there_or_secure() {
    let config = Config {
        events: 2,
        events_non_secure: 0b01,
        ..Config::default()
    };
    for (event, faults) in [(1, Faults::EVNT_ERR), (2, Faults::OPERAND_INVALID)] {
        let mut machine = Machine::new(config.clone());
        assert!(machine.debug(None, &sev(event)));
        assert_eq!(machine.engine.view().manager_faults, faults | Faults::DBG_INSTR);
    }
}

#[test]
fn a_killed_channel_can_start_again() {
    let mut machine = Machine::default();
    assert_eq!(machine.ends(&[&[0xff]]), (Status::Faulting, Faults::UNDEF_INSTR));
    machine.debug(None, &go(0, true, 0x100));
    assert_eq!(machine.status(0), Status::Faulting, "DMAGO alone does not help");
    machine.debug(Some(0), KILL);
    assert_eq!(machine.ends(&[END]), (Status::Stopped, Faults::empty()));
}

/// Two channels that each fill half of the MFIFO and want more.
fn locked_up(machine: &mut Machine) -> bool {
    let program = [mov_ccr(ccr(4, 1)).as_slice(), LD, LD, ST, ST, END].concat();
    machine.go(0, &program);
    machine.go(1, &program);
    machine.run()
}

#[test]
fn a_lock_up_is_found() {
    let config = Config {
        mfifo_lines: 2,
        ..Config::default()
    };
    let mut machine = Machine::new(config.clone());
    // The first channel takes all of it and gives it back; so it takes loads without stores to lock up.
    assert!(!locked_up(&mut machine));

    let mut machine = Machine::new(config.clone());
    let half = [mov_ccr(ccr(4, 1)).as_slice(), LD, &wfe(0), LD, END].concat();
    machine.go(0, &half);
    machine.go(1, &half);
    machine.run();
    assert_eq!(machine.engine.held(), 32);
    machine.debug(None, &sev(0));
    assert!(machine.run(), "irq_abort");
    for channel in 0..2 {
        assert_eq!(
            (machine.status(channel), machine.faults(channel)),
            (Status::Faulting, Faults::LOCKUP_ERR)
        );
    }
    assert_eq!(machine.engine.held(), 0);
}

#[test]
fn a_lock_up_may_only_interrupt() {
    let mut machine = Machine::new(Config {
        mfifo_lines: 1,
        ..Config::default()
    });
    machine.engine.set_lock_up_only_interrupts(true);
    machine.go(0, &[mov_ccr(ccr(4, 1)).as_slice(), LD, LD, END].concat());
    assert!(machine.run(), "irq_abort");
    assert_eq!(
        (machine.status(0), machine.faults(0)),
        (Status::Executing, Faults::empty())
    );
    let again = machine.slice();
    assert!(!again.abort && !again.runnable, "told once, and nothing to do");
    machine.debug(Some(0), KILL);
    assert_eq!((machine.status(0), machine.engine.held()), (Status::Stopped, 0));
}

#[test]
fn what_a_killed_channel_held_is_free() {
    let mut machine = Machine::new(Config {
        mfifo_lines: 1,
        ..Config::default()
    });
    machine.go(0, &[mov_ccr(ccr(4, 1)).as_slice(), LD, &wfe(0), END].concat());
    machine.run();
    assert_eq!(machine.engine.held(), 16);
    machine.debug(Some(0), KILL);
    let program = [mov_ccr(ccr(4, 1)).as_slice(), &mov_dar(0x1000), LD, ST, END].concat();
    machine.go(1, &program);
    assert!(!machine.run());
    assert_eq!(machine.status(1), Status::Stopped);
}
