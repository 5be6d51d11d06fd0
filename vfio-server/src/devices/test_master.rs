// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The test master: makes the accesses that its registers say, and shows what came of them.
//!
//! Registers are 32-bit words, little-endian, and take whole words; [`registers::ROWS`] lists them. From
//! [`registers::WINDOW`] on there are 2 KiB of data. A *transfer* of LENGTH bytes at ADDRESS is made REPEAT times, page
//! by page, by a thread; then there is an interrupt. What is written comes from the window, over and over, or is a
//! *pattern*: its word k, counted from ADDRESS, is `(SEED + k) * 0x9e3779b1` modulo 2^32. What is read is compared with
//! the pattern, and its first 2 KiB are put into the window.

use std::sync::Arc;

use crate::dma::{DeviceContext, Doorbell, MmioRegion};
use crate::sync::Mutex;

pub mod registers;
#[cfg(test)]
mod tests;
mod transfer;

pub use transfer::pattern;

use registers::{Registers, WINDOW};

#[derive(Debug)]
struct TestMaster {
    registers: Arc<Mutex<Registers>>,
    doorbell: Doorbell,
}

/// Makes a test master.
///
/// # Errors
/// There are no more threads.
pub fn start(context: &mut DeviceContext) -> std::io::Result<Box<dyn MmioRegion>> {
    let registers = Arc::new(Mutex::new(Registers::new(context.stream())));
    let (theirs, interrupt) = (Arc::clone(&registers), context.interrupt());
    let doorbell = context.thread(move |port| {
        let transfer = theirs.lock().next.take();
        if transfer.is_some_and(|transfer| transfer.run(port, &theirs).is_ok()) {
            interrupt.raise();
        }
    })?;
    Ok(Box::new(TestMaster { registers, doorbell }))
}

impl MmioRegion for TestMaster {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        let registers = self.registers.lock();
        for (at, byte) in (offset..).zip(data) {
            *byte = registers.byte(at);
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        let mut registers = self.registers.lock();
        let mut rings = false;
        if let Some(at) = offset.checked_sub(WINDOW) {
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            let window = registers.window.iter_mut().skip(at);
            window.zip(data).for_each(|(to, byte)| *to = *byte);
        } else if offset.is_multiple_of(4) {
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            for (at, word) in (offset..).step_by(4).zip(data.as_chunks().0) {
                rings |= registers.write(at, u32::from_le_bytes(*word));
            }
        }
        drop(registers);
        if rings {
            self.doorbell.ring();
        }
    }

    fn reset(&mut self) {
        self.registers.lock().reset();
    }
}
