// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The boot shim: what firmware does on a real board, in a few AArch64 instructions.
//!
//! QEMU takes it as `-kernel`, because it starts with the header of an arm64 Linux Image, and enters it with the device
//! tree's address in x0. It gives every SMMU's PCI function its addresses, fills and enables its MSI-X table, and jumps
//! to the real kernel at [`layout::KERNEL`]. It runs at every reset, since a PCI reset clears the BARs.

use dynasmrt::{DynasmApi, DynasmError, DynasmLabelApi, VecAssembler, aarch64::Aarch64Relocation, dynasm};

use crate::machine::board::BoardError;
use crate::machine::layout::{self, Layout};
use crate::machine::rows::{self, Row};

#[cfg(test)]
mod tests;

/// [`layout::KERNEL`] as the two halves that the shim loads.
#[expect(clippy::cast_possible_truncation, reason = "below 4 GiB")]
const KERNEL_HIGH: u32 = (layout::KERNEL >> 16) as u32;
const KERNEL_LOW: u32 = (layout::KERNEL & 0xffff) as u32;

/// The shim for a board: code, then table.
///
/// # Errors
///
/// Only if the assembler fails, which no board can cause.
pub fn boot_shim(layout: &Layout) -> Result<Vec<u8>, BoardError> {
    assemble(&rows::of(layout)).map_err(|e| BoardError::new("boot shim", e.to_string()))
}

fn assemble(rows: &[Row]) -> Result<Vec<u8>, DynasmError> {
    let mut code = VecAssembler::<Aarch64Relocation>::new(0);
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
    );
    rows::emit_actions(&mut code);
    dynasm!(code
        ; .arch aarch64
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
    );
    let mut image = rows::finish(code, rows)?;
    let size = (image.len() as u64).to_le_bytes();
    if let Some(field) = image.get_mut(16..24) {
        field.copy_from_slice(&size);
    }
    Ok(image)
}
