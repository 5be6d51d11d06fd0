// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Two queues of one disk, which have one stream: what becomes of the other one while a request stalls, and of both at
//! a reset.

use integration_tests::qmp::QmpClient;
use integration_tests::served::{region, within_patience};
use rustix::process::Signal;
use serde_json::json;

use super::guest::*;

/// SCTLR.HUPCF: others pass while the bank holds a fault.
const HUPCF: u32 = 1 << 8;
/// FSR.SS.
const SS: u32 = 1 << 30;
const RETRY: u32 = 0;
const TERMINATE: u32 = 1;
/// Answers of virtio-blk.
const OK: u8 = 0;
const IOERR: u8 = 1;
const LENGTH: u32 = 0x2000;

/// A guest whose disk has served a request of each queue, so that both queues have kept the translations of their
/// rings.
fn begin(world: &World, sctlr: u32) -> Guest {
    let mut guest = world.guest();
    guest.client.write32(region::BAR0, SCTLR, sctlr).unwrap();
    guest.unmap(DATA + 0x1000);
    guest.start_both();
    for lane in [SECOND, 0] {
        guest.request_in(lane, IN, 0, DATA, 0x200);
        assert_eq!(finish(&guest, lane), OK);
    }
    guest
}

/// A write of the first queue that stalls in its second page.
fn stall(guest: &mut Guest) {
    guest.put(DATA, &pattern(1, LENGTH as usize));
    guest.request(OUT, 8, DATA, LENGTH);
    wait_for(|| guest.smmu(FSR) & SS != 0);
}

/// A write of the second queue, somewhere else.
fn other(guest: &mut Guest) {
    guest.put(DATA + SECOND, &pattern(2, LENGTH as usize));
    guest.request_in(SECOND, OUT, 64, DATA, LENGTH);
}

/// Waits for a request; its status.
fn finish(guest: &Guest, lane: u64) -> u8 {
    wait_for(|| guest.is_used_in(lane));
    guest.get(STATUS + lane, 1)[0]
}

/// Waits until so many accesses of the disk have stalled.
fn wait_for_stalls(world: &World, count: u64) {
    let mut control = QmpClient::negotiated(&world.served.control()).unwrap();
    wait_for(|| {
        let masters = control.execute("masters-list", json!({})).unwrap();
        masters[0]["stalls"].as_u64().unwrap() >= count
    });
}

/// Waits until the disk has made this many more accesses.
pub fn wait_for_accesses(world: &World, count: u64) {
    let mut control = QmpClient::negotiated(&world.served.control()).unwrap();
    let mut accesses = || {
        let masters = control.execute("masters-list", json!({})).unwrap();
        masters[0]["accesses"].as_u64().unwrap()
    };
    let before = accesses();
    wait_for(|| accesses() >= before + count);
}

/// Whether a queue of the disk waits for software.
fn is_stalled(world: &World) -> bool {
    let mut control = QmpClient::negotiated(&world.served.control()).unwrap();
    let masters = control.execute("masters-list", json!({})).unwrap();
    masters[0]["stalled"].as_bool().unwrap()
}

fn clear(guest: &mut Guest) {
    guest.client.write32(region::BAR0, FSR, u32::MAX).unwrap();
}

fn resume(guest: &mut Guest, how: u32) {
    guest.client.write32(region::BAR0, RESUME, how).unwrap();
}

/// Both queues move data.
fn both_work(world: &World, guest: &mut Guest) {
    let mut written = Vec::new();
    for (lane, sector) in [(0, 128), (SECOND, 256)] {
        written = pattern(u8::try_from(sector % 251).unwrap(), LENGTH as usize);
        guest.put(DATA + lane, &written);
        guest.request_in(lane, OUT, sector, DATA, LENGTH);
        assert_eq!(finish(guest, lane), OK);
        assert!(world.on_disk(sector, LENGTH as usize) == written);
    }
    guest.request(IN, 256, DATA, LENGTH);
    assert_eq!(finish(guest, 0), OK);
    assert!(guest.get(DATA, LENGTH as usize) == written);
}

