// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! DMA of test masters through the SMMU of a real server, programmed as Linux does.

use std::path::Path;

use integration_tests::driver::{
    CFCFG, Driver, FREE, PAGE, PERMISSION, RAM, RAM_SIZE, STALLED_TRANSLATION, TCR2, TRANSLATION, cb, entry,
    test_masters,
};
use integration_tests::served::{Served, raised, wait_raised};
use rustix::process::Signal;
use vfio_server::devices::test_master::pattern;
use vfio_server::devices::test_master::registers::{NO_MISMATCH, Register, Status, control};
use vfio_server::function::MARKS_SIZE;

const DONE: u32 = Status::Done as u32;
const BUS_ERROR: u32 = Status::BusError as u32;
const RUNNING: u32 = Status::Running as u32;

fn serve(masters: usize) -> Served {
    let program = Path::new(env!("CARGO_BIN_EXE_server-under-test"));
    Served::start(program, &["a"], &test_masters(masters)).unwrap()
}

fn expected(seed: u32, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    pattern(seed, &mut bytes, 0);
    bytes
}

#[test]
fn dma_goes_where_stage_1_sends_it() {
    let mut served = serve(2);
    let mut driver = Driver::new(&served, 2).unwrap();
    let event = driver.interrupt_of_master(0).unwrap();
    // Four pages in a row, backwards in memory; another master has other pages at the same addresses.
    for i in 0..4 {
        driver
            .map(0, 0x1_0000 + i * PAGE, FREE + (9 - i) * PAGE, true)
            .unwrap();
        driver
            .map(1, 0x1_0000 + i * PAGE, FREE + (20 + i) * PAGE, true)
            .unwrap();
    }
    assert_eq!(driver.write_pattern(0, 0x1_0100, 0x3000, 7).unwrap(), DONE);
    assert_eq!(wait_raised(&event).unwrap(), 1);
    let expected = expected(7, 0x3000);
    for i in 0..3_usize {
        let page = driver.memory(FREE + (9 - i as u64) * PAGE, 4096).unwrap();
        let (from, skip) = if i == 0 { (0, 0x100) } else { (i * 4096 - 0x100, 0) };
        assert_eq!(page[skip..], expected[from..from + 4096 - skip], "page {i}");
    }
    assert_eq!(
        driver.memory(FREE + 20 * PAGE, 4 * 4096).unwrap(),
        vec![0; 4 * 4096]
    );
    driver.set(1, Register::Seed, 7).unwrap();
    assert_eq!(driver.transfer(0, 0x1_0100, 0x3000, 0).unwrap(), DONE);
    assert_eq!(driver.get(0, Register::Mismatch).unwrap(), NO_MISMATCH);
    assert_eq!(driver.transfer(1, 0x1_0100, 0x3000, 0).unwrap(), DONE);
    assert_eq!(driver.get(1, Register::Mismatch).unwrap(), 0, "zeros");
    drop(driver);
    served.check(&["a"]).unwrap();
}

#[test]
fn faults_are_recorded_and_the_master_sees_a_bus_error() {
    let served = serve(1);
    let mut driver = Driver::new(&served, 1).unwrap();
    let event = driver.interrupt_of_bank(0).unwrap();
    driver.map(0, 0x1000, FREE, false).unwrap();
    assert_eq!(driver.transfer(0, 0x1000, 0x2000, 0).unwrap(), BUS_ERROR);
    assert_eq!(driver.get(0, Register::Done).unwrap(), 0x1000);
    wait_raised(&event).unwrap();
    assert_eq!(driver.read_cb(0, cb::FSR).unwrap(), TRANSLATION);
    assert_eq!(driver.read_cb(0, cb::FAR).unwrap(), 0x2000);
    assert_eq!(driver.read_cb(0, cb::FSYNR0).unwrap() & 1 << 4, 0, "WNR");
    driver.write_cb(0, cb::FSR, u32::MAX).unwrap();

    assert_eq!(driver.write_pattern(0, 0x1080, 64, 1).unwrap(), BUS_ERROR);
    assert_eq!(driver.read_cb(0, cb::FSR).unwrap(), PERMISSION);
    assert_eq!(driver.read_cb(0, cb::FAR).unwrap(), 0x1080);
    assert_eq!(driver.read_cb(0, cb::FSYNR0).unwrap() & 1 << 4, 1 << 4, "WNR");
    driver.write_cb(0, cb::FSR, u32::MAX).unwrap();
    assert!(
        driver.memory(FREE, 4096).unwrap() == [0; 4096],
        "a page that is not to be written"
    );

    // A stream that no master has.
    driver.set(0, Register::Stream, 0x55).unwrap();
    assert_eq!(driver.transfer(0, 0x1000, 64, 0).unwrap(), BUS_ERROR);
    assert_eq!(driver.client.read32(0, 0x48).unwrap() & 2, 2, "sGFSR.USF");
}

