// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The registers of the test master, as a table, and what writing them does.

use super::transfer::Transfer;
use crate::dma::port::Access;

/// Offset of the window of data; it goes on to the end of the block.
pub const WINDOW: u64 = 0x800;
/// Bytes of the window.
pub const WINDOW_SIZE: usize = 0x800;
/// The longest transfer in bytes.
pub const LIMIT: u32 = 1 << 20;
/// `ID`.
pub const ID: u32 = 0x5453_4d31;
/// `MISMATCH` if there is none.
pub const NO_MISMATCH: u32 = u32::MAX;

/// A register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Register {
    /// Says what this is.
    Id = 0x00,
    /// The longest transfer.
    Limit = 0x04,
    /// Lower half of the bus address.
    AddressLow = 0x08,
    /// Upper half.
    AddressHigh = 0x0c,
    /// Bytes to transfer.
    Length = 0x10,
    /// See [`control`].
    Control = 0x14,
    /// Stream ID of the accesses.
    Stream = 0x18,
    /// Seed of the pattern.
    Seed = 0x1c,
    /// Number of rounds.
    Repeat = 0x20,
    /// See [`trigger`].
    Trigger = 0x24,
    /// See [`Status`].
    Status = 0x28,
    /// Bytes of the last round.
    Done = 0x2c,
    /// Complete rounds.
    Rounds = 0x30,
    /// Checksum of the last complete round.
    Checksum = 0x34,
    /// Offset of the first mismatch with the pattern.
    Mismatch = 0x38,
    /// Bus errors of the transfer.
    Errors = 0x3c,
}

/// One row of the table of registers.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The register; its number is the offset.
    pub register: Register,
    /// Its name.
    pub name: &'static str,
    /// The bits that a write changes.
    pub writable: u32,
    /// The value after a reset.
    pub reset: u32,
    /// Meaning.
    pub about: &'static str,
}

macro_rules! rows {
    ($($register:ident $name:literal $writable:expr, $reset:expr, $about:literal;)*) => {
        &[$(Row {
            register: Register::$register,
            name: $name,
            writable: $writable,
            reset: $reset,
            about: $about,
        }),*]
    };
}

/// The registers, in the order of their offsets, without a gap.
pub const ROWS: &[Row] = rows! {
    Id          "ID"       0,        ID,          "`TSM1`.";
    Limit       "LIMIT"    0,        LIMIT,       "The longest transfer in bytes.";
    AddressLow  "ADDRESS"  u32::MAX, 0,           "Bus address, lower half.";
    AddressHigh "ADDRESS"  u32::MAX, 0,           "Bus address, upper half.";
    Length      "LENGTH"   u32::MAX, 0,           "Bytes of the transfer, 1 to LIMIT.";
    Control     "CONTROL"  0x1f,     0,           "Bit 0: writes memory, rather than reads it. Bit 1: \
                                                   privileged. Bit 2: instruction fetch (reads). Bit 3: \
                                                   writes the window, rather than the pattern. Bit 4: goes on \
                                                   with the next page after a bus error.";
    Stream      "STREAM"   0xffff,   0,           "Stream ID of the accesses; after a reset that of the configuration.";
    Seed        "SEED"     u32::MAX, 0,           "Of the pattern.";
    Repeat      "REPEAT"   u32::MAX, 1,           "How many times the transfer is made; 0 is until it is stopped.";
    Trigger     "TRIGGER"  0,        0,           "Writing bit 0 starts, unless a transfer runs. Writing bit \
                                                   1 ends it after the round. Reads as 0.";
    Status      "STATUS"   0,        0,           "0 idle, 1 runs, 2 done, 3 ended with a bus error, 4 \
                                                   LENGTH is refused.";
    Done        "DONE"     0,        0,           "Bytes of the last round, skipped ones included; after a bus \
                                                   error that ended it those before the page that failed, at least.";
    Rounds      "ROUNDS"   0,        0,           "Rounds that were completed.";
    Checksum    "CHECKSUM" 0,        0,           "CRC-32 (IEEE) of the data of the last completed round, without \
                                                   skipped pages.";
    Mismatch    "MISMATCH" 0,        NO_MISMATCH, "Offset of the first byte read that is not the pattern's; \
                                                   all ones if there is none.";
    Errors      "ERRORS"   0,        0,           "Bus errors of all rounds, one for each page at most.";
};

/// Bits of CONTROL.
pub mod control {
    /// Writes memory.
    pub const WRITE: u32 = 1 << 0;
    /// Privileged.
    pub const PRIVILEGED: u32 = 1 << 1;
    /// Instruction fetch.
    pub const INSTRUCTION: u32 = 1 << 2;
    /// Writes the window.
    pub const WINDOW: u32 = 1 << 3;
    /// Goes on with the next page after a bus error.
    pub const GO_ON: u32 = 1 << 4;
}

