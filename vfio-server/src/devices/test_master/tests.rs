// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::registers::{ID, LIMIT, NO_MISMATCH, ROWS, Register, Status, WINDOW_SIZE, control, trigger};
use super::*;
use crate::function::dma_devices::tests::Bench;

/// A test master behind an SMMU that lets everything pass, and a mebibyte of memory at 0x4000_0000.
fn bench() -> Bench {
    Bench::new(&[("t", "kind = \"test-master\"")])
}

const RAM: u64 = 0x4000_0000;

fn read(bench: &mut Bench, register: Register) -> u32 {
    bench.read32(0, register as u64)
}

fn write(bench: &mut Bench, register: Register, value: u32) {
    bench.write32(0, register as u64, value);
}

/// Starts a transfer and waits for its end.
fn run(bench: &mut Bench, address: u64, length: u32, controls: u32) -> u32 {
    start(bench, address, length, controls);
    bench.wait(|bench| read(bench, Register::Status) != Status::Running as u32);
    read(bench, Register::Status)
}

fn start(bench: &mut Bench, address: u64, length: u32, controls: u32) {
    bench.write(0, Register::AddressLow as u64, &address.to_le_bytes());
    write(bench, Register::Length, length);
    write(bench, Register::Control, controls);
    write(bench, Register::Trigger, trigger::START);
}