/// With HA and HD the SMMU writes descriptors in the guest's memory: accessed, and dirty once it is written.
#[test]
fn descriptors_are_updated_in_the_guest_memory() {
    const AF: u64 = 1 << 10;
    const READ_ONLY: u64 = 1 << 7;
    // Page, AttrIdx 1, unprivileged, inner shareable, nG, DBM.
    const LEAF: u64 = 0x3 | 1 << 2 | 1 << 6 | READ_ONLY | 3 << 8 | 1 << 11 | 1 << 51;
    let program = Path::new(env!("CARGO_BIN_EXE_server-under-test"));
    let more = format!("[smmu.model]\nhardware_update = true\n{}", test_masters(1));
    let mut served = Served::start(program, &["a"], &more).unwrap();
    let mut driver = Driver::new(&served, 1).unwrap();
    driver.write_cb(0, cb::TCR2, TCR2 | 1 << 10 | 1 << 11).unwrap();
    let at = entry(0, 0x1000);
    let word = |driver: &Driver| u64::from_le_bytes(driver.memory(at, 8).unwrap().try_into().unwrap());
    driver.set_word(at, FREE | LEAF).unwrap();
    assert_eq!(driver.transfer(0, 0x1000, 64, 0).unwrap(), DONE);
    assert_eq!(word(&driver), FREE | LEAF | AF, "read");
    assert_eq!(driver.write_pattern(0, 0x1000, 64, 5).unwrap(), DONE);
    assert_eq!(word(&driver), (FREE | LEAF | AF) & !READ_ONLY, "written");
    assert_eq!(driver.memory(FREE, 64).unwrap(), expected(5, 64));
    drop(driver);
    served.check(&["a"]).unwrap();
}

/// A stalled transaction holds up its master and nothing else: no synchronisation, no other master, no change of
/// memory.
#[test]
fn a_stalled_transaction_waits_for_resume_and_for_nothing_else() {
    let mut served = serve(2);
    let mut driver = Driver::new(&served, 2).unwrap();
    let event = driver.interrupt_of_master(0).unwrap();
    driver.set_sctlr(0, CFCFG).unwrap();
    driver.map(1, 0x1000, FREE + PAGE, true).unwrap();
    for (round, resume, status) in [(0, 0, DONE), (1, 1, BUS_ERROR), (2, 0, DONE)] {
        driver.unmap(0, 0x1000).unwrap();
        driver.invalidate(0, 0x1000).unwrap();
        driver.set(0, Register::Seed, round).unwrap();
        driver.start(0, 0x1000, 64, control::WRITE, 1).unwrap();
        driver
            .wait(|driver| Ok(driver.read_cb(0, cb::FSR)? == STALLED_TRANSLATION))
            .unwrap();
        assert_eq!(driver.read_cb(0, cb::FAR).unwrap(), 0x1000);

        driver.invalidate(0, 0x5000).unwrap();
        assert_eq!(driver.write_pattern(1, 0x1000, 64, 9).unwrap(), DONE);
        driver.map_memory(RAM + RAM_SIZE, PAGE, 0).unwrap();
        driver.unmap_memory(RAM + RAM_SIZE, PAGE).unwrap();
        assert_eq!(driver.get(0, Register::Status).unwrap(), RUNNING);
        assert_eq!(raised(&event).unwrap(), 0);

        driver.map(0, 0x1000, FREE, true).unwrap();
        driver.write_cb(0, cb::FSR, u32::MAX).unwrap();
        driver.write_cb(0, cb::RESUME, resume).unwrap();
        assert_eq!(driver.end(0).unwrap(), status, "round {round}");
        assert_eq!(wait_raised(&event).unwrap(), 1);
        let written = driver.memory(FREE, 64).unwrap() == expected(round, 64);
        assert_eq!(written, status == DONE, "round {round}");
    }
    drop(driver);
    served.check(&["a"]).unwrap();
}