/// Bits of TRIGGER.
pub mod trigger {
    /// Starts.
    pub const START: u32 = 1 << 0;
    /// Ends after the round.
    pub const STOP: u32 = 1 << 1;
}

/// Values of STATUS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// Nothing was started.
    Idle = 0,
    /// A transfer runs, or is stalled.
    Running = 1,
    /// All rounds are complete, or it was stopped.
    Done = 2,
    /// It ended with a bus error.
    BusError = 3,
    /// LENGTH is 0 or more than LIMIT.
    Refused = 4,
}

/// The state of the block.
#[derive(Debug)]
pub(super) struct Registers {
    pub(super) stream: u16,
    pub(super) words: [u32; ROWS.len()],
    pub(super) window: [u8; WINDOW_SIZE],
    /// The transfer that runs is this one; a thread that comes from an earlier one has nothing to say.
    pub(super) serial: u64,
    /// A transfer that the thread has not taken yet.
    pub(super) next: Option<Transfer>,
    pub(super) stop: bool,
}

impl Registers {
    pub(super) fn new(stream: u16) -> Self {
        let mut registers = Self {
            stream,
            words: [0; ROWS.len()],
            window: [0; WINDOW_SIZE],
            serial: 0,
            next: None,
            stop: false,
        };
        registers.reset();
        registers
    }

    pub(super) fn reset(&mut self) {
        for (word, row) in self.words.iter_mut().zip(ROWS) {
            *word = row.reset;
        }
        self.set(Register::Stream, self.stream.into());
        self.window = [0; WINDOW_SIZE];
        self.serial += 1;
        self.next = None;
        self.stop = false;
    }

    pub(super) fn get(&self, register: Register) -> u32 {
        self.words.get(register as usize / 4).copied().unwrap_or(0)
    }

    pub(super) fn set(&mut self, register: Register, value: u32) {
        if let Some(word) = self.words.get_mut(register as usize / 4) {
            *word = value;
        }
    }

    pub(super) fn byte(&self, offset: u64) -> u8 {
        let narrow = |at| usize::try_from(at).unwrap_or(usize::MAX);
        match offset.checked_sub(WINDOW) {
            Some(at) => self.window.get(narrow(at)).copied().unwrap_or(0),
            None => {
                let at = narrow(offset);
                self.words
                    .get(at / 4)
                    .map_or(0, |word| word.to_le_bytes()[at % 4])
            }
        }
    }

    /// Writes a register. Returns whether there is a transfer to make now.
    pub(super) fn write(&mut self, offset: usize, value: u32) -> bool {
        let number = offset / 4;
        let (Some(row), Some(word)) = (ROWS.get(number), self.words.get_mut(number)) else {
            return false;
        };
        *word = *word & !row.writable | value & row.writable;
        if row.register != Register::Trigger {
            return false;
        }
        if value & trigger::STOP != 0 {
            self.stop = true;
        }
        value & trigger::START != 0 && self.get(Register::Status) != Status::Running as u32 && self.begin()
    }

    fn begin(&mut self) -> bool {
        let length = self.get(Register::Length);
        let accepted = (1..=LIMIT).contains(&length);
        let status = if accepted {
            Status::Running
        } else {
            Status::Refused
        };
        for (register, value) in [
            (Register::Status, status as u32),
            (Register::Done, 0),
            (Register::Rounds, 0),
            (Register::Checksum, 0),
            (Register::Mismatch, NO_MISMATCH),
            (Register::Errors, 0),
        ] {
            self.set(register, value);
        }
        self.serial += 1;
        self.stop = false;
        if !accepted {
            return false;
        }
        let control = self.get(Register::Control);
        let is = |bit| control & bit != 0;
        let low = u64::from(self.get(Register::AddressLow));
        self.next = Some(Transfer {
            serial: self.serial,
            address: u64::from(self.get(Register::AddressHigh)) << 32 | low,
            length: length as usize,
            write: is(control::WRITE),
            access: Access {
                stream: u16::try_from(self.get(Register::Stream)).unwrap_or(u16::MAX),
                privileged: is(control::PRIVILEGED),
                instruction: is(control::INSTRUCTION),
            },
            seed: self.get(Register::Seed),
            goes_on: is(control::GO_ON),
            window: is(control::WINDOW).then(|| Box::new(self.window)),
            repeat: self.get(Register::Repeat),
        });
        true
    }
}
