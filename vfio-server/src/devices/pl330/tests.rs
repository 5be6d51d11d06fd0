// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Programs as Linux's pl330 driver makes them (drivers/dma/pl330.c of Linux 6.16), and programs that no driver would
//! make.
#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths and numbers of tests are small"
)]

use proptest::prelude::*;

use super::config::Config;
use super::decode::Kind;
use super::engine::Engine;
use super::requests::Request;
use super::spec::{Faults, Status};
use super::testing::{
    CODE, END, LD, MEMORY, Machine, Op, RMB, ST, WMB, ccr, lp, lpend, mov_ccr, mov_dar, mov_sar, sev,
};

const SOURCE: u32 = 0x1000;
const TARGET: u32 = 0x1_0000;

/// The driver's loops for a number of bursts, each `body`; as its `_loop()`.
fn loops(mut bursts: u32, body: &[u8]) -> Vec<u8> {
    let mut code = Vec::new();
    while bursts > 0 {
        if bursts == 1 {
            code.extend(body);
            break;
        }
        let (outer, inner) = match bursts {
            ..=256 => (None, bursts),
            257..=0xffff => (Some(bursts / 256), 256),
            _ => (Some(256), 256),
        };
        if let Some(outer) = outer {
            code.extend(lp(0, outer as u16));
        }
        let outer_start = code.len();
        code.extend(lp(1, inner as u16));
        let inner_start = code.len();
        code.extend(body);
        code.extend(lpend(1, (code.len() - inner_start) as u8));
        if outer.is_some() {
            code.extend(lpend(0, (code.len() - outer_start) as u8));
        }
        bursts -= inner * outer.unwrap_or(1);
    }
    code
}

/// The driver's program for a memcpy: beats of `1 << size` bytes, bursts of 16, what is left as a shorter burst.
fn memcpy(source: u32, target: u32, length: u32, size: u32, event: u8, barriers: bool) -> Vec<u8> {
    let body = if barriers {
        [LD, RMB, ST, WMB].concat()
    } else {
        [LD, ST].concat()
    };
    let burst = 16 << size;
    let rest = (length % burst) >> size;
    let mut code = [mov_ccr(ccr(size, 16)), mov_sar(source), mov_dar(target)].concat();
    code.extend(loops(length / burst, &body));
    if rest > 0 {
        code.extend(mov_ccr(ccr(size, rest)));
        code.extend(&body);
    }
    code.extend(sev(event));
    code.extend(END);
    code
}

fn copied(machine: &Machine, source: u32, target: u32, length: u32) -> bool {
    let [from, to] = [source, target].map(|at| &machine.ram.bytes[at as usize..][..length as usize]);
    from == to
}

#[test]
fn a_memcpy_byte_for_byte() {
    let mut machine = Machine::default();
    // 0x430 bytes, 16-byte beats: four bursts of 256, one of 48; event 3.
    let program = [
        0xbc, 0x01, 0xf9, 0x42, 0xbe, 0x00, // DMAMOV CCR
        0xbc, 0x00, 0x00, 0x10, 0x00, 0x00, // DMAMOV SAR, 0x1000
        0xbc, 0x02, 0x00, 0x00, 0x01, 0x00, // DMAMOV DAR, 0x10000
        0x22, 0x03, // DMALP 4, counter 1
        0x04, 0x08, // DMALD, DMAST
        0x3c, 0x02, // DMALPEND counter 1, 2 bytes back
        0xbc, 0x01, 0x29, 0x42, 0x8a, 0x00, // DMAMOV CCR
        0x04, 0x08, // DMALD, DMAST
        0x34, 0x18, // DMASEV 3
        0x00, // DMAEND
    ];
    machine.events.set_interrupts(1 << 3);
    machine.go(0, &program);
    assert!(!machine.run());
    assert!(copied(&machine, SOURCE, TARGET, 0x430));
    assert!(!copied(&machine, SOURCE, TARGET, 0x431), "no byte more");
    assert_eq!(
        (machine.status(0), machine.events.outputs()),
        (Status::Stopped, 1 << 3)
    );
    let channel = machine.engine.view().channels[0];
    assert_eq!(
        (channel.source, channel.destination),
        (SOURCE + 0x430, TARGET + 0x430)
    );
    assert_eq!(program[..], memcpy(SOURCE, TARGET, 0x430, 4, 3, false));
    assert_eq!(
        machine.ram.data(),
        [(Op::Read, SOURCE, 0x430), (Op::Write, TARGET, 0x430)],
        "one access each"
    );
}

#[test]
fn nested_loops_copy_64_kib_in_single_bytes() {
    let mut machine = Machine::default();
    machine.go(5, &memcpy(SOURCE + 1, TARGET + 3, 0x1_0000, 0, 7, false));
    assert!(!machine.run());
    assert!(copied(&machine, SOURCE + 1, TARGET + 3, 0x1_0000));
    let accesses = machine.ram.data().len();
    assert!(accesses < 0x1_0000 / 512, "{accesses} accesses");
}

