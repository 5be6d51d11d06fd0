// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Each instruction on its own.

use crate::devices::pl330::config::Config;
use crate::devices::pl330::decode::Kind;
use crate::devices::pl330::requests::Request;
use crate::devices::pl330::spec::{Faults, Status};
use crate::devices::pl330::testing::{
    CODE, END, KILL, LD, MEMORY, Machine, Op, ST, STZ, ccr, go, lp, lpend, mov_ccr, mov_dar, mov_sar, sev,
    wfe,
};

const STOPPED: (Status, Faults) = (Status::Stopped, Faults::empty());

fn faulting(faults: Faults) -> (Status, Faults) {
    (Status::Faulting, faults)
}

#[test]
fn additions_wrap_around() {
    let mut machine = Machine::default();
    let program = [0x54, 0x10, 0x00, 0x5e, 0xff, 0xff, 0x00];
    assert_eq!(
        machine.ends(&[&mov_sar(0xffff_fff8), &mov_dar(0x100), &program]),
        STOPPED
    );
    let channel = machine.engine.view().channels[0];
    assert_eq!((channel.source, channel.destination), (8, 0xff));
}

#[test]
fn loops_nest_and_count() {
    let mut machine = Machine::default();
    // 3 times 5 bytes of zeros.
    let program: [&[u8]; 7] = [&lp(0, 3), &lp(1, 5), STZ, &lpend(1, 1), &lpend(0, 5), END, END];
    assert_eq!(
        machine.ends(&[&mov_ccr(ccr(0, 1)), &mov_dar(0x100), &program.concat()]),
        STOPPED
    );
    assert_eq!(machine.engine.view().channels[0].destination, 0x10f);
    assert!(machine.ram.bytes[0x100..0x10f].iter().all(|byte| *byte == 0));
    assert_ne!(machine.ram.bytes[0x10f], 0);
    assert_eq!(machine.engine.view().channels[0].counters, [0, 0]);
}

#[test]
fn memset_with_one_load() {
    let mut machine = Machine::default();
    // The source stays; so each load brings the same bytes.
    let control = ccr(2, 4) & !1;
    let program: [&[u8]; 5] = [&lp(0, 256), LD, ST, &lpend(0, 2), END];
    assert_eq!(
        machine.ends(&[
            &mov_ccr(control),
            &mov_sar(0x40),
            &mov_dar(0x1000),
            &program.concat()
        ]),
        STOPPED
    );
    let word = machine.ram.bytes[0x40..0x44].to_vec();
    assert!(
        machine.ram.bytes[0x1000..0x2000]
            .chunks(4)
            .all(|chunk| chunk == word)
    );
}

#[test]
fn conditions_follow_the_request() {
    let config = Config {
        peripherals_requesting: 0b10,
        ..Config::default()
    };
    // DMAWFP 1; DMALDS, DMALDB; DMASTS, DMASTB: two-beat bursts.
    for (wait, bytes) in [(0x30, 4), (0x32, 8), (0x31, 8)] {
        let mut machine = Machine::new(config.clone());
        let program = [wait, 0x08, 0x05, 0x07, 0x09, 0x0b, 0x00];
        let ends = machine.ends(&[&mov_ccr(ccr(2, 2)), &mov_sar(0x40), &mov_dar(0x1000), &program]);
        assert_eq!(ends, STOPPED, "{wait:#x}");
        assert_eq!(
            machine.ram.data(),
            [(Op::Read, 0x40, bytes), (Op::Write, 0x1000, bytes)],
            "{wait:#x}"
        );
    }
}