/// Gives up: a reset, the end of a client, the end of the server.
#[test]
fn a_stalled_transaction_is_given_up_at_the_end() {
    let mut served = serve(1);
    let stalled = |served: &Served| {
        let mut driver = Driver::new(served, 1).unwrap();
        driver.set_sctlr(0, CFCFG).unwrap();
        driver.start(0, 0x1000, 64, control::WRITE, 1).unwrap();
        driver
            .wait(|driver| Ok(driver.read_cb(0, cb::FSR)? == STALLED_TRANSLATION))
            .unwrap();
        driver
    };
    let mut driver = stalled(&served);
    driver.reset().unwrap();
    assert_eq!(driver.get(0, Register::Status).unwrap(), Status::Idle as u32);
    driver.attach(0).unwrap();
    driver.write(0, 0x0020_1c36).unwrap();
    driver.map(0, 0x1000, FREE, true).unwrap();
    assert_eq!(
        driver.write_pattern(0, 0x1000, 64, 3).unwrap(),
        DONE,
        "the master goes on"
    );
    drop(driver);
    drop(stalled(&served));
    served.check(&["a"]).unwrap();
    let driver = stalled(&served);
    let status = served.signal(Signal::TERM).unwrap();
    served.is_clean(status).unwrap();
    drop(driver);
}

/// Promise of a synchronisation: once it is over, nothing writes where the page was. With two masters under way.
#[test]
fn after_a_synchronisation_no_dma_uses_the_old_page() {
    const ROUNDS: u64 = 400;
    let mut served = serve(2);
    let mut driver = Driver::new(&served, 2).unwrap();
    for master in 0..2 {
        driver
            .map(master, 0x1000, FREE + u64::from(master) * PAGE, true)
            .unwrap();
        driver.set(master, Register::Seed, 1).unwrap();
        driver.start(master, 0x1000, 4096, control::WRITE, 0).unwrap();
    }
    driver
        .wait(|driver| Ok(driver.get(1, Register::Rounds)? > 0))
        .unwrap();
    let zeros = vec![0; 4096];
    for round in 0..ROUNDS {
        let (old, new) = (FREE + round % 2 * 2 * PAGE, FREE + (round + 1) % 2 * 2 * PAGE);
        driver.map(0, 0x1000, new, true).unwrap();
        driver.invalidate(0, 0x1000).unwrap();
        driver.set_memory(old, &zeros).unwrap();
        let before = driver.get(0, Register::Rounds).unwrap();
        driver
            .wait(|driver| Ok(driver.get(0, Register::Rounds)? > before + 1))
            .unwrap();
        assert_eq!(driver.memory(old, 4096).unwrap(), zeros, "round {round}");
        assert_eq!(
            driver.memory(new, 4096).unwrap(),
            expected(1, 4096),
            "round {round}"
        );
    }
    assert_eq!(driver.get(1, Register::Status).unwrap(), RUNNING);
    drop(driver);
    served.check(&["a"]).unwrap();
}

