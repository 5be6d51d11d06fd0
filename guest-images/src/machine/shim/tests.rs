// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

use super::*;
use crate::machine::board::Board;
use crate::machine::layout::tests::SHAPE;

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

#[test]
fn the_code_is_what_was_meant() {
    let image = assemble(&[]).unwrap();
    let code = &image[..code_size()];
    let mut text = String::new();
    let decoder = InstDecoder::default();
    for (at, word) in code.chunks(4).enumerate().filter(|(at, _)| *at == 0 || *at >= 16) {
        let instruction = decoder.decode(&mut U8Reader::new(word));
        let shown = instruction.map_or_else(|e| format!("{word:02x?}: {e:?}"), |i| i.to_string());
        text.push_str(&format!("{:3x}  {shown}\n", at * 4));
    }
    insta::assert_snapshot!(text);
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
