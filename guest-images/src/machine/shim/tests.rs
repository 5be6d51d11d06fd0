// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use self::cpu::{Cpu, DEVICE_TREE};
use super::*;
use crate::machine::board::Board;
use crate::machine::layout::SmmuLayout;
use crate::machine::layout::tests::SHAPE;
use crate::machine::rows::{Action, MSIX_CAPABILITY};

mod cpu;

fn shim() -> (Layout, Vec<u8>) {
    let board: Board = toml::from_str(crate::machine::board::tests::FULL).unwrap();
    let layout = Layout::new(&board, &[SHAPE; 2]).unwrap();
    let image = boot_shim(&layout).unwrap();
    (layout, image)
}

fn rows(image: &[u8]) -> Vec<(u64, u32, u32)> {
    let bytes = image.len() % 16;
    assert_eq!(bytes, 0, "the table is aligned");
    let row = |row: &[u8]| {
        let word = |at: usize| u32::from_le_bytes(row[at..at + 4].try_into().unwrap());
        (
            u64::from_le_bytes(row[..8].try_into().unwrap()),
            word(8),
            word(12),
        )
    };
    image[code_size()..].chunks(16).map(row).collect()
}

/// Size of the code with the header: a shim with an empty table, less its end row.
fn code_size() -> usize {
    assemble(&[]).unwrap().len() - 16
}

#[test]
fn qemu_takes_it_for_a_linux_image() {
    let (_, image) = shim();
    assert_eq!(&image[56..60], b"ARM\x64");
    assert_eq!(image[8..16], [0; 8], "text offset");
    assert_eq!(image[16..24], (image.len() as u64).to_le_bytes(), "image size");
    assert_eq!(
        u64::from_le_bytes(image[24..32].try_into().unwrap()),
        0xa,
        "little-endian, 4 KiB pages"
    );
    assert!(code_size() < 1024);
}

/// The shim at work, on its own image: registers set by the table, MSI-X enabled in the capability lists, the kernel
/// entered as booting.rst wants it.
#[test]
fn the_shim_carries_out_its_table_and_enters_the_kernel() {
    let (_, image) = shim();
    let rows = rows(&image);
    let mut cpu = Cpu::new(&image);
    let functions: Vec<u64> = rows.iter().filter(|row| row.2 == 8).map(|row| row.0).collect();
    assert_eq!(functions.len(), 2);
    for &function in &functions {
        // Power management before MSI-X, which has its vectors masked and reserved bits set.
        cpu.store(function + 0x34, 1, 0x43);
        cpu.store(function + 0x40, 2, 0x5001);
        cpu.store(function + 0x50, 4, 0x7805_0011);
    }
    cpu.x[0] = DEVICE_TREE;
    cpu.run();
    let mut expected = Vec::new();
    for (address, value, action) in rows {
        match action {
            0 => {}
            8 => expected.push((address + 0x52, 2, 0xb805)),
            size => expected.push((address, size as usize, value.into())),
        }
    }
    assert_eq!(cpu.stores, expected);
    assert_eq!(cpu.pc, layout::KERNEL);
    assert_eq!(cpu.x[..4], [DEVICE_TREE, 0, 0, 0]);
}

#[test]
fn a_function_without_msix_and_a_list_in_a_circle_do_not_stop_it() {
    const FUNCTION: u64 = 0x40_1000_8000;
    for (first, next) in [(0, 0), (0x40, 0), (0x40, 0x40)] {
        let row = Row {
            address: FUNCTION,
            value: MSIX_CAPABILITY,
            action: Action::EnableMsix,
        };
        let mut cpu = Cpu::new(&assemble(&[row]).unwrap());
        cpu.store(FUNCTION + 0x34, 1, first);
        cpu.store(FUNCTION + 0x40, 2, next << 8 | 1);
        cpu.run();
        assert_eq!((cpu.pc, &*cpu.stores), (layout::KERNEL, &[][..]));
    }
}

#[test]
fn the_table_sets_up_both_functions() {
    let (layout, image) = shim();
    let rows = rows(&image);
    // Per function: three BARs, the command register, four words for each of three vectors, MSI-X.
    assert_eq!(rows.len(), 2 * (3 + 1 + 3 * 4 + 1) + 1);
    let function = 0x40_1001_8000;
    assert!(rows.contains(&(function + 0x10, 0x3100_0000, 4)));
    assert!(rows.contains(&(function + 0x18, 0x3180_0000, 4)));
    assert!(rows.contains(&(function + 0x20, 0x31c0_0000, 4)));
    assert!(rows.contains(&(function + 0x04, 0x0406, 2)));
    assert!(rows.contains(&(function, 0x11, 8)));
    // The second function's last vector: address, upper address, data, unmasked.
    assert_eq!(layout.smmus[1].intids, [83, 84, 85]);
    let vector: Vec<_> = rows
        .iter()
        .filter(|row| (0x31c0_0020..0x31c0_0030).contains(&row.0))
        .collect();
    assert_eq!(
        vector,
        [
            &(0x31c0_0020, 0x0802_0040, 4),
            &(0x31c0_0024, 0, 4),
            &(0x31c0_0028, 85, 4),
            &(0x31c0_002c, 0, 4)
        ]
    );
    assert_eq!(rows.last(), Some(&(0, 0, 0)));
}

#[test]
fn a_full_board_fits_below_the_kernel() {
    let smmu = SmmuLayout {
        name: "s".into(),
        slot: 2,
        registers: 0,
        register_space: 0x1000,
        marks: 0,
        msix: 0,
        intids: vec![0; 64],
        masters: Vec::new(),
        clock: None,
    };
    let layout = Layout {
        smmus: vec![smmu; crate::machine::board::MAX_SMMUS],
        clients: Vec::new(),
    };
    // QEMU puts an Image with text offset 0 two MiB into memory.
    let end = layout::MEMORY + 0x20_0000 + boot_shim(&layout).unwrap().len() as u64;
    assert!(end <= layout::KERNEL);
}
