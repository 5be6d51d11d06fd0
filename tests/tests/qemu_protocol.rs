// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! QEMU as the client, without a guest: its CPU stands still, and the test does loads and stores by QEMU's `qtest`
//! protocol.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Instant;

use guest_images::packages::lock::Lock;
use guest_images::packages::store::Store;
use integration_tests::raw::PATIENCE;
use integration_tests::served::{Served, registers};

/// Configuration space of the function in slot 2 of bus 0 of the `virt` machine.
const ECAM: u64 = 0x40_1000_0000 + (2 << 15);
const RAM: u64 = 0x4000_0000;
const BAR0: u64 = 0x3000_0000;
const BAR2: u64 = 0x3080_0000;
const BAR4: u64 = 0x30c0_0000;
/// MSIs are written here by the function; the data is the interrupt's number.
const DOORBELL: u64 = 0x0802_0040;
/// The first of the interrupts behind the doorbell.
const INTID: u64 = 80;
const GICD: u64 = 0x0800_0000;

/// A `virt` machine whose CPU is the test.
struct Machine {
    qemu: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Machine {
    fn start(socket: &Path) -> Self {
        let qemu = Store::open(None, None)
            .unwrap()
            .qemu(&Lock::shipped().unwrap())
            .unwrap();
        let device = serde_json::json!({
            "driver": "vfio-user-pci", "addr": "2", "socket": { "type": "unix", "path": socket },
        });
        let mut qemu = qemu
            .program
            .command()
            .args([
                "-M",
                "virt,gic-version=2",
                "-accel",
                "tcg",
                "-S",
                "-qtest",
                "stdio",
                "-display",
                "none",
            ])
            .args(["-qtest-log", "none"])
            .args(["-nodefaults", "-m", "512", "-machine", "memory-backend=ram"])
            .args(["-object", "memory-backend-memfd,id=ram,size=512M,share=on"])
            .args(["-device", &device.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Only with a test that fails does one want to know what QEMU said.
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (commands, answers) = (qemu.stdin.take().unwrap(), qemu.stdout.take().unwrap());
        Self {
            qemu,
            commands,
            answers: BufReader::new(answers),
        }
    }

    fn command(&mut self, command: &str) -> Option<u64> {
        writeln!(self.commands, "{command}").unwrap();
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(
                self.answers.read_line(&mut line).unwrap(),
                0,
                "QEMU ended at {command}"
            );
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("OK") => {
                    return words
                        .next()
                        .and_then(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok());
                }
                Some("IRQ") => {}
                _ => panic!("{command}: {line}"),
            }
        }
    }

    fn read(&mut self, address: u64) -> u32 {
        u32::try_from(self.command(&format!("readl {address:#x}")).unwrap()).unwrap()
    }

    fn write(&mut self, address: u64, value: u64) {
        self.command(&format!("writel {address:#x} {value:#x}"));
    }

    /// Does the work of the boot shim: code in memory; BARs, memory decode and bus master, MSI-X vector 0.
    fn set_up(&mut self) {
        self.write(RAM, 1);
        for (bar, address) in [(0, BAR0), (2, BAR2), (4, BAR4)] {
            self.write(ECAM + 0x10 + 4 * bar, address);
        }
        self.write(ECAM + 4, 6);
        for (word, value) in [DOORBELL, 0, INTID, 0].into_iter().enumerate() {
            self.write(BAR4 + 4 * word as u64, value);
        }
        let control = self.read(ECAM + 0x40);
        self.write(ECAM + 0x40, u64::from(control | 0x8000_0000));
    }

    /// Whether the interrupt is pending at the GIC.
    fn pending(&mut self) -> bool {
        self.read(GICD + 0x200 + INTID / 32 * 4) >> (INTID % 32) & 1 == 1
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

fn serve() -> Served {
    Served::start(Path::new(env!("CARGO_BIN_EXE_server-under-test")), &["a"], "").unwrap()
}

#[test]
fn qemu_finds_the_function_and_reaches_the_registers() {
    let mut served = serve();
    let mut machine = Machine::start(&served.socket("a"));
    assert_eq!(machine.read(ECAM + 8) >> 8, 0x08_80_00, "class");
    machine.write(ECAM + 0x10, 0xffff_ffff);
    let size = machine.read(ECAM + 0x10).wrapping_neg();
    assert!(size.is_power_of_two() && size >= 0x1_0000, "{size:#x}");
    machine.set_up();
    assert_eq!(served.mapped_memfds().unwrap(), 1, "guest memory");
    assert_ne!(machine.read(BAR0 + registers::IDR0), 0);
    machine.write(BAR0 + registers::SMR0, 0x8001_0002);
    assert_eq!(machine.read(BAR0 + registers::SMR0), 0x8001_0002);
    machine.write(BAR0 + u64::from(size) - 4, 1);
    assert_eq!(machine.read(BAR2), 0);
    machine.write(BAR2, 1);
    assert_eq!(machine.read(BAR2), 1);
    drop(machine);
    served.check(&["a"]).unwrap();
}

#[test]
fn bursts_of_posted_writes_arrive_in_order() {
    let mut served = serve();
    let mut machine = Machine::start(&served.socket("a"));
    machine.set_up();
    for value in 0..20_000_u64 {
        machine.write(BAR0 + registers::SMR0 + 4 * (value % 16), value & 0x7fff);
    }
    for group in 0..16 {
        assert_eq!(
            u64::from(machine.read(BAR0 + registers::SMR0 + 4 * group)),
            19_984 + group
        );
    }
    drop(machine);
    served.check(&["a"]).unwrap();
}

#[test]
fn the_global_line_becomes_an_interrupt_of_the_gic() {
    let mut served = serve();
    let mut machine = Machine::start(&served.socket("a"));
    machine.set_up();
    // Edge-triggered, as the device tree says.
    machine.write(GICD + 0xc00 + INTID / 16 * 4, 2 << (INTID % 16 * 2));
    machine.write(BAR0 + registers::SCR0, registers::SCR0_GFIE.into());
    assert!(!machine.pending());
    machine.write(BAR0 + registers::SGFSRRESTORE, 2);
    assert_eq!(machine.read(BAR0 + registers::SGFSR), 2);
    // The eventfd takes its way through QEMU's main loop.
    let begin = Instant::now();
    while !machine.pending() {
        assert!(begin.elapsed() < PATIENCE, "no interrupt");
    }
    drop(machine);
    served.check(&["a"]).unwrap();
}

#[test]
fn a_second_machine_meets_a_clean_function() {
    let mut served = serve();
    for _ in 0..2 {
        let mut machine = Machine::start(&served.socket("a"));
        machine.set_up();
        assert_eq!(machine.read(BAR0 + registers::SMR0), 0);
        assert_eq!(machine.read(BAR2), 0);
        machine.write(BAR0 + registers::SMR0, 0x8001_0002);
        machine.write(BAR2, 1);
    }
    served.check(&["a"]).unwrap();
    assert!(
        !served.log().contains("ERROR") && !served.log().contains("WARN"),
        "{}",
        served.log()
    );
}
