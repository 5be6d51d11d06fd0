// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The bytes of a channel in the MFIFO, in one piece, so that accesses need no copy of them.

/// First in, first out.
#[derive(Clone, Debug, Default)]
pub(super) struct Fifo {
    bytes: Vec<u8>,
    /// Bytes before this are gone.
    start: usize,
}

impl Fifo {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    /// Adds bytes at the end, to be filled.
    pub(super) fn grow(&mut self, length: usize) -> &mut [u8] {
        let end = self.bytes.len();
        self.bytes.resize(end + length, 0);
        self.bytes.get_mut(end..).unwrap_or_default()
    }

    /// Takes bytes at the end back.
    pub(super) fn shrink(&mut self, length: usize) {
        self.bytes
            .truncate(self.bytes.len().saturating_sub(length).max(self.start));
    }

    /// The bytes from a position on.
    pub(super) fn after(&mut self, position: usize) -> &mut [u8] {
        self.bytes.get_mut(self.start + position..).unwrap_or_default()
    }

    /// The first bytes, as many as there are.
    pub(super) fn front(&self, length: usize) -> &[u8] {
        let all = self.bytes.get(self.start..).unwrap_or_default();
        all.get(..length).unwrap_or(all)
    }

    /// Removes the first bytes.
    pub(super) fn consume(&mut self, length: usize) {
        self.start += length.min(self.len());
        // What is gone never outweighs what is there; so each byte is moved once at most, on average.
        if self.start > self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}