#[test]
fn barriers_of_older_revisions() {
    let mut machine = Machine::default();
    machine.go(0, &memcpy(SOURCE, TARGET, 0x2340, 2, 0, true));
    assert!(!machine.run());
    assert!(copied(&machine, SOURCE, TARGET, 0x2340));
    assert_eq!(
        machine.ram.data()[..2],
        [(Op::Read, SOURCE, 64), (Op::Write, TARGET, 64)],
        "a burst each"
    );
}

#[test]
fn all_channels_at_once() {
    let mut machine = Machine::default();
    for n in 0..8 {
        let program = memcpy(
            SOURCE + 0x1000 * n,
            TARGET + 0x1000 * n,
            0x1000,
            3,
            n as u8,
            false,
        );
        machine.go(n as u8, &program);
    }
    assert!(!machine.run());
    assert!(copied(&machine, SOURCE, TARGET, 0x8000));
    assert_eq!(machine.events.active(), 0xff);
}

/// A scatter/gather list to a peripheral's FIFO: a program for each entry, as the driver's slave transfers are.
#[test]
fn a_peripheral_gets_a_scatter_list() {
    const FIFO: u32 = 0x2_0000;
    let config = Config {
        peripherals_requesting: 1 << 2,
        ..Config::default()
    };
    let mut machine = Machine::new(config);
    for (address, bytes) in [(SOURCE, 64), (SOURCE + 0x2000, 32)] {
        // 4-byte beats, bursts of 4; the destination stays. DMAFLUSHP, DMAWFP burst, DMALD burst, DMASTP burst.
        let control = ccr(2, 4) & !(1 << 14);
        let body = [0x35, 2 << 3, 0x32, 2 << 3, 0x07, 0x2b, 2 << 3];
        let mut code = [mov_ccr(control), mov_sar(address), mov_dar(FIFO)].concat();
        code.extend(loops(bytes / 16, &body));
        code.extend([sev(0).as_slice(), END].concat());
        machine.go(0, &code);
        assert!(!machine.run(), "{:?}", machine.faults(0));
        let last = &machine.ram.bytes[(address + bytes - 4) as usize..][..4];
        assert_eq!(
            &machine.ram.bytes[FIFO as usize..][..4],
            last,
            "the last word is the last in the FIFO"
        );
    }
    let writes = machine.ram.data().into_iter().filter(|seen| seen.0 == Op::Write);
    assert_eq!(
        writes.collect::<Vec<_>>(),
        [(Op::Write, FIFO, 4); 24],
        "beats of a FIFO are not combined"
    );
}

/// A ring of periods from a peripheral, restarted for ever; the driver's cyclic transfers, as one program.
#[test]
fn a_cyclic_program_runs_until_it_is_killed() {
    const FIFO: u32 = 0x2_0000;
    let mut machine = Machine::default();
    machine.events.set_interrupts(1);
    let control = ccr(2, 1) & !1;
    let mut code = [mov_ccr(control), mov_sar(FIFO)].concat();
    code.extend(mov_dar(TARGET));
    // DMALP 4; DMAWFP single 1, DMALDPS 1, DMAST; DMALPEND; DMASEV 0; DMALPFE to the DMAMOV of DAR.
    let start = 12;
    code.extend(lp(0, 4));
    code.extend([0x30, 1 << 3, 0x25, 1 << 3, 0x08]);
    code.extend(lpend(0, 5));
    code.extend(sev(0));
    code.extend([0x28, (code.len() - start) as u8]);
    machine.go(0, &code);
    for period in 0..3 {
        for beat in 0..4 {
            machine.run();
            assert_eq!(machine.status(0), Status::WaitingForPeripheral, "{period} {beat}");
            assert_eq!(machine.engine.view().channels[0].destination, TARGET + 4 * beat);
            machine.engine.request(
                1,
                Request {
                    kind: Kind::Burst,
                    last: false,
                },
            );
        }
        machine.run();
        assert_eq!(machine.events.outputs(), 1, "period {period}");
        machine.events.clear(1);
    }
    assert!(!machine.debug(Some(0), &[0x01]));
    assert_eq!(machine.status(0), Status::Stopped);
}

#[test]
fn a_loop_for_ever_gives_way_and_can_be_killed() {
    let mut machine = Machine::default();
    // DMANOP; DMALPFE to it.
    machine.go(1, &[0x18, 0x28, 0x01]);
    for _ in 0..100 {
        let activity = machine.slice();
        assert!(activity.runnable && activity.spinning && !activity.moved);
    }
    machine.go(0, &memcpy(SOURCE, TARGET, 0x1000, 4, 0, false));
    machine.slice();
    assert!(
        copied(&machine, SOURCE, TARGET, 0x1000),
        "others have their turns"
    );
    machine.debug(Some(1), &[0x01]);
    assert!(!machine.run());
}

