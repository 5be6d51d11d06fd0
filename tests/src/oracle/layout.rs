// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Layout of the memory of the machine.

/// Start of RAM of QEMU's `virt` machine; its device tree lies there.
pub const RAM: u64 = 0x4000_0000;
/// Bytes of RAM.
pub const RAM_SIZE: u64 = 64 << 20;
/// The guest's code.
pub const CODE: u64 = 0x4020_0000;
/// Request, count and answer: see [`super::machine`].
pub const MAILBOX: u64 = 0x4040_0000;
/// The cases of a batch, [`super::case::RECORD`] bytes each.
pub const CASES: u64 = MAILBOX + 0x800;
/// A slot: a table of any granule, or several small ones.
pub const SLOT: u64 = 0x1_0000;
/// Stage 2 tables: for each of the levels 0 to 3 as many slots as can be concatenated.
pub const STAGE2: u64 = 0x4100_0000;
/// Slots of a level of stage 2.
pub const STAGE2_SLOTS: u64 = 16;
/// Stage 1 tables. The level of a slot is its number modulo four, so that stage 2 pages keep the level if they keep
/// the address bits below [`STAGE1_GROUP`].
pub const STAGE1: u64 = 0x4200_0000;
/// Slots of stage 1.
pub const STAGE1_SLOTS: u64 = 64;
/// One slot of each level.
pub const STAGE1_GROUP: u64 = 4 * SLOT;
/// Bytes of the tables of one stage.
pub const POOL: u64 = 4 << 20;
/// Lower address bits of the stage 1 tables: all that stage 2 blocks of any size keep.
pub const STAGE1_OFFSET: u64 = STAGE1 - RAM;
