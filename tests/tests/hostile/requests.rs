// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Well-framed requests for what is not there.

use integration_tests::raw::{access, words};
use integration_tests::served::{MSIX, region};

use crate::{E2BIG, EINVAL, EOPNOTSUPP, hostile, in_step, negotiated, refused};

#[test]
fn counts_of_4_gib() {
    hostile(|served| {
        let mut client = negotiated(served);
        for count in [u32::MAX, 1 << 31, (1 << 20) + 1] {
            refused(&mut client, 9, &access(region::BAR0, 0, count), E2BIG);
            refused(&mut client, 10, &access(region::BAR0, 0, count), EINVAL);
            refused(
                &mut client,
                10,
                &[access(region::BAR0, 0, count), vec![1; 64]].concat(),
                EINVAL,
            );
        }
        refused(&mut client, 15, &[0xff; 8], EINVAL);
        refused(
            &mut client,
            15,
            &[vec![0xff; 8], access(0, 0, u32::MAX), vec![0; 8]].concat(),
            EINVAL,
        );
        refused(&mut client, 8, &words(&[20, 0x21, MSIX, 0, u32::MAX]), EINVAL);
        refused(
            &mut client,
            8,
            &words(&[20, 0x24, MSIX, u32::MAX, u32::MAX]),
            EINVAL,
        );
    });
}

#[test]
fn largest_transfers_again_and_again() {
    hostile(|served| {
        let mut client = negotiated(served);
        let size = client
            .call(5, &words(&[32, 0, 0, 0, 0, 0, 0, 0]))
            .unwrap()
            .payload;
        let size = u32::from_ne_bytes(size[16..20].try_into().unwrap()).min(1 << 20);
        for _ in 0..30 {
            let read = client.call(9, &access(region::BAR0, 0, size)).unwrap();
            assert_eq!(read.payload.len(), 16 + size as usize);
            let data = vec![0xff; size as usize];
            assert!(
                client
                    .call(10, &[access(region::BAR0, 0, size), data].concat())
                    .unwrap()
                    .is_ok()
            );
        }
        in_step(&mut client);
    });
}

#[test]
fn regions_and_offsets_that_are_not_there() {
    hostile(|served| {
        let mut client = negotiated(served);
        for (region, offset) in [
            (9, 0),
            (u32::MAX, 0),
            (1, 0),
            (8, 0),
            (0, 1 << 40),
            (7, 253),
            (2, u64::MAX - 1),
        ] {
            let payload = access(region, offset, 4);
            refused(&mut client, 9, &payload, EINVAL);
            refused(&mut client, 10, &[payload.clone(), vec![1; 4]].concat(), EINVAL);
            let multi = [1_u64.to_ne_bytes().to_vec(), payload, vec![1; 8]].concat();
            refused(&mut client, 15, &multi, EINVAL);
        }
        refused(&mut client, 5, &words(&[32, 0, u32::MAX, 0, 0, 0, 0, 0]), EINVAL);
        refused(&mut client, 7, &words(&[16, 0, u32::MAX, 0]), EINVAL);
        refused(&mut client, 8, &words(&[20, 0x21, u32::MAX, 0, 0]), EINVAL);
    });
}

#[test]
fn payloads_that_nobody_reads() {
    hostile(|served| {
        let mut client = negotiated(served);
        for payload in [0, 1, 15, 16, 100, 4096, 1 << 20] {
            let payload = vec![0x5a; payload];
            // GET_REGION_IO_FDS, DEVICE_FEATURE, MIG_DATA_READ, MIG_DATA_WRITE
            for command in [6, 16, 17, 18] {
                refused(&mut client, command, &payload, EOPNOTSUPP);
            }
            // DMA_READ and DMA_WRITE are commands of the server; the others are none.
            for command in [0, 11, 12, 14, 19, 999, u16::MAX] {
                refused(&mut client, command, &payload, EINVAL);
            }
            if !payload.is_empty() {
                refused(&mut client, 13, &payload, EINVAL);
            }
        }
    });
}
