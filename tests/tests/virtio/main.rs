// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Virtio devices behind the SMMU, in a whole server: a small driver in a raw client maps pages, negotiates, and moves
//! data.

use integration_tests::served::{raised, region, wait_raised};

mod guest;
mod queues;

use guest::*;
use queues::wait_for_accesses;

#[test]
fn a_disk_is_read_and_written_behind_the_smmu() {
    let world = World::new();
    let mut guest = world.guest();
    guest.start(DISK, 0);
    assert_eq!(guest.r(DISK, 8), 2);
    assert_eq!((guest.r(DISK, 0x100), guest.r(DISK, 0x104)), (2048, 0));
    // From the middle of a page, over three pages that do not lie together.
    let written = pattern(1, 0x2000);
    guest.put(DATA + 0x800, &written);
    assert_eq!(guest.done(OUT, 100, DATA + 0x800, 0x2000), 0);
    assert!(world.on_disk(100, 0x2000) == written);
    assert_eq!(guest.done(IN, 98, DATA + 0x8000, 0x3000), 0);
    assert!(guest.get(DATA + 0x8400, 0x2000) == written);
    assert_eq!(guest.done(4, 0, DATA, 0x200), 0, "flush");
    assert_eq!(guest.done(IN, 2048, DATA, 0x200), 1, "beyond the end");
    assert_eq!(guest.done(77, 0, DATA, 0x200), 2, "no such request");
    assert_eq!(guest.smmu(FSR) & 0xc000_01ff, 0);
}

#[test]
fn an_address_that_is_not_mapped_faults_and_fails_the_request() {
    let world = World::new();
    let mut guest = world.guest();
    guest.start(DISK, 0);
    guest.unmap(DATA + 0x1000);
    guest.put(DATA, &pattern(2, 0x1000));
    guest.request(IN, 0, DATA, 0x2000);
    guest.fault();
    // As long as the fault is there, whatever else the bank is asked for is terminated: also the answer.
    wait_for_accesses(&world, 3);
    assert!(!guest.is_used());
    // TF.
    assert_eq!((guest.smmu(FSR) & 0xc000_01ff, guest.smmu(FAR)), (2, 0x10_5000));
    guest.client.write32(region::BAR0, FSR, u32::MAX).unwrap();
    guest.used(DISK);
    assert_eq!(guest.get(STATUS, 1), [1]);
    guest.map(DATA + 0x1000);
    assert_eq!(guest.done(IN, 0, DATA, 0x2000), 0);
    // The rings: nothing can be told but by the status, and that not while the fault is there.
    guest.unmap(DESCRIPTORS);
    guest.request(IN, 0, DATA, 0x200);
    wait_for(|| {
        guest.client.write32(region::BAR0, FSR, u32::MAX).unwrap();
        guest.client.read32(region::BAR2, DISK + STATUS_REGISTER).unwrap() == 0x4f
    });
    wait_raised(&guest.edges).unwrap();
    assert_eq!(guest.r(DISK, INTERRUPT_STATUS), 2);
    assert!(!guest.is_used());
    assert_eq!(guest.smmu(FAR), u32::try_from(DESCRIPTORS).unwrap());
    wait_for(|| world.served.log().contains("needs a reset"));
    guest.map(DESCRIPTORS);
    guest.client.write32(region::BAR0, FSR, u32::MAX).unwrap();
    guest.start(DISK, 0);
    assert_eq!(guest.done(IN, 0, DATA, 0x200), 0);
    assert!(world.served.log().contains("disk"), "{}", world.served.log());
}

#[test]
fn a_stalled_request_waits_for_software() {
    let world = World::new();
    let mut guest = world.guest();
    guest.start(DISK, 0);
    guest.client.write32(region::BAR0, SCTLR, STALLS).unwrap();
    let written = pattern(3, 0x2000);
    for (terminate, status) in [(0, 0), (1, 1)] {
        guest.put(DATA, &written);
        guest.unmap(DATA + 0x1000);
        guest.request(OUT, 8, DATA, 0x2000);
        wait_for(|| guest.client.read32(region::BAR0, FSR).unwrap() & 1 << 30 != 0);
        assert!(!guest.is_used());
        // Others go on.
        assert_eq!(guest.r(RNG, DEVICE_ID), 4);
        if terminate == 0 {
            guest.map(DATA + 0x1000);
        }
        guest.client.write32(region::BAR0, FSR, u32::MAX).unwrap();
        guest.client.write32(region::BAR0, RESUME, terminate).unwrap();
        guest.used(DISK);
        assert_eq!(guest.get(STATUS, 1), [status]);
        guest.map(DATA + 0x1000);
    }
    assert!(world.on_disk(8, 0x2000) == written);
    assert_eq!(guest.done(OUT, 8, DATA, 0x2000), 0);
}

#[test]
fn random_numbers_and_a_console() {
    let world = World::new();
    let mut guest = world.guest();
    guest.start(RNG, 0);
    guest.offer(RNG, 0, &[(DATA, 0x1800, true)]);
    assert_eq!(guest.used(RNG), 0x1800);
    let random = guest.get(DATA, 0x1800);
    assert!(random.chunks(64).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
    guest.start(CONSOLE, 1);
    assert_eq!(guest.r(CONSOLE, DEVICE_ID), 3);
    guest.put(DATA, b"over and out\n");
    guest.offer(CONSOLE, 1, &[(DATA, 9, false), (DATA + 9, 4, false)]);
    assert_eq!(guest.used(CONSOLE), 0);
    let log = std::fs::read_to_string(world.directory.path().join("log")).unwrap();
    assert_eq!(log, "over and out\n");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_request() {
    let world = World::new();
    let first = {
        let mut guest = world.guest();
        guest.start(RNG, 0);
        guest.offer(RNG, 0, &[(DATA, 64, true)]);
        guest.used(RNG);
        let random = guest.get(DATA, 64);
        guest.start(DISK, 0);
        guest.client.write32(region::BAR0, SCTLR, STALLS).unwrap();
        guest.unmap(DATA);
        guest.request(IN, 0, DATA, 0x200);
        wait_for(|| guest.client.read32(region::BAR0, FSR).unwrap() & 1 << 30 != 0);
        random
    };
    wait_for(|| world.served.mapped_memfds().unwrap() == 0);
    let mut guest = world.guest();
    assert_eq!(guest.r(DISK, STATUS_REGISTER), 0);
    guest.start(DISK, 0);
    assert_eq!(guest.done(IN, 0, DATA, 0x200), 0);
    guest.start(RNG, 0);
    guest.offer(RNG, 0, &[(DATA, 64, true)]);
    guest.used(RNG);
    assert_eq!(
        guest.get(DATA, 64),
        first,
        "the next client meets the same numbers"
    );
    assert_eq!(raised(&guest.edges).unwrap(), 0);
}
