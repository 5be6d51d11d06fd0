// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::collections::HashMap;

use super::{BLOCK_SIZE, Ccr, Cr0, Crd, Csr, Dbginst0, Dsr, ROWS, find};

#[test]
fn every_offset_has_one_register() {
    let mut taken = HashMap::new();
    for row in &ROWS {
        for index in 0..row.count {
            let offset = row.offset + index * row.stride;
            assert!(
                offset.is_multiple_of(4) && u64::from(offset) < BLOCK_SIZE,
                "{}",
                row.name
            );
            assert_eq!(
                taken.insert(offset, row.name),
                None,
                "{} at {offset:#x}",
                row.name
            );
            let (found, number) = find(offset.into()).expect("it is in the table");
            assert_eq!((found.name, number), (row.name, index));
            assert!(find(u64::from(offset) + 1).is_none(), "{}", row.name);
        }
    }
    assert_eq!(
        ROWS.iter()
            .map(|row| row.register)
            .collect::<std::collections::HashSet<_>>()
            .len(),
        ROWS.len()
    );
    for hole in [0x008, 0x03c, 0x060, 0x140, 0x414, 0x500, 0xe18, 0x1000, u64::MAX] {
        assert!(find(hole).is_none(), "{hole:#x}");
    }
}

/// Field positions, from DDI 0424 once more.
#[test]
fn fields_are_where_the_manual_has_them() {
    assert_eq!(
        Dsr::dns_mask() | Dsr::wakeup_event_mask() | Dsr::dma_status_mask(),
        0x3ff
    );
    assert_eq!(Csr::cns_mask(), 1 << 21);
    assert_eq!(
        (Csr::dmawfp_periph_mask(), Csr::dmawfp_b_ns_mask()),
        (1 << 15, 1 << 14)
    );
    assert_eq!(
        (Csr::wakeup_number_mask(), Csr::channel_status_mask()),
        (0x1f0, 0xf)
    );
    assert_eq!(Ccr::endian_swap_size_mask(), 0x7000_0000);
    assert_eq!(
        (Ccr::dst_cache_ctrl_mask(), Ccr::dst_prot_ctrl_mask()),
        (7 << 25, 7 << 22)
    );
    assert_eq!(
        (Ccr::dst_burst_len_mask(), Ccr::dst_burst_size_mask()),
        (0xf << 18, 7 << 15)
    );
    assert_eq!((Ccr::dst_inc_mask(), Ccr::src_inc_mask()), (1 << 14, 1));
    assert_eq!(
        (Ccr::src_cache_ctrl_mask(), Ccr::src_prot_ctrl_mask()),
        (7 << 11, 7 << 8)
    );
    assert_eq!(
        (Ccr::src_burst_len_mask(), Ccr::src_burst_size_mask()),
        (0xf << 4, 7 << 1)
    );
    assert_eq!(
        (Cr0::num_events_mask(), Cr0::num_periph_req_mask()),
        (0x1f << 17, 0x1f << 12)
    );
    assert_eq!(
        (Cr0::num_chnls_mask(), Cr0::mgr_ns_at_rst_mask()),
        (7 << 4, 1 << 2)
    );
    assert_eq!(
        (Crd::data_buffer_dep_mask(), Crd::data_width_mask()),
        (0x3ff << 20, 7)
    );
    assert_eq!(
        (Dbginst0::byte1_mask(), Dbginst0::byte0_mask()),
        (0xff << 24, 0xff << 16)
    );
    assert_eq!((Dbginst0::channel_mask(), Dbginst0::thread_mask()), (7 << 8, 1));
}