/// HUPCF = 0: the bank holds every later access of the stream, by whatever queue.
#[test]
fn a_stall_holds_the_other_queue_too_until_software_decides() {
    let world = World::new();
    let mut guest = begin(&world, STALLS);
    let mut stalls = 0;
    for (how, status) in [(RETRY, OK), (TERMINATE, IOERR)] {
        stall(&mut guest);
        other(&mut guest);
        stalls += 2;
        wait_for_stalls(&world, stalls);
        assert!(!guest.is_used() && !guest.is_used_in(SECOND));
        assert_eq!(guest.r(RNG, DEVICE_ID), 4, "the registers answer");
        if how == RETRY {
            guest.map(DATA + 0x1000);
        }
        clear(&mut guest);
        resume(&mut guest, how);
        assert_eq!((finish(&guest, 0), finish(&guest, SECOND)), (status, OK));
        assert!(world.on_disk(64, LENGTH as usize) == pattern(2, LENGTH as usize));
        if how == RETRY {
            assert!(world.on_disk(8, LENGTH as usize) == pattern(1, LENGTH as usize));
        }
        assert_eq!(guest.smmu(FSR) & 0xc000_01ff, 0);
        assert_eq!(guest.r(DISK, STATUS_REGISTER), 0xf);
        guest.unmap(DATA + 0x1000);
    }
    guest.map(DATA + 0x1000);
    both_work(&world, &mut guest);
}

/// HUPCF = 1: only what faults itself waits.
#[test]
fn under_hupcf_the_other_queue_goes_on() {
    let world = World::new();
    let mut guest = begin(&world, STALLS | HUPCF);
    for (how, status) in [(RETRY, OK), (TERMINATE, IOERR)] {
        stall(&mut guest);
        for _ in 0..20 {
            other(&mut guest);
            assert_eq!(finish(&guest, SECOND), OK);
        }
        assert!(world.on_disk(64, LENGTH as usize) == pattern(2, LENGTH as usize));
        assert!(!guest.is_used() && guest.smmu(FSR) & SS != 0);
        if how == RETRY {
            guest.map(DATA + 0x1000);
        }
        clear(&mut guest);
        resume(&mut guest, how);
        assert_eq!(finish(&guest, 0), status);
        guest.unmap(DATA + 0x1000);
    }
    guest.map(DATA + 0x1000);
    both_work(&world, &mut guest);
}

/// RESUME while FSR is not clear ends what waits, too. The other queue waited at its ring, where nothing can be
/// answered.
#[test]
fn a_termination_before_the_fault_is_cleared_ends_both() {
    let world = World::new();
    let mut guest = begin(&world, STALLS);
    stall(&mut guest);
    other(&mut guest);
    wait_for_stalls(&world, 2);
    resume(&mut guest, TERMINATE);
    wait_for(|| guest.r(DISK, STATUS_REGISTER) == 0x4f);
    clear(&mut guest);
    guest.map(DATA + 0x1000);
    // The queues begin nothing before all is over that they were asked for until the reset.
    guest.start_both();
    for lane in [0, SECOND] {
        guest.request_in(lane, IN, 512, DATA, 0x200);
        assert_eq!(finish(&guest, lane), OK);
    }
    assert!(world.on_disk(64, LENGTH as usize) == vec![0; LENGTH as usize]);
    both_work(&world, &mut guest);
}

/// Ways to begin anew while a request stalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reset {
    /// A driver writes 0 to Status.
    Device,
    /// It writes 0 to QueueReady of both queues.
    Queues,
    /// DEVICE_RESET: the function with all that is in it.
    Function,
}

fn reset(guest: &mut Guest, how: Reset) {
    match how {
        Reset::Device => guest.w(DISK, STATUS_REGISTER, 0),
        Reset::Queues => {
            for queue in 0..2 {
                guest.w(DISK, 0x30, queue);
                guest.w(DISK, 0x44, 0);
                assert_eq!(guest.r(DISK, 0x44), 0);
            }
        }
        Reset::Function => assert!(guest.client.call(13, &[]).unwrap().is_ok()),
    }
}

fn nothing_outlasts(how: Reset, sctlr: u32, end: u32) {
    let world = World::new();
    let mut guest = begin(&world, sctlr);
    stall(&mut guest);
    other(&mut guest);
    let waits = sctlr & HUPCF == 0;
    if waits {
        wait_for_stalls(&world, 2);
    }
    reset(&mut guest, how);
    let before = (guest.get(USED, 0x100), guest.get(USED + SECOND, 0x100));
    // What it would write to, and where it would find what it was to do.
    guest.put(STATUS, &[0xaa]);
    guest.map(DATA + 0x1000);
    if how == Reset::Function {
        guest.enable(sctlr);
    } else {
        clear(&mut guest);
        resume(&mut guest, end);
    }
    wait_for(|| !is_stalled(&world));
    assert_eq!(guest.get(STATUS, 1), [0xaa], "{how:?}");
    assert_eq!(
        (guest.get(USED, 0x100), guest.get(USED + SECOND, 0x100)),
        before,
        "{how:?}"
    );
    let zeros = vec![0; LENGTH as usize];
    assert!(world.on_disk(8, LENGTH as usize) == zeros, "{how:?}");
    if waits {
        assert!(world.on_disk(64, LENGTH as usize) == zeros, "{how:?}");
    }
    if how == Reset::Queues {
        guest.set_up(DISK, 0, 0);
        guest.set_up(DISK, 1, SECOND);
    } else {
        guest.start_both();
    }
    both_work(&world, &mut guest);
    assert_eq!(guest.r(DISK, STATUS_REGISTER), 0xf);
    let log = world.served.log();
    assert!(!log.contains("panicked") && !log.contains("defect"), "{log}");
}

