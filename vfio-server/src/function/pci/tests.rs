// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

fn space() -> ConfigSpace {
    ConfigSpace::new([0x8_0000, 0, 0x1000, 0, MSIX_BAR_SIZE, 0], 9)
}

fn read32(space: &ConfigSpace, offset: u64) -> u32 {
    let mut data = [0; 4];
    space.read(offset, &mut data);
    u32::from_le_bytes(data)
}

#[test]
fn is_a_system_peripheral_without_interrupt_pin() {
    let space = space();
    assert_eq!(read32(&space, 0x08) >> 8, 0x08_80_00);
    let mut header_type = [0xff];
    space.read(0x0e, &mut header_type);
    assert_eq!(header_type, [0]);
    let mut pin = [0xff];
    space.read(0x3d, &mut pin);
    assert_eq!(pin, [0]);
}

#[test]
fn bars_tell_their_size_when_ones_are_written() {
    let mut space = space();
    for (bar, size) in [
        (0, 0x8_0000_u32),
        (1, 0),
        (2, 0x1000),
        (3, 0),
        (4, 0x2000),
        (5, 0),
    ] {
        let offset = 0x10 + 4 * bar;
        assert_eq!(read32(&space, offset), 0);
        space.write(offset, &[0xff; 4]);
        assert_eq!(read32(&space, offset), size.wrapping_neg(), "BAR{bar}");
        space.write(offset, &0x3012_3456_u32.to_le_bytes());
        assert_eq!(read32(&space, offset), 0x3012_3456 & size.wrapping_neg());
    }
    space.write(0x30, &[0xff; 4]);
    assert_eq!(read32(&space, 0x30), 0, "no expansion ROM");
}

#[test]
fn the_capability_list_is_msix_alone() {
    let mut space = space();
    assert_eq!(read32(&space, 0x04) >> 16 & 0x10, 0x10);
    let at = u64::from(read32(&space, 0x34) & 0xff);
    assert_eq!(read32(&space, at), 0x0008_0011, "MSI-X, no next, nine vectors");
    assert_eq!(read32(&space, at + 4), 4, "table at 0 of BAR4");
    assert_eq!(
        read32(&space, at + 8),
        0x1000 | 4,
        "pending bits at 0x1000 of BAR4"
    );
    space.write(at, &[0xff; 12]);
    assert_eq!(
        read32(&space, at),
        0xc008_0011,
        "only enable and mask are writable"
    );
    assert_eq!(read32(&space, at + 4), 4);
}

#[test]
fn reset_undoes_every_write() {
    let mut space = space();
    let image = |space: &ConfigSpace| {
        let mut data = [0; CONFIG_SIZE];
        space.read(0, &mut data);
        data
    };
    let before = image(&space);
    space.write(0, &[0xff; CONFIG_SIZE]);
    assert_ne!(image(&space), before);
    assert_eq!(read32(&space, 0x04) & 0xffff, 0x0546);
    assert_eq!(read32(&space, 0), read32(&self::space(), 0), "IDs are read-only");
    space.reset();
    assert_eq!(image(&space), before);
}

#[test]
fn beyond_the_end_there_is_nothing() {
    let mut space = space();
    let mut data = [0xaa; 8];
    space.read(252, &mut data);
    assert_eq!(data[4..], [0; 4]);
    space.read(u64::MAX, &mut data);
    assert_eq!(data, [0; 8]);
    space.write(u64::MAX, &[1; 8]);
    space.write(252, &[1; 8]);
}
