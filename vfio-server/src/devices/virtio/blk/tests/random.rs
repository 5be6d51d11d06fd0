// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::*;

proptest! {
    /// Whatever lies in the table and the rings: it ends, without a panic, and does not leave memory.
    #[test]
    fn random_rings_end(
        table in prop::collection::vec((any::<u16>(), 0..70_000_u32, 0..8_u16, 0..20_u16), 16),
        heads in prop::collection::vec(0..20_u16, 1..16),
        headers in prop::collection::vec((0..16_u32, 0..500_u64), 8),
    ) {
        let mut disks = Disks::new(false);
        for (number, (kind, sector)) in (0..).zip(&headers) {
            disks.header(*kind, *sector);
            let header = disks.driver.get(HEADER, 16);
            disks.driver.put(DATA + 16 * number, &header);
        }
        for (number, (address, length, flags, next)) in (0..).zip(&table) {
            // Often a header, and a length that is one of a request.
            let (address, length) = match address % 4 {
                0 => (DATA + 16 * u64::from(address % 8), 16),
                1 => (DATA + 0x1000 + u64::from(*address), length / 512 * 512),
                2 => (STATUS + u64::from(*address), 1),
                _ => (u64::from(*address) << 7, *length),
            };
            disks.driver.descriptor(DESCRIPTORS, number, (address, length), *flags, *next);
        }
        heads.iter().for_each(|head| disks.driver.offer(*head));
        let end = disks.driver.run();
        prop_assert_ne!(end, End::Stalls);
        let end = disks.driver.run();
        prop_assert_eq!(end, End::Waits);
    }
}
