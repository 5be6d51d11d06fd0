// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Two queues of a disk, which have a thread each and one stream: a bank that holds a transaction of one of them lets none of
//! the other's through (IHI 0062D §3.7.3).

use std::time::Duration;

use integration_tests::served::{raised, region};

use super::guest::*;

/// Sectors of what the queues write, queue by queue.
const SECTORS: [u64; 2] = [8, 64];
const LENGTH: u32 = 0x2000;
/// DEVICE_RESET.
const RESET: u16 = 13;

fn guest_with_two_queues(world: &World) -> Guest {
    let mut guest = world.guest();
    guest.start(DISK, &[0, 1]);
    guest.client.write32(region::BAR0, SCTLR, STALLS).unwrap();
    guest
}

/// Asks both queues for a write; that of queue 0 stalls at its second page, then that of queue 1 has to wait for the bank.
fn stall(guest: &mut Guest, written: [&[u8]; 2]) {
    guest.unmap(DATA + 0x1000);
    for (queue, bytes) in (0..).zip(written) {
        guest.put(of(queue, DATA), bytes);
    }
    guest.request(0, OUT, SECTORS[0], DATA, LENGTH);
    wait_for(|| guest.smmu(FSR) & 1 << 30 != 0);
    assert_eq!(guest.smmu(FAR), u32::try_from(DATA + 0x1000).unwrap());
    guest.request(1, OUT, SECTORS[1], of(1, DATA), LENGTH);
    // Long enough for a thread that nobody holds up.
    std::thread::sleep(Duration::from_millis(50));
    assert!(!guest.is_used(0) && !guest.is_used(1));
}

fn resume(guest: &mut Guest, terminate: u32) {
    guest.client.write32(region::BAR0, FSR, u32::MAX).unwrap();
    guest.client.write32(region::BAR0, RESUME, terminate).unwrap();
}

#[test]
fn software_decides_about_one_and_the_other_goes_on() {
    let world = World::new();
    let mut guest = guest_with_two_queues(&world);
    for (seed, terminate) in [(0, 0), (2, 1)] {
        let written = [pattern(seed, 0x2000), pattern(seed + 1, 0x2000)];
        let before = world.on_disk(SECTORS[0], 0x2000);
        stall(&mut guest, [&written[0], &written[1]]);
        if terminate == 0 {
            guest.map(DATA + 0x1000);
        }
        resume(&mut guest, terminate);
        wait_for(|| guest.is_used(0) && guest.is_used(1));
        assert_eq!([guest.status(0), guest.status(1)], [u8::from(terminate == 1), 0]);
        let first = if terminate == 0 { &written[0] } else { &before };
        assert!(world.on_disk(SECTORS[0], 0x2000) == *first);
        assert!(world.on_disk(SECTORS[1], 0x2000) == written[1]);
        guest.map(DATA + 0x1000);
        guest.w(DISK, INTERRUPT_ACK, 1);
    }
}

/// Nothing that was asked for before is done, and both queues work again after a start.
fn works(world: &World, guest: &mut Guest) {
    let nothing = vec![0; 0x2000];
    for sector in SECTORS {
        assert!(world.on_disk(sector, 0x2000) == nothing, "{sector}");
    }
    raised(&guest.edges).unwrap();
    for (queue, sector) in (0..).zip(SECTORS) {
        let written = pattern(7 + u8::try_from(queue).unwrap(), 0x2000);
        guest.put(of(queue, DATA), &written);
        guest.request(queue, OUT, sector, of(queue, DATA), LENGTH);
        guest.used(DISK, queue);
        assert_eq!(guest.status(queue), 0);
        assert!(world.on_disk(sector, 0x2000) == written);
    }
}

#[test]
fn a_reset_of_the_disk_gives_both_up() {
    for terminate in [0, 1] {
        let world = World::new();
        let mut guest = guest_with_two_queues(&world);
        stall(&mut guest, [&pattern(0, 0x2000), &pattern(1, 0x2000)]);
        guest.start(DISK, &[0, 1]);
        guest.map(DATA + 0x1000);
        // The SMMU still holds the transaction. However it ends, it belongs to nothing.
        resume(&mut guest, terminate);
        works(&world, &mut guest);
    }
}

#[test]
fn a_reset_of_everything_gives_both_up() {
    let world = World::new();
    let mut guest = guest_with_two_queues(&world);
    stall(&mut guest, [&pattern(0, 0x2000), &pattern(1, 0x2000)]);
    let memory = [USED, of(1, USED), STATUS, of(1, STATUS)];
    let before = memory.map(|address| guest.get(address, 0x100));
    assert!(guest.client.call(RESET, &[]).unwrap().is_ok());
    assert_eq!(guest.smmu(FSR), 0);
    assert_eq!(guest.r(DISK, STATUS_REGISTER), 0);
    guest.translate();
    guest.map(DATA + 0x1000);
    std::thread::sleep(Duration::from_millis(50));
    assert!(memory.map(|address| guest.get(address, 0x100)) == before);
    guest.start(DISK, &[0, 1]);
    works(&world, &mut guest);
}

#[test]
fn a_client_that_leaves_gives_both_up() {
    let world = World::new();
    let mut guest = guest_with_two_queues(&world);
    stall(&mut guest, [&pattern(0, 0x2000), &pattern(1, 0x2000)]);
    drop(guest);
    wait_for(|| world.served.mapped_memfds().unwrap() == 0);
    let mut guest = world.guest();
    assert_eq!(guest.r(DISK, STATUS_REGISTER), 0);
    guest.start(DISK, &[0, 1]);
    works(&world, &mut guest);
}