#[test]
fn a_hole_is_found_where_it_begins() {
    for (hole, fault) in [(SOURCE, Faults::DATA_READ_ERR), (TARGET, Faults::DATA_WRITE_ERR)] {
        let mut machine = Machine::default();
        machine.ram.holes.push(hole + 0x1000..hole + 0x2000);
        machine.go(0, &memcpy(SOURCE + 0x10, TARGET + 0x10, 0x3000, 2, 0, false));
        assert!(machine.run(), "irq_abort");
        assert_eq!((machine.status(0), machine.faults(0)), (Status::Faulting, fault));
        assert!(
            copied(&machine, SOURCE + 0x10, TARGET + 0x10, 0xff0),
            "what came before is done"
        );
        assert!(!copied(&machine, SOURCE + 0x10, TARGET + 0x10, 0xff1));
        assert_eq!(machine.events.active(), 0, "no DMASEV");
    }
}

#[test]
fn fetches_are_cached_until_the_channel_stops() {
    let mut machine = Machine::default();
    let fetches = |machine: &Machine| machine.ram.seen.iter().filter(|seen| seen.0 == Op::Fetch).count();
    machine.go(0, &memcpy(SOURCE, TARGET, 0x1_0000, 2, 0, false));
    machine.run();
    assert_eq!(fetches(&machine), 1, "31 bytes, a line");
    let (_, address, length, protection) = machine.ram.seen[0];
    assert_eq!((address, length), (CODE, 32));
    assert!(protection.instruction && protection.privileged && protection.non_secure);
    machine.go(0, &memcpy(SOURCE + 0x100, TARGET, 0x1000, 2, 0, false));
    machine.run();
    assert!(
        copied(&machine, SOURCE + 0x100, TARGET, 0x1000),
        "the new program"
    );
}

/// Bytes that are instructions more often than not.
fn microcode() -> impl Strategy<Value = Vec<u8>> {
    let opcode = proptest::sample::select(&super::decode::OPCODES).prop_map(|row| row.code);
    let operand = prop_oneof![Just(0_u8), Just(8), Just(16), 0..=255_u8];
    let instruction = (opcode, prop::collection::vec(operand, 5)).prop_map(|(opcode, operands)| {
        let length = super::decode::opcode(opcode).map_or(1, |row| row.length);
        [&[opcode], &operands[..length - 1]].concat()
    });
    let control = any::<u32>().prop_map(|raw| mov_ccr(raw & 0x4f9f_fdf9 | 1 << 9 | 1 << 23).to_vec());
    let address =
        (0..MEMORY).prop_flat_map(|at| prop_oneof![Just(mov_sar(at).to_vec()), Just(mov_dar(at).to_vec())]);
    prop::collection::vec(prop_oneof![6 => instruction, 1 => control, 2 => address], 0..60)
        .prop_map(|code| code.concat())
}

fn configs() -> impl Strategy<Value = Config> {
    (
        1..=8_u8,
        1..=32_u8,
        0..=32_u8,
        any::<[u32; 3]>(),
        2..=4_u8,
        1..=32_u16,
    )
        .prop_map(
            |(channels, events, peripherals, bits, bus_width, mfifo_lines)| Config {
                channels,
                events,
                peripherals,
                manager_non_secure: bits[0] & 1 != 0,
                events_non_secure: bits[0],
                peripherals_non_secure: bits[1],
                peripherals_requesting: bits[2],
                bus_width,
                mfifo_lines,
            },
        )
}

proptest! {
    /// Whatever the microcode is, slices end, and what they may use is bounded.
    #[test]
    fn any_microcode(
        config in configs(),
        programs in prop::collection::vec(microcode(), 1..4),
        words in prop::collection::vec(any::<[u32; 2]>(), 0..4),
    ) {
        let channels = config.channels;
        let mut machine = Machine::new(config.clone());
        for (n, program) in programs.iter().enumerate() {
            let at = CODE as usize + n * 0x1000;
            machine.ram.bytes[at..at + program.len()].copy_from_slice(program);
            machine.debug(None, &super::testing::go(n as u8 % channels, true, at as u32));
        }
        for words in words.into_iter().map(Some).chain([None; 3]) {
            if let Some(words) = words {
                machine.engine.debug(words, &mut machine.events);
            }
            machine.ram.seen.clear();
            machine.slice();
            let most = usize::from(channels) * super::channel::QUANTUM as usize * 20;
            prop_assert!(machine.ram.seen.len() <= most);
            prop_assert!(machine.engine.held() <= config.mfifo_bytes());
        }
        machine.engine.reset();
        prop_assert_eq!(machine.engine.view(), Engine::new(config).view());
    }
}