#[test]
fn a_reset_of_the_device_while_one_queue_stalls() {
    for sctlr in [STALLS, STALLS | HUPCF] {
        nothing_outlasts(Reset::Device, sctlr, RETRY);
        nothing_outlasts(Reset::Device, sctlr, TERMINATE);
    }
}

#[test]
fn a_reset_of_both_queues_while_one_stalls() {
    for sctlr in [STALLS, STALLS | HUPCF] {
        nothing_outlasts(Reset::Queues, sctlr, RETRY);
        nothing_outlasts(Reset::Queues, sctlr, TERMINATE);
    }
}

#[test]
fn a_reset_of_the_function_while_one_queue_stalls() {
    nothing_outlasts(Reset::Function, STALLS, RETRY);
    nothing_outlasts(Reset::Function, STALLS | HUPCF, RETRY);
}

/// The stalled accesses end with a bus error, and the device stays: it tells that the request failed or, as its rings
/// are out of reach without the SMMU, that it needs a reset.
#[test]
fn a_reset_of_the_smmu_while_one_queue_stalls() {
    for sctlr in [STALLS, STALLS | HUPCF] {
        let world = World::new();
        let mut guest = begin(&world, sctlr);
        stall(&mut guest);
        other(&mut guest);
        if sctlr & HUPCF == 0 {
            wait_for_stalls(&world, 2);
        }
        let mut control = QmpClient::negotiated(&world.served.control()).unwrap();
        control.execute("reset", json!({})).unwrap();
        guest.map(DATA + 0x1000);
        guest.enable(sctlr);
        wait_for(|| guest.is_used() || guest.r(DISK, STATUS_REGISTER) == 0x4f);
        if guest.is_used() {
            assert_eq!(guest.get(STATUS, 1), [IOERR]);
        }
        assert!(world.on_disk(8, LENGTH as usize) == vec![0; LENGTH as usize]);
        guest.start_both();
        both_work(&world, &mut guest);
    }
}

/// The requests of a device that was reset under a stall, and started again, wait with the stream and not for ever.
#[test]
fn a_device_that_starts_again_under_a_stall_waits_for_software() {
    for end in [RETRY, TERMINATE] {
        let world = World::new();
        let mut guest = begin(&world, STALLS);
        stall(&mut guest);
        other(&mut guest);
        wait_for_stalls(&world, 2);
        guest.start_both();
        for lane in [0, SECOND] {
            guest.request_in(lane, IN, 512, DATA, 0x200);
        }
        assert!(is_stalled(&world));
        assert!(!guest.is_used() && !guest.is_used_in(SECOND));
        // The SMMU knows no reset of a device: what is retried faults again as long as nothing is mapped.
        if end == RETRY {
            guest.map(DATA + 0x1000);
        }
        clear(&mut guest);
        resume(&mut guest, end);
        assert_eq!((finish(&guest, 0), finish(&guest, SECOND)), (OK, OK));
        let zeros = vec![0; LENGTH as usize];
        assert!(world.on_disk(8, LENGTH as usize) == zeros && world.on_disk(64, LENGTH as usize) == zeros);
        guest.map(DATA + 0x1000);
        both_work(&world, &mut guest);
    }
}

#[test]
fn a_client_leaves_and_the_server_ends_while_both_queues_wait() {
    let mut world = World::new();
    for round in 1..=3 {
        let mut guest = begin(&world, STALLS);
        stall(&mut guest);
        other(&mut guest);
        wait_for_stalls(&world, 2 * round);
        drop(guest);
        wait_for(|| world.served.mapped_memfds().unwrap() == 0);
        let mut guest = begin(&world, STALLS);
        guest.map(DATA + 0x1000);
        both_work(&world, &mut guest);
        drop(guest);
        wait_for(|| world.served.mapped_memfds().unwrap() == 0);
    }
    let mut guest = begin(&world, STALLS);
    stall(&mut guest);
    other(&mut guest);
    wait_for_stalls(&world, 8);
    within_patience(move || {
        let status = world.served.signal(Signal::TERM)?;
        world.served.is_clean(status)
    })
    .unwrap();
    drop(guest);
}
