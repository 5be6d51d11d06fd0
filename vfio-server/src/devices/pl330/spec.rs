// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The registers of the controller, from the CoreLink DMA-330 Technical Reference Manual, DDI 0424 §3. Types and the
//! table only, no algorithms.

use smmu_emu::regs::AccessRule;

mod fields;

pub use fields::{Ccr, Cr0, Cr1, Crd, Csr, DBGCMD_EXECUTE, Dbginst0, DebugThread, Dsr, Faults, Status};

/// Bytes of the register block.
pub const BLOCK_SIZE: u64 = 0x1000;

/// Most channels that a controller has.
pub const MAX_CHANNELS: usize = 8;

/// A register; n of an array is a channel, or a byte of an identification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "ROWS describes them")]
pub enum Register {
    Dsr,
    Dpc,
    Inten,
    IntEventRis,
    Intmis,
    Intclr,
    Fsrd,
    Fsrc,
    Ftrd,
    Ftr,
    Csr,
    Cpc,
    Sar,
    Dar,
    Ccr,
    Lc0,
    Lc1,
    Dbgstatus,
    Dbgcmd,
    Dbginst0,
    Dbginst1,
    Cr0,
    Cr1,
    Cr2,
    Cr3,
    Cr4,
    Crd,
    Wd,
    PeriphId,
    PcellId,
}

/// A row of the table: a register, or an array of them.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which.
    pub register: Register,
    /// The manual's name; an `n` stands for a number.
    pub name: &'static str,
    /// Byte offset of the first in the block.
    pub offset: u32,
    /// Number of registers in the array, 1 for a single one.
    pub count: u32,
    /// Bytes from one register of the array to the next.
    pub stride: u32,
    /// Access rule.
    pub access: AccessRule,
    /// Bits that software can write or trigger with.
    pub write: u32,
    /// Meaning.
    pub doc: &'static str,
}

impl Row {
    const fn one(register: Register, name: &'static str, offset: u32, doc: &'static str) -> Self {
        Self::many(register, name, offset, 1, 4, doc)
    }

    const fn many(
        register: Register,
        name: &'static str,
        offset: u32,
        count: u32,
        stride: u32,
        doc: &'static str,
    ) -> Self {
        Self {
            register,
            name,
            offset,
            count,
            stride,
            access: AccessRule::Ro,
            write: 0,
            doc,
        }
    }

    const fn writable(self, access: AccessRule, write: u32) -> Self {
        Self {
            access,
            write,
            ..self
        }
    }
}

/// The table, in address order of the first register of each row. An offset without a row reads as zero and ignores
/// writes.
pub const ROWS: [Row; 30] = {
    use AccessRule::{Rw, Wo};
    use Register as R;
    const ALL: u32 = u32::MAX;
    [
        Row::one(R::Dsr, "DSR", 0x000, "Status of the manager."),
        Row::one(R::Dpc, "DPC", 0x004, "Program counter of the manager."),
        Row::one(
            R::Inten,
            "INTEN",
            0x020,
            "Which events raise an interrupt instead of waking threads.",
        )
        .writable(Rw, ALL),
        Row::one(
            R::IntEventRis,
            "INT_EVENT_RIS",
            0x024,
            "Events and interrupts that are active.",
        ),
        Row::one(R::Intmis, "INTMIS", 0x028, "Interrupts that are active."),
        Row::one(R::Intclr, "INTCLR", 0x02c, "Clears interrupts.").writable(Wo, ALL),
        Row::one(R::Fsrd, "FSRD", 0x030, "Whether the manager is faulting."),
        Row::one(R::Fsrc, "FSRC", 0x034, "Channels that are faulting."),
        Row::one(R::Ftrd, "FTRD", 0x038, "Why the manager is faulting."),
        Row::many(R::Ftr, "FTRn", 0x040, 8, 4, "Why channel n is faulting."),
        Row::many(R::Csr, "CSRn", 0x100, 8, 8, "Status of channel n."),
        Row::many(R::Cpc, "CPCn", 0x104, 8, 8, "Program counter of channel n."),
        Row::many(R::Sar, "SARn", 0x400, 8, 0x20, "Source address of channel n."),
        Row::many(
            R::Dar,
            "DARn",
            0x404,
            8,
            0x20,
            "Destination address of channel n.",
        ),
        Row::many(
            R::Ccr,
            "CCRn",
            0x408,
            8,
            0x20,
            "Control of the transfers of channel n.",
        ),
        Row::many(R::Lc0, "LC0_n", 0x40c, 8, 0x20, "Loop counter 0 of channel n."),
        Row::many(R::Lc1, "LC1_n", 0x410, 8, 0x20, "Loop counter 1 of channel n."),
        Row::one(
            R::Dbgstatus,
            "DBGSTATUS",
            0xd00,
            "Whether a debug instruction is under way.",
        ),
        Row::one(R::Dbgcmd, "DBGCMD", 0xd04, "Executes the debug instruction.").writable(Wo, 3),
        Row::one(
            R::Dbginst0,
            "DBGINST0",
            0xd08,
            "Debug instruction: bytes 0 and 1, thread.",
        )
        .writable(Wo, ALL),
        Row::one(R::Dbginst1, "DBGINST1", 0xd0c, "Debug instruction: bytes 2 to 5.").writable(Wo, ALL),
        Row::one(R::Cr0, "CR0", 0xe00, "Features of the controller."),
        Row::one(R::Cr1, "CR1", 0xe04, "Its instruction cache."),
        Row::one(R::Cr2, "CR2", 0xe08, "Where it boots from."),
        Row::one(R::Cr3, "CR3", 0xe0c, "Events of Non-secure state."),
        Row::one(R::Cr4, "CR4", 0xe10, "Peripherals of Non-secure state."),
        Row::one(R::Crd, "CRD", 0xe14, "Its data path."),
        Row::one(R::Wd, "WD", 0xe80, "Effect of a lock-up.").writable(Rw, 1),
        Row::many(
            R::PeriphId,
            "periph_id_n",
            0xfe0,
            4,
            4,
            "Identification of the peripheral, a byte each.",
        ),
        Row::many(
            R::PcellId,
            "pcell_id_n",
            0xff0,
            4,
            4,
            "Identification as a PrimeCell, a byte each.",
        ),
    ]
};

/// The row of a byte offset, and which register of its array. Offsets within a register belong to none.
#[must_use]
pub fn find(offset: u64) -> Option<(&'static Row, u32)> {
    let offset = u32::try_from(offset).ok()?;
    ROWS.iter().find_map(|row| {
        let past = offset.checked_sub(row.offset)?;
        let index = past / row.stride;
        (past.is_multiple_of(row.stride) && index < row.count).then_some((row, index))
    })
}

#[cfg(test)]
mod tests;