/// DMA_UNMAP while DMA is under way: when the reply is there, nothing is written any more, and nothing is mapped.
#[test]
fn memory_comes_and_goes_under_dma() {
    let mut served = serve(1);
    let mut driver = Driver::new(&served, 1).unwrap();
    // Second ranges, with a hole before them, and far beyond 4 GiB.
    for address in [RAM + 2 * RAM_SIZE, 5 << 30, 1 << 40] {
        let (offset, size) = (FREE - RAM, 4 * PAGE);
        driver.map(0, 0x1000, address, true).unwrap();
        driver.invalidate(0, 0x1000).unwrap();
        for round in 0..20 {
            driver.map_memory(address, size, offset).unwrap();
            driver.set(0, Register::Seed, round).unwrap();
            driver.start(0, 0x1000, 4096, control::WRITE, 0).unwrap();
            driver
                .wait(|driver| Ok(driver.get(0, Register::Rounds)? > 2))
                .unwrap();
            assert!(
                driver.memory(FREE, 4096).unwrap() == expected(round, 4096),
                "round {round}"
            );
            assert_eq!(served.mapped_memfds().unwrap(), 2);
            driver.unmap_memory(address, size).unwrap();
            assert_eq!(served.mapped_memfds().unwrap(), 1);
            driver.set_memory(FREE, &[0; 4096]).unwrap();
            assert_eq!(driver.end(0).unwrap(), BUS_ERROR, "no memory is there");
            assert!(driver.memory(FREE, 4096).unwrap() == [0; 4096], "round {round}");
        }
    }
    drop(driver);
    served.check(&["a"]).unwrap();
}

/// A range that the client shares for reading only is not written, whatever the translation says.
#[test]
fn what_is_mapped_for_reading_is_not_written() {
    let mut served = serve(1);
    let mut driver = Driver::new(&served, 1).unwrap();
    let address = RAM + 2 * RAM_SIZE;
    driver.map_memory_to_read(address, PAGE, FREE - RAM).unwrap();
    driver.map(0, 0x1000, address, true).unwrap();
    driver.set_memory(FREE, &expected(5, 4096)).unwrap();
    assert_eq!(driver.write_pattern(0, 0x1000, 64, 6).unwrap(), BUS_ERROR);
    driver.set(0, Register::Seed, 5).unwrap();
    assert_eq!(driver.transfer(0, 0x1000, 4096, 0).unwrap(), DONE);
    assert_eq!(driver.get(0, Register::Mismatch).unwrap(), NO_MISMATCH);
    drop(driver);
    served.check(&["a"]).unwrap();
}

/// Clients that leave and resets under DMA, also stalled, leave nothing.
#[test]
fn nothing_is_left_of_clients_and_resets() {
    let mut served = serve(2);
    let threads = |served: &Served| {
        std::fs::read_dir(format!("/proc/{}/task", served.pid()))
            .unwrap()
            .count()
    };
    served.check(&["a"]).unwrap();
    let before = threads(&served);
    for round in 0..200 {
        let mut driver = Driver::new(&served, 2).unwrap();
        let _event = driver.interrupt_of_master(0).unwrap();
        driver.set_sctlr(1, CFCFG).unwrap();
        driver.map(0, 0x1000, FREE, true).unwrap();
        driver.start(0, 0x1000, 4096, control::WRITE, 0).unwrap();
        driver.start(1, 0x1000, 4096, control::WRITE, 0).unwrap();
        if round % 2 == 0 {
            driver.reset().unwrap();
            assert_eq!(driver.get(0, Register::Status).unwrap(), Status::Idle as u32);
            driver.start(0, 0, 64, 0, 0).unwrap();
        }
    }
    // Looks for descriptors and memory.
    served.check(&["a"]).unwrap();
    assert_eq!(threads(&served), before);
}

#[test]
fn a_master_that_is_not_there_reads_as_zero() {
    let served = serve(2);
    let mut driver = Driver::new(&served, 2).unwrap();
    // BAR2 is a power of two: a page behind the second block is in it.
    let behind = MARKS_SIZE + 2 * PAGE;
    assert_eq!(driver.client.read32(2, behind).unwrap(), 0);
    driver.client.write32(2, behind, 1).unwrap();
    assert!(driver.client.read32(2, 2 * MARKS_SIZE).is_err());
    let across = driver
        .client
        .call(9, &integration_tests::raw::access(2, MARKS_SIZE + PAGE - 4, 8))
        .unwrap();
    assert!(across.is_ok());
    assert_eq!(across.payload[16..], [0; 8]);
}
