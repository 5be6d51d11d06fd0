// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;
use crate::devices::virtio::testing::{BUFFERS, Driver, End};

fn bytes(driver: &mut Driver<Rng>, length: u32) -> Vec<u8> {
    driver.chain(&[], &[(BUFFERS, 10), (BUFFERS + 10, length - 10)]);
    assert_eq!(driver.run(), End::Waits);
    let (_, written) = driver.used().unwrap();
    driver.get(BUFFERS, written.try_into().unwrap())
}

#[test]
fn fills_buffers_with_what_its_seed_gives() {
    let mut driver = Driver::new(Rng::new(5), true);
    let first = bytes(&mut driver, 3000);
    assert_eq!(first.len(), 3000);
    let second = bytes(&mut driver, 3000);
    assert_ne!(first, second);
    let ones: u32 = first.iter().map(|byte| byte.count_ones()).sum();
    assert!((11_000..13_000).contains(&ones), "{ones} of 24000 bits");
    driver.ring.handler().reset();
    assert_eq!(bytes(&mut driver, 3000), first);
}

#[test]
fn a_huge_buffer_is_filled_as_far_as_a_request_goes() {
    let mut driver = Driver::new(Rng::new(5), true);
    assert_eq!(bytes(&mut driver, 1 << 20).len(), 64 << 10);
    driver.put(BUFFERS, &[7; 8]);
    driver.chain(&[(BUFFERS, 8)], &[]);
    assert_eq!((driver.run(), driver.used()), (End::Waits, Some((2, 0))));
}

#[test]
fn no_more_is_translated_than_is_filled() {
    let mut driver = Driver::new(Rng::new(5), true);
    driver.chain(&[], &[(BUFFERS, 3 << 20); 8]);
    assert_eq!((driver.run(), driver.used()), (End::Waits, Some((0, 64 << 10))));
    let slices = driver.memory.slices.get();
    assert!(slices < 16 + 8 + 20, "{slices}");
}

#[test]
fn the_same_bytes_after_a_stall() {
    let mut driver = Driver::new(Rng::new(5), true);
    let first = bytes(&mut driver, 100);
    driver.ring.handler().reset();
    driver.memory.stalls.replace(BUFFERS + 10..BUFFERS + 11);
    driver.chain(&[], &[(BUFFERS, 10), (BUFFERS + 10, 90)]);
    assert_eq!((driver.run(), driver.run()), (End::Stalls, End::Stalls));
    driver.memory.stalls.replace(0..0);
    assert_eq!((driver.run(), driver.used()), (End::Waits, Some((2, 100))));
    assert_eq!(driver.get(BUFFERS, 100), first);
}

#[test]
fn a_buffer_that_is_not_mapped_needs_a_reset() {
    let mut driver = Driver::new(Rng::new(5), true);
    driver.memory.hole.replace(BUFFERS..BUFFERS + 1);
    driver.chain(&[], &[(BUFFERS, 10)]);
    assert!(matches!(driver.run(), End::Broken(_)));
    assert!(driver.needs_reset());
}
