// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A machine for the examples: 1 MiB of memory that threads share, and a host that says what the SMMU tells it.

#![allow(dead_code, reason = "each example uses a part")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use smmu_emu::{BusError, Host, Line, Memory};

/// First address of memory.
pub const RAM: u64 = 0x8000_0000;
/// Tables of level 1 to 3, one of each.
pub const TABLES: u64 = RAM;
/// The registers of context bank 0, behind the 16 pages of global space.
pub const BANK: u64 = 16 << 12;
const WORDS: usize = (1 << 20) / 8;

/// Offsets and values of the registers that send stream 7 to context bank 0, whose stage 1 uses [`TABLES`], as software
/// writes them.
pub fn configuration(sctlr: u64) -> [(u64, u64); 9] {
    [
        // CBA2R0.VA64; CBAR0: stage 1, stage 2 bypassed.
        (0x1800, 1),
        (0x1000, 1 << 16),
        // CB0_TCR2.PASize: 48 bits.
        (BANK + 0x10, 5),
        // CB0_TCR: EPD1, 4 KiB granule, 39 bits of input.
        (BANK + 0x30, 1 << 23 | 25),
        (BANK + 0x20, TABLES),
        (BANK, sctlr),
        // Stream 7 goes to bank 0; sCR0 lets clients in.
        (0x800, 1 << 31 | 7),
        (0xc00, 0),
        (0x0, 0),
    ]
}

/// Memory, and the count of decisions about stalls.
#[derive(Clone)]
pub struct Machine {
    words: Arc<Vec<AtomicU64>>,
    resumed: Arc<(Mutex<u64>, Condvar)>,
}

impl Machine {
    /// Tables that map nothing of the first 2 MiB.
    pub fn new() -> Self {
        let machine = Self {
            words: Arc::new((0..WORDS).map(|_| AtomicU64::new(0)).collect()),
            resumed: Arc::default(),
        };
        machine.set(TABLES, (TABLES + 0x1000) | 3);
        machine.set(TABLES + 0x1000, (TABLES + 0x2000) | 3);
        machine
    }

    fn word(&self, address: u64) -> Option<&AtomicU64> {
        let at = address.checked_sub(RAM)? / 8;
        self.words.get(usize::try_from(at).ok()?)
    }

    /// Reads a word.
    pub fn get(&self, address: u64) -> u64 {
        self.word(address)
            .map_or(u64::MAX, |word| word.load(Ordering::SeqCst))
    }

    /// Writes a word.
    pub fn set(&self, address: u64, value: u64) {
        if let Some(word) = self.word(address) {
            word.store(value, Ordering::SeqCst);
        }
    }

    /// Maps a page of the bus to one of memory: access flag, reads and writes for everyone.
    pub fn map(&self, bus: u64, physical: u64) {
        self.set(TABLES + 0x2000 + (bus >> 12) * 8, physical | 1 << 10 | 1 << 6 | 3);
    }

    /// Decisions about stalls so far.
    pub fn decisions(&self) -> u64 {
        *self.resumed.0.lock().expect("no panic")
    }

    /// Waits until there are others than these.
    pub fn wait_for_decision(&self, seen: u64) {
        let (count, changed) = &*self.resumed;
        let now = count.lock().expect("no panic");
        drop(changed.wait_while(now, |now| *now == seen).expect("no panic"));
    }
}

impl Memory for Machine {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), BusError> {
        let word = self.word(address).ok_or(BusError)?.load(Ordering::SeqCst);
        let bytes = word.to_le_bytes();
        let offset = usize::try_from(address % 8).map_err(|_| BusError)?;
        data.copy_from_slice(bytes.get(offset..offset + data.len()).ok_or(BusError)?);
        Ok(())
    }

    fn compare_exchange(&self, address: u64, old: u64, new: u64) -> Result<u64, BusError> {
        let word = self.word(address).ok_or(BusError)?;
        let found = word.compare_exchange(old.to_le(), new.to_le(), Ordering::SeqCst, Ordering::SeqCst);
        Ok(found.unwrap_or_else(|found| found))
    }
}

impl Host for Machine {
    fn now(&self) -> u64 {
        0
    }

    fn set_line(&mut self, line: Line, level: bool) {
        println!("interrupt: {line:?} is {}", if level { "high" } else { "low" });
    }

    fn wake_at(&mut self, _: u64) {}

    fn mark(&self, _: &str) -> bool {
        false
    }

    fn resumed(&mut self, _bank: u8) {
        let (count, changed) = &*self.resumed;
        *count.lock().expect("no panic") += 1;
        changed.notify_all();
    }
}