#[test]
fn the_table_has_no_gap_and_the_documentation_lists_it() {
    for (row, offset) in ROWS.iter().zip((0_usize..).step_by(4)) {
        assert_eq!(row.register as usize, offset, "{}", row.name);
    }
    let mut table =
        String::from("| offset | register | bits written | reset | is |\n| --- | --- | --- | --- | --- |\n");
    for row in ROWS {
        table += &format!(
            "| {:#04x} | {} | {:#x} | {:#x} | {} |\n",
            row.register as u16, row.name, row.writable, row.reset, row.about
        );
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/masters.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text
        .split_once("<!-- registers of the test master -->\n")
        .unwrap();
    let (_, tail) = rest.split_once("<!-- end -->").unwrap();
    let current = format!("{head}<!-- registers of the test master -->\n{table}<!-- end -->{tail}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, current).unwrap();
    } else {
        assert!(
            current == text,
            "run `UPDATE_DOCS=1 cargo nextest run -p vfio-server test_master`"
        );
    }
}

#[test]
fn registers_keep_what_can_be_written() {
    let mut bench = bench();
    let reset: Vec<_> = ROWS.iter().map(|row| row.reset).collect();
    for (row, reset) in ROWS.iter().zip(&reset) {
        let expected = if row.register == Register::Stream {
            1
        } else {
            *reset
        };
        assert_eq!(read(&mut bench, row.register), expected, "{}", row.name);
        if row.register != Register::Trigger {
            write(&mut bench, row.register, u32::MAX);
            assert_eq!(
                read(&mut bench, row.register),
                row.writable | reset & !row.writable,
                "{}",
                row.name
            );
        }
    }
    assert_eq!(read(&mut bench, Register::Id), ID);
    bench.function.reset();
    assert_eq!(read(&mut bench, Register::Stream), 1);
    assert_eq!(read(&mut bench, Register::Seed), 0);
    // Parts of words do nothing; beyond the table there is nothing.
    bench.write(0, Register::Seed as u64, &[1, 2]);
    bench.write(0, Register::Seed as u64 + 2, &[1, 2, 3, 4]);
    assert_eq!(read(&mut bench, Register::Seed), 0);
    bench.write32(0, 0x40, u32::MAX);
    assert_eq!(bench.read32(0, 0x40), 0);
}

#[test]
fn a_pattern_is_written_and_recognised() {
    let mut bench = bench();
    write(&mut bench, Register::Seed, 7);
    assert_eq!(
        run(&mut bench, RAM + 0x123, 10_000, control::WRITE),
        Status::Done as u32
    );
    assert_eq!(bench.raised("t"), 1);
    let mut expected = vec![0; 10_000];
    pattern(7, &mut expected, 0);
    assert_eq!(bench.memory(RAM + 0x123, 10_000), expected);
    assert_eq!(bench.memory(RAM + 0x122, 1), [0]);
    assert_eq!(bench.memory(RAM + 0x123 + 10_000, 1), [0]);
    let checksum = crc32fast::hash(&expected);
    assert_eq!(read(&mut bench, Register::Checksum), checksum);
    assert_eq!(run(&mut bench, RAM + 0x123, 10_000, 0), Status::Done as u32);
    assert_eq!(read(&mut bench, Register::Checksum), checksum);
    assert_eq!(read(&mut bench, Register::Mismatch), NO_MISMATCH);
    assert_eq!(read(&mut bench, Register::Done), 10_000);
    let mut window = [0; WINDOW_SIZE];
    bench.read(0, WINDOW, &mut window);
    assert_eq!(
        window[..],
        expected[..WINDOW_SIZE],
        "the beginning is there to read"
    );

    bench.set_memory(RAM + 0x123 + 5000, &[!expected[5000]]);
    assert_eq!(run(&mut bench, RAM + 0x123, 10_000, 0), Status::Done as u32);
    assert_eq!(read(&mut bench, Register::Mismatch), 5000);
    assert_ne!(read(&mut bench, Register::Checksum), checksum);
}

#[test]
fn the_window_is_written_over_and_over() {
    let mut bench = bench();
    let data: Vec<u8> = (0..WINDOW_SIZE).map(|i| u8::try_from(i % 251).unwrap()).collect();
    bench.write(0, WINDOW, &data);
    let length = u32::try_from(3 * WINDOW_SIZE + 5).unwrap();
    assert_eq!(
        run(&mut bench, RAM + 7, length, control::WRITE | control::WINDOW),
        Status::Done as u32
    );
    let expected: Vec<u8> = data.iter().copied().cycle().take(length as usize).collect();
    assert_eq!(bench.memory(RAM + 7, expected.len()), expected);
}

#[test]
fn lengths_are_bounded() {
    let mut bench = bench();
    for length in [0, LIMIT + 1, u32::MAX] {
        assert_eq!(
            run(&mut bench, RAM, length, 0),
            Status::Refused as u32,
            "{length}"
        );
    }
    assert_eq!(run(&mut bench, RAM, LIMIT, 0), Status::Done as u32);
    assert_eq!(read(&mut bench, Register::Done), LIMIT);
    assert_eq!(bench.raised("t"), 1, "a refusal raises none");
}

#[test]
fn where_no_memory_is_a_transfer_ends_with_a_bus_error() {
    let mut bench = bench();
    let end = RAM + (1 << 20);
    assert_eq!(
        run(&mut bench, end - 0x1800, 0x4000, control::WRITE),
        Status::BusError as u32
    );
    assert_eq!(read(&mut bench, Register::Done), 0x1800, "the pages before");
    assert_eq!(bench.raised("t"), 1, "an end as any other");
    assert_eq!(
        run(&mut bench, u64::MAX - 0x10, 0x1000, 0),
        Status::BusError as u32
    );
}

#[test]
fn a_transfer_may_go_on_after_bus_errors_and_counts_them() {
    let mut bench = bench();
    let end = RAM + (1 << 20);
    write(&mut bench, Register::Repeat, 3);
    let (address, length) = (end - 0x800, 0x2000);
    let go_on = control::WRITE | control::GO_ON;
    assert_eq!(run(&mut bench, address, length, go_on), Status::Done as u32);
    assert_eq!(read(&mut bench, Register::Rounds), 3);
    assert_eq!(read(&mut bench, Register::Done), length);
    assert_eq!(
        read(&mut bench, Register::Errors),
        3 * 2,
        "a page and a part of one, three times"
    );
    let mut expected = vec![0; 0x800];
    pattern(0, &mut expected, 0);
    assert_eq!(bench.memory(address, 0x800), expected, "the page before");
    assert_eq!(read(&mut bench, Register::Checksum), crc32fast::hash(&expected));
    // Without the bit it ends, and counts the one.
    assert_eq!(run(&mut bench, address, length, 0), Status::BusError as u32);
    assert_eq!(read(&mut bench, Register::Errors), 1);
    assert_eq!(run(&mut bench, RAM, 64, 0), Status::Done as u32);
    assert_eq!(read(&mut bench, Register::Errors), 0);
}

#[test]
fn transfers_repeat_until_they_are_stopped() {
    let mut bench = bench();
    write(&mut bench, Register::Repeat, 3);
    assert_eq!(run(&mut bench, RAM, 64, control::WRITE), Status::Done as u32);
    assert_eq!(read(&mut bench, Register::Rounds), 3);
    write(&mut bench, Register::Repeat, 0);
    start(&mut bench, RAM, 64, control::WRITE);
    bench.wait(|bench| read(bench, Register::Rounds) > 1000);
    write(&mut bench, Register::Trigger, trigger::START);
    assert!(
        read(&mut bench, Register::Rounds) > 1000,
        "one that runs is not started again"
    );
    write(&mut bench, Register::Trigger, trigger::STOP);
    bench.wait(|bench| read(bench, Register::Status) == Status::Done as u32);
}

/// After a reset the one that ran has nothing to say, and another one can start at once.
#[test]
fn a_reset_ends_a_transfer() {
    let mut bench = bench();
    for _ in 0..200 {
        write(&mut bench, Register::Repeat, 0);
        start(&mut bench, RAM, 4096, control::WRITE);
        bench.function.reset();
        assert_eq!(read(&mut bench, Register::Status), Status::Idle as u32);
        assert_eq!(run(&mut bench, RAM, 64, control::WRITE), Status::Done as u32);
        assert_eq!(read(&mut bench, Register::Rounds), 1);
    }
}