#[test]
fn requests_are_waited_for_and_answered() {
    let mut machine = Machine::default();
    // DMAWFP periph 4, DMALDPB 4, DMAST, and DMALPFE, which ends with the last request; DMAEND.
    let program = [0x31, 0x20, 0x27, 0x20, 0x08, 0x28, 0x05, 0x00];
    let control = [mov_ccr(ccr(2, 2)), mov_sar(0x40), mov_dar(0x1000)].concat();
    machine.go(0, &[&control, program.as_slice()].concat());
    machine.run();
    let status = machine.engine.view().channels[0].status;
    assert_eq!(machine.status(0), Status::WaitingForPeripheral);
    assert_eq!(
        (
            status.wakeup_number().value(),
            status.dmawfp_periph(),
            status.dmawfp_b_ns()
        ),
        (4, true, false)
    );
    machine.engine.request(
        4,
        Request {
            kind: Kind::Burst,
            last: false,
        },
    );
    machine.run();
    assert_eq!(machine.status(0), Status::WaitingForPeripheral, "served once");
    assert_eq!(machine.engine.view().channels[0].destination, 0x1008);
    machine.engine.request(
        4,
        Request {
            kind: Kind::Burst,
            last: true,
        },
    );
    machine.run();
    assert_eq!((machine.status(0), machine.faults(0)), STOPPED);
    assert_eq!(machine.engine.view().channels[0].destination, 0x1010);
}

#[test]
fn a_single_request_is_not_a_burst_and_can_be_flushed() {
    let mut machine = Machine::default();
    machine.engine.request(
        0,
        Request {
            kind: Kind::Single,
            last: false,
        },
    );
    machine.go(0, &[0x32, 0x00, 0x00]);
    machine.run();
    assert_eq!(machine.status(0), Status::WaitingForPeripheral);
    machine.debug(Some(0), KILL);
    assert_eq!(
        machine.ends(&[&[0x35, 0x00, 0x30, 0x00, 0x00]]).0,
        Status::WaitingForPeripheral,
        "flushed"
    );
}

#[test]
fn events_wake_all_that_wait() {
    let mut machine = Machine::default();
    machine.go(0, &[wfe(5).as_slice(), &sev(0), END].concat());
    machine.go(1, &[wfe(5).as_slice(), &sev(1), END].concat());
    machine.run();
    assert_eq!(
        (machine.status(0), machine.status(1)),
        (Status::WaitingForEvent, Status::WaitingForEvent)
    );
    assert_eq!(
        machine.engine.view().channels[1].status.wakeup_number().value(),
        5
    );
    machine.go(2, &[sev(5).as_slice(), END].concat());
    machine.run();
    assert_eq!(
        (machine.status(0), machine.status(1)),
        (Status::Stopped, Status::Stopped)
    );
    assert_eq!(machine.events.active(), 0b11, "the event itself is over");
    // An event waits for the first channel that asks.
    machine.debug(None, &sev(5));
    assert_eq!(machine.ends(&[&wfe(5), END]), STOPPED);
    assert_eq!(machine.ends(&[&wfe(5), END]).0, Status::WaitingForEvent);
}

#[test]
fn an_interrupt_wakes_nobody() {
    let mut machine = Machine::default();
    machine.events.set_interrupts(1 << 5);
    machine.go(0, &[wfe(5).as_slice(), END].concat());
    machine.debug(None, &sev(5));
    machine.run();
    assert_eq!(
        (machine.status(0), machine.events.outputs()),
        (Status::WaitingForEvent, 1 << 5)
    );
}

#[test]
fn data_is_stored_before_the_event() {
    let mut machine = Machine::default();
    machine.go(
        0,
        &[
            mov_ccr(ccr(2, 1)).as_slice(),
            &mov_dar(0x1000),
            LD,
            ST,
            &wfe(0),
            END,
        ]
        .concat(),
    );
    machine.slice();
    assert_eq!(machine.ram.bytes[..4], machine.ram.bytes[0x1000..0x1004]);
}

#[test]
fn accesses_have_the_protection_of_their_side() {
    let mut machine = Machine::default();
    // ARPROT = 0b011, AWPROT = 0b110.
    let control = ccr(2, 1) & !(7 << 8 | 7 << 22) | 0b011 << 8 | 0b110 << 22;
    assert_eq!(
        machine.ends(&[&mov_ccr(control), &mov_dar(0x1000), LD, ST, END]),
        STOPPED
    );
    let protections: Vec<_> = machine
        .ram
        .seen
        .iter()
        .filter(|seen| seen.0 != Op::Fetch)
        .map(|seen| seen.3)
        .collect();
    let bits = protections
        .iter()
        .map(|p| (p.privileged, p.non_secure, p.instruction))
        .collect::<Vec<_>>();
    assert_eq!(bits, [(true, true, false), (false, true, true)]);
}

