// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Registers as software sees them: as Linux's amba bus and pl330 driver look at it.

use super::{Effect, Registers};
use crate::devices::pl330::config::Config;
use crate::devices::pl330::engine::Engine;
use crate::devices::pl330::events::Events;
use crate::devices::pl330::spec::{Faults, ROWS};
use crate::devices::pl330::testing::{Machine, Op};
use smmu_emu::regs::AccessRule;

fn read(registers: &Registers, offset: u64) -> u32 {
    let mut data = [0xff; 4];
    registers.read(offset, &mut data);
    u32::from_le_bytes(data)
}

fn write(registers: &mut Registers, offset: u64, value: u32) -> Effect {
    registers.write(offset, &value.to_le_bytes())
}

#[test]
fn linux_finds_a_dmac_341330() {
    let registers = Registers::new(Config::default());
    let id = |from: u64| {
        (0..4)
            .map(|n| (read(&registers, from + 4 * n) & 0xff) << (8 * n))
            .sum::<u32>()
    };
    assert_eq!(id(0xfe0), 0x0034_1330);
    assert_eq!(id(0xff0), 0xb105_f00d);
    let [cr0, crd] = [0xe00, 0xe14].map(|offset| read(&registers, offset));
    assert_eq!(
        ((cr0 >> 4 & 7) + 1, (cr0 >> 12 & 0x1f) + 1, (cr0 >> 17 & 0x1f) + 1),
        (8, 8, 8)
    );
    assert_eq!(cr0 & 0b111, 0b101, "peripherals, no boot, Non-secure manager");
    assert_eq!(
        (8 << (crd & 7), (crd >> 20 & 0x3ff) + 1),
        (128, 1024),
        "bits of the bus, lines of the MFIFO"
    );
    assert_eq!(read(&registers, 0xe0c), 0xff, "all events are Non-secure");
    assert_eq!(read(&registers, 0x000), 1 << 9);
    assert_eq!(read(&registers, 0x408), 0x0080_0200);
}

#[test]
fn few_channels_are_few() {
    let registers = Registers::new(Config {
        channels: 2,
        peripherals: 0,
        events: 32,
        ..Config::default()
    });
    assert_eq!(read(&registers, 0xe00), 1 << 4 | 31 << 17 | 1 << 2);
    assert_eq!(
        (read(&registers, 0x428), read(&registers, 0x448)),
        (0x0080_0200, 0)
    );
}

#[test]
fn read_only_registers_and_other_widths() {
    let mut registers = Registers::new(Config::default());
    let before: Vec<u32> = (0..0x1000)
        .step_by(4)
        .map(|offset| read(&registers, offset))
        .collect();
    for row in ROWS.iter().filter(|row| row.access == AccessRule::Ro) {
        for index in 0..row.count {
            let effect = write(
                &mut registers,
                u64::from(row.offset + index * row.stride),
                u32::MAX,
            );
            assert_eq!(effect, Effect::default(), "{}", row.name);
        }
    }
    registers.write(0x020, &[0xff; 8]);
    registers.write(0x020, &[0xff]);
    registers.write(0xd04, &[0; 2]);
    assert!(
        (0..0x1000)
            .step_by(4)
            .map(|offset| read(&registers, offset))
            .eq(before)
    );
    let mut wide = [0xff; 8];
    registers.read(0xfe0, &mut wide);
    assert_eq!(wide, [0; 8]);
}

#[test]
fn an_interrupt_output_rises_once() {
    let mut registers = Registers::new(Config::default());
    registers.events.signal(2);
    assert_eq!(
        (read(&registers, 0x024), read(&registers, 0x028)),
        (0b100, 0),
        "an event"
    );
    write(&mut registers, 0x02c, 0b100);
    assert_eq!(read(&registers, 0x024), 0b100, "INTCLR leaves events alone");
    let on = Effect {
        wake: true,
        interrupt: true,
    };
    assert_eq!(write(&mut registers, 0x020, 0b110), on);
    assert_eq!(
        write(&mut registers, 0x020, 0b110),
        Effect {
            interrupt: false,
            ..on
        }
    );
    assert_eq!(read(&registers, 0x028), 0b100);
    assert_eq!(write(&mut registers, 0x02c, 0b011), Effect::default());
    assert_eq!(read(&registers, 0x028), 0b100);
    write(&mut registers, 0x02c, 0b100);
    assert_eq!(
        (
            read(&registers, 0x024),
            read(&registers, 0x028),
            read(&registers, 0x02c)
        ),
        (0, 0, 0)
    );
    write(&mut registers, 0x020, u32::MAX);
    assert_eq!(read(&registers, 0x020), 0xff, "events that exist");
}

#[test]
fn the_debug_interface_is_busy_until_the_engine_has_looked() {
    let mut registers = Registers::new(Config::default());
    let engine = Engine::new(Config::default());
    write(&mut registers, 0xd08, 0x00a2_0000);
    write(&mut registers, 0xd0c, 0x1234_5678);
    assert_eq!(
        write(&mut registers, 0xd04, 1),
        Effect {
            wake: true,
            interrupt: false
        }
    );
    assert_eq!(read(&registers, 0xd00), 0, "1 to 3 are reserved");
    write(&mut registers, 0xd04, 0);
    assert_eq!(read(&registers, 0xd00), 1);
    assert_eq!(registers.take_debug(), Some([0x00a2_0000, 0x1234_5678]));
    assert_eq!((registers.take_debug(), read(&registers, 0xd00)), (None, 1));
    write(&mut registers, 0xd04, 0);
    assert_eq!(registers.take_debug(), None, "one at a time");
    registers.publish(engine.view());
    assert_eq!(read(&registers, 0xd00), 0);
}

#[test]
fn faults_show_where_linux_looks() {
    let mut machine = Machine::default();
    machine.go(3, &[0xff]);
    machine.run();
    machine.debug(None, &[0xff]);
    let mut registers = Registers::new(Config::default());
    registers.publish(machine.engine.view());
    assert_eq!((read(&registers, 0x030), read(&registers, 0x034)), (1, 1 << 3));
    assert_eq!(
        read(&registers, 0x038),
        (Faults::UNDEF_INSTR | Faults::DBG_INSTR).bits()
    );
    assert_eq!(read(&registers, 0x04c), 1);
    assert_eq!(
        (read(&registers, 0x118), read(&registers, 0x000)),
        (0x20_000f, 0x20f)
    );
    let (_, at, ..) = *machine
        .ram
        .seen
        .iter()
        .find(|seen| seen.0 == Op::Fetch)
        .expect("a fetch");
    assert_eq!(read(&registers, 0x11c), at, "CPC3");
}

#[test]
fn the_watchdog_register() {
    let mut registers = Registers::new(Config::default());
    assert!(write(&mut registers, 0xe80, u32::MAX).wake);
    assert_eq!(
        (read(&registers, 0xe80), registers.lock_up_only_interrupts()),
        (1, true)
    );
}
