// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The boot shim: what firmware does on a real board, in a few AArch64 instructions.
//!
//! QEMU takes it as `-kernel`, because it starts with the header of an arm64 Linux Image, and enters it with the device
//! tree's address in x0. It gives every SMMU's PCI function its addresses, fills and enables its MSI-X table, and jumps
//! to the real kernel at [`layout::KERNEL`]. It runs at every reset, since a PCI reset clears the BARs.

use dynasmrt::{DynasmApi, DynasmLabelApi, VecAssembler, aarch64::Aarch64Relocation, dynasm};

use crate::machine::board::BoardError;
use crate::machine::layout::{self, Layout, SmmuLayout};

#[cfg(test)]
mod tests;

/// PCI capability ID of MSI-X.
const MSIX_CAPABILITY: u32 = 0x11;

/// [`layout::KERNEL`] as the two halves that the shim loads.
#[expect(clippy::cast_possible_truncation, reason = "below 4 GiB")]
const KERNEL_HIGH: u32 = (layout::KERNEL >> 16) as u32;
const KERNEL_LOW: u32 = (layout::KERNEL & 0xffff) as u32;

/// One row of the shim's table: 16 bytes, little-endian: address, value, what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    address: u64,
    value: u32,
    action: Action,
}

/// Action of a row. The numbers are compared in the shim's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// The end of the table.
    End = 0,
    /// Writes 16 bits.
    Write16 = 2,
    /// Writes 32 bits.
    Write32 = 4,
    /// Address is a configuration space: finds the capability with the ID `value` and sets the enable bit of MSI-X.
    EnableMsix = 8,
}

/// The shim for a board: code, then table.
///
/// # Errors
///
/// Only if the assembler fails, which no board can cause.
pub fn boot_shim(layout: &Layout) -> Result<Vec<u8>, BoardError> {
    let rows: Vec<Row> = layout.smmus.iter().flat_map(smmu_rows).collect();
    assemble(&rows).map_err(|e| BoardError::new("boot shim", e.to_string()))
}

fn smmu_rows(smmu: &SmmuLayout) -> Vec<Row> {
    let config = smmu.config_space();
    let bar = |offset: u64, address: u64| {
        // The 32-bit window ends below 4 GiB.
        let value = u32::try_from(address).unwrap_or(0);
        Row {
            address: config + offset,
            value,
            action: Action::Write32,
        }
    };
    let mut rows = vec![
        bar(0x10, smmu.registers),
        bar(0x18, smmu.marks),
        bar(0x20, smmu.msix),
    ];
    // Command: answer at the BARs, be a bus master (an MSI is a write to memory), no INTx.
    rows.push(Row {
        address: config + 0x04,
        value: 0x0406,
        action: Action::Write16,
    });
    for (entry, intid) in (smmu.msix..).step_by(16).zip(smmu.vectors()) {
        let word = |offset, value| Row {
            address: entry + offset,
            value,
            action: Action::Write32,
        };
        rows.push(word(0, u32::try_from(layout::GICV2M_DOORBELL).unwrap_or(0)));
        rows.push(word(4, 0));
        rows.push(word(8, intid));
        rows.push(word(12, 0));
    }
    rows.push(Row {
        address: config,
        value: MSIX_CAPABILITY,
        action: Action::EnableMsix,
    });
    rows
}

fn assemble(rows: &[Row]) -> Result<Vec<u8>, dynasmrt::DynasmError> {
    let mut code = VecAssembler::<Aarch64Relocation>::new(0);
    let table = 16 * (rows.len() + 1);
    dynasm!(code
        ; .arch aarch64
        // Linux's Documentation/arch/arm64/booting.rst: the 64-byte header.
        ; b >start
        ; .u32 0
        // Offset from a 2 MiB boundary, size (filled in below), little-endian with 4 KiB pages.
        ; .u64 0
        ; .u64 0
        ; .u64 0xa
        ; .u64 0, 0, 0
        ; .bytes b"ARM\x64"
        ; .u32 0

        ; start:
        ; adr x1, >table
        ; next:
        ; ldr x2, [x1]
        ; ldp w3, w4, [x1, #8]
        ; add x1, x1, #16
        ; cbz w4, >kernel
        ; cmp w4, #2
        ; b.eq >write16
        ; cmp w4, #4
        ; b.eq >write32

        // MSI-X: walk the capability list from the pointer at 0x34; an empty or broken list ends after 48 steps.
        ; ldrb w5, [x2, #0x34]
        ; movz w8, #48
        ; capability:
        ; and w5, w5, #0xfc
        ; cbz w5, <next
        ; cbz w8, <next
        ; sub w8, w8, #1
        ; add x6, x2, x5
        ; ldrb w7, [x6]
        ; cmp w7, w3
        ; b.eq >found
        ; ldrb w5, [x6, #1]
        ; b <capability
        // Message control: enable is bit 15, function mask bit 14.
        ; found:
        ; ldrh w7, [x6, #2]
        ; and w7, w7, #0x3fff
        ; orr w7, w7, #0x8000
        ; strh w7, [x6, #2]
        ; b <next

        ; write16:
        ; strh w3, [x2]
        ; b <next
        ; write32:
        ; str w3, [x2]
        ; b <next

        ; kernel:
        ; dsb sy
        ; movz x2, #KERNEL_HIGH, lsl #16
        ; movk x2, #KERNEL_LOW
        // x0 is still the device tree.
        ; movz x1, #0
        ; mov x4, x2
        ; movz x2, #0
        ; movz x3, #0
        ; br x4
        ; .align 16
        ; table:
    );
    let end = Row {
        address: 0,
        value: 0,
        action: Action::End,
    };
    for row in rows.iter().chain([&end]) {
        code.push_u64(row.address);
        code.push_u32(row.value);
        code.push_u32(row.action as u32);
    }
    let mut image = code.finalize()?;
    debug_assert!(image.len() >= table);
    let size = (image.len() as u64).to_le_bytes();
    if let Some(field) = image.get_mut(16..24) {
        field.copy_from_slice(&size);
    }
    Ok(image)
}