#[test]
fn instructions_that_do_not_fit() {
    let config = Config {
        peripherals: 4,
        events: 4,
        ..Config::default()
    };
    let few = Config {
        events_non_secure: 0b01,
        peripherals_non_secure: 0b01,
        ..config
    };
    let invalid = Faults::OPERAND_INVALID;
    let cases: &[(&[u8], Faults)] = &[
        (&[0xff], Faults::UNDEF_INSTR),
        (&go(1, true, 0), Faults::UNDEF_INSTR),
        (&sev(4), invalid),
        (&wfe(4), invalid),
        (&sev(1), Faults::EVNT_ERR),
        (&wfe(1), Faults::EVNT_ERR),
        (&[0x30, 4 << 3], invalid),
        (&[0x35, 4 << 3], invalid),
        (&[0x25, 4 << 3], invalid),
        (&[0x29, 4 << 3], invalid),
        (&[0x30, 1 << 3], Faults::CH_PERIPH_ERR),
        (&[0x35, 1 << 3], Faults::CH_PERIPH_ERR),
        (&[0x25, 1 << 3], Faults::CH_PERIPH_ERR),
        (&[0x2b, 1 << 3], Faults::CH_PERIPH_ERR),
        (ST, Faults::ST_DATA_UNAVAILABLE),
        (&mov_ccr(0), Faults::CH_RDWR_ERR),
        (&mov_ccr(ccr(5, 1)), invalid),
        (&mov_ccr(ccr(2, 1) | 5 << 28), invalid),
    ];
    for (instruction, faults) in cases {
        let mut machine = Machine::new(few.clone());
        assert_eq!(
            machine.ends(&[&[0x18], instruction, END]),
            faulting(*faults),
            "{instruction:02x?}"
        );
        assert_eq!(
            machine.engine.view().channels[0].pc,
            CODE + 1,
            "{instruction:02x?}"
        );
    }
}

#[test]
fn a_burst_beyond_the_mfifo() {
    let mut machine = Machine::new(Config {
        mfifo_lines: 2,
        ..Config::default()
    });
    assert_eq!(
        machine.ends(&[&mov_ccr(ccr(4, 3)), LD, END]),
        faulting(Faults::MFIFO_ERR)
    );
    machine.debug(Some(0), KILL);
    assert_eq!(
        machine.ends(&[&mov_ccr(ccr(4, 3)), ST, END]),
        faulting(Faults::MFIFO_ERR)
    );
    machine.debug(Some(0), KILL);
    assert_eq!(
        machine.ends(&[&mov_ccr(ccr(4, 3)), &mov_dar(0x1000), STZ, END]),
        STOPPED,
        "zeros need no room"
    );
}

#[test]
fn programs_and_data_that_are_not_there() {
    let mut machine = Machine::default();
    let nowhere = MEMORY;
    machine.debug(None, &go(0, true, nowhere));
    assert!(machine.run());
    assert_eq!(machine.faults(0), Faults::INSTR_FETCH_ERR);
    for (instructions, faults) in [
        ([LD, ST], Faults::DATA_READ_ERR),
        ([STZ, STZ], Faults::DATA_WRITE_ERR),
    ] {
        machine.debug(Some(0), KILL);
        let [sar, dar] = [mov_sar(nowhere), mov_dar(nowhere)];
        let ends = machine.ends(&[&mov_ccr(ccr(2, 1)), &sar, &dar, &instructions.concat(), END]);
        assert_eq!(ends, faulting(faults));
    }
}

#[test]
fn dmakill_in_a_program_ends_it() {
    let mut machine = Machine::default();
    assert_eq!(machine.ends(&[&mov_sar(1), KILL, &mov_sar(2)]), STOPPED);
    assert_eq!(machine.engine.view().channels[0].source, 1);
}
