// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Configuration space of the PCI function: a conventional endpoint with three memory BARs and MSI-X.
//!
//! QEMU emulates the BARs and MSI-X for the guest, but takes their kind and size from here, and forwards writes.

#[cfg(test)]
mod tests;

/// Bytes of conventional configuration space.
pub const CONFIG_SIZE: usize = 256;
/// The BAR that holds the MSI-X table and the pending bits.
pub const MSIX_BAR: u8 = 4;
/// Offset of the pending bits in that BAR.
pub const PENDING_OFFSET: u32 = 0x1000;
/// Bytes of that BAR: a page for the table, a page for the pending bits.
pub const MSIX_BAR_SIZE: u32 = 0x2000;
/// The most vectors whose table fits before [`PENDING_OFFSET`].
pub const MAX_VECTORS: u16 = 256;

/// Arm Ltd.
const VENDOR: u16 = 0x13b5;
/// Not assigned by Arm; no driver binds to the function, the kernel never sees it.
const DEVICE: u16 = 0x0500;
/// Base class 08h system peripheral, subclass 80h other.
const CLASS: u32 = 0x08_80_00;

const COMMAND: usize = 0x04;
const STATUS: usize = 0x06;
const REVISION_AND_CLASS: usize = 0x08;
const CACHE_LINE_SIZE: usize = 0x0c;
const LATENCY_TIMER: usize = 0x0d;
const BAR0: usize = 0x10;
const SUBSYSTEM: usize = 0x2c;
const CAPABILITIES: usize = 0x34;
const INTERRUPT_LINE: usize = 0x3c;
const MSIX: usize = 0x40;

/// Memory decode, bus master, parity and SERR response, INTx disable.
const COMMAND_WRITABLE: u16 = 0x0546;
const STATUS_CAPABILITIES: u16 = 1 << 4;
const MSIX_CAPABILITY: u8 = 0x11;
/// MSI-X enable and function mask.
const MSIX_CONTROL_WRITABLE: u16 = 0xc000;

/// The bytes of configuration space and which of their bits a write changes.
#[derive(Clone, Debug)]
pub struct ConfigSpace {
    bytes: [u8; CONFIG_SIZE],
    writable: [u8; CONFIG_SIZE],
    reset: [u8; CONFIG_SIZE],
}

impl ConfigSpace {
    /// A function with these BAR sizes (powers of two from 16 bytes; 0 is no BAR) and `vectors` MSI-X vectors, at
    /// least 1 and at most [`MAX_VECTORS`].
    #[must_use]
    pub fn new(bars: [u32; 6], vectors: u16) -> Self {
        let mut space = Self {
            bytes: [0; CONFIG_SIZE],
            writable: [0; CONFIG_SIZE],
            reset: [0; CONFIG_SIZE],
        };
        space.put(0, &VENDOR.to_le_bytes(), &[]);
        space.put(2, &DEVICE.to_le_bytes(), &[]);
        space.put(COMMAND, &[0, 0], &COMMAND_WRITABLE.to_le_bytes());
        space.put(STATUS, &STATUS_CAPABILITIES.to_le_bytes(), &[]);
        space.put(REVISION_AND_CLASS, &(CLASS << 8).to_le_bytes(), &[]);
        space.put(CACHE_LINE_SIZE, &[0], &[0xff]);
        space.put(LATENCY_TIMER, &[0], &[0xff]);
        for (size, offset) in bars.into_iter().zip((BAR0..).step_by(4)) {
            // 32-bit memory, not prefetchable: the low bits are 0. Address bits below the size do not change, so
            // that writing ones reads back the size.
            let mask = if size == 0 { 0 } else { !(size - 1) };
            space.put(offset, &[0; 4], &mask.to_le_bytes());
        }
        space.put(SUBSYSTEM, &VENDOR.to_le_bytes(), &[]);
        space.put(SUBSYSTEM + 2, &DEVICE.to_le_bytes(), &[]);
        space.put(CAPABILITIES, &[0x40], &[]);
        space.put(INTERRUPT_LINE, &[0], &[0xff]);
        let control = vectors.clamp(1, MAX_VECTORS) - 1;
        space.put(MSIX, &[MSIX_CAPABILITY, 0], &[]);
        space.put(
            MSIX + 2,
            &control.to_le_bytes(),
            &MSIX_CONTROL_WRITABLE.to_le_bytes(),
        );
        space.put(MSIX + 4, &u32::from(MSIX_BAR).to_le_bytes(), &[]);
        space.put(
            MSIX + 8,
            &(PENDING_OFFSET | u32::from(MSIX_BAR)).to_le_bytes(),
            &[],
        );
        space.reset = space.bytes;
        space
    }

    fn put(&mut self, offset: usize, bytes: &[u8], writable: &[u8]) {
        for (to, from) in self.bytes.iter_mut().skip(offset).zip(bytes) {
            *to = *from;
        }
        for (to, from) in self.writable.iter_mut().skip(offset).zip(writable) {
            *to = *from;
        }
    }

    /// Back to the state after power-on.
    pub fn reset(&mut self) {
        self.bytes = self.reset;
    }

    /// Reads bytes; beyond the end they are 0.
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        let offset = usize::try_from(offset).unwrap_or(CONFIG_SIZE);
        for (to, from) in data.iter_mut().zip(self.bytes.iter().skip(offset)) {
            *to = *from;
        }
    }

    /// Writes bytes; bits that are not writable, and bytes beyond the end, keep their value.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        let offset = usize::try_from(offset).unwrap_or(CONFIG_SIZE);
        let bytes = self.bytes.iter_mut().zip(&self.writable).skip(offset);
        for ((to, mask), from) in bytes.zip(data) {
            *to = (*to & !mask) | (from & mask);
        }
    }
}
