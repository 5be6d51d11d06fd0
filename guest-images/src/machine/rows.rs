// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Rows of accesses that set a board up, as firmware would: a table, and the AArch64 code that carries its rows out.
//! The boot shim and the program for a running guest have both.

use dynasmrt::{DynasmApi, DynasmError, DynasmLabelApi, VecAssembler, aarch64::Aarch64Relocation, dynasm};

use crate::machine::layout::{self, Layout, SmmuLayout};

/// PCI capability ID of MSI-X.
pub(super) const MSIX_CAPABILITY: u32 = 0x11;
/// Offset of BAR0 in a configuration space.
pub(super) const BAR0: u64 = 0x10;

/// One row: 16 bytes, little-endian: address, value, action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) address: u64,
    pub(super) value: u32,
    pub(super) action: Action,
}

/// Action of a row. The numbers are compared in the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The end of the table.
    End = 0,
    /// Writes 16 bits.
    Write16 = 2,
    /// Writes 32 bits.
    Write32 = 4,
    /// Address is a configuration space: finds the capability with the ID `value` and sets the enable bit of MSI-X.
    EnableMsix = 8,
    /// Waits until the 32 bits at the address are `value`; for the program, the shim has no such row.
    Await = 16,
}

/// The rows for a board: every SMMU's PCI function gets its addresses, and its MSI-X table is filled and enabled.
pub(super) fn of(layout: &Layout) -> Vec<Row> {
    layout.smmus.iter().flat_map(smmu_rows).collect()
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
        bar(BAR0, smmu.registers),
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

/// Code for one row: its address is in x2, its value in w3, its action, which is not [`Action::End`], in w4. It goes on
/// at the label `next`, which stands before it, and uses w5 to w8.
pub(super) fn emit_actions(code: &mut VecAssembler<Aarch64Relocation>) {
    dynasm!(code
        ; .arch aarch64
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
    );
}

/// The finished code with its table, to which the label `table` leads.
///
/// # Errors
/// Only if the assembler fails, which no board can cause.
pub(super) fn finish(
    mut code: VecAssembler<Aarch64Relocation>,
    rows: &[Row],
) -> Result<Vec<u8>, DynasmError> {
    dynasm!(code
        ; .arch aarch64
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
    code.finalize()
}
